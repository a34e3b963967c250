//! `GET /user/`.

use serde_json::json;

use crate::seed::seed;
use crate::support::fixtures::{each, fields};
use crate::support::services::Layout;

on_every_stack!(
    lists_users_by_id,
    gives_a_hundred_and_links_to_more,
    walks_by_pages,
    refuses_bad_pages,
);

async fn lists_users_by_id(layout: Layout) {
    let stack = layout.spec().await;
    let empty = stack.users.get("/user/").await.expect(200);
    assert_eq!(empty.json(), json!([]));
    for name in ["zoe", "ann", "bob"] {
        stack.register(name).await;
    }
    let answer = stack.users.get("/user/").await.expect(200);
    assert_eq!(answer.next(), None);
    let users = answer.json();
    assert_eq!(each(&users, "username"), ["zoe", "ann", "bob"]);
    for user in users.as_array().unwrap() {
        assert_eq!(fields(user), ["created_at", "email", "id", "username"]);
        assert!(user["email"].is_string(), "{user}");
    }
}

async fn gives_a_hundred_and_links_to_more(layout: Layout) {
    let stack = layout.spec().await;
    seed(&stack.database, stack.folder(), 101, 0).await;
    let first = stack.users.get("/user/").await.expect(200);
    assert_eq!(first.json().as_array().unwrap().len(), 100);
    let rest = stack.users.get(&first.next().unwrap()).await.expect(200);
    assert_eq!(rest.json().as_array().unwrap().len(), 1);
    assert_eq!(rest.next(), None);
    let all = stack.users.get("/user/?limit=1000").await.expect(200);
    assert_eq!(all.json().as_array().unwrap().len(), 101);
}

async fn walks_by_pages(layout: Layout) {
    let stack = layout.spec().await;
    let names = ["e", "d", "c", "b", "a"];
    for name in names {
        stack.register(name).await;
    }
    let mut path = "/user?limit=2".to_owned();
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = stack.users.get(&path).await.expect(200);
        seen.extend(each(&page.json(), "username"));
        pages += 1;
        match page.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, names);
    assert_eq!(pages, 3);
}

async fn refuses_bad_pages(layout: Layout) {
    let stack = layout.spec().await;
    stack.users.get("/user/?limit=1").await.expect(200);
    for limit in ["0", "-1", "1001", "x", "", "1.5", "99999999999999999999"] {
        let answer = stack.users.get(&format!("/user/?limit={limit}")).await;
        answer.problem(422).points_at(&["/limit"]);
    }
    let answer = stack.users.get("/user/?after=garbage").await;
    answer.problem(422).points_at(&["/after"]);
}

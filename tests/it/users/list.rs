//! `GET /user/`.

use serde_json::json;

use crate::support::fixtures::{pluck, sorted_keys};
use crate::support::services::Topology;

on_every_topology!(
    lists_users_by_id,
    full_page_has_next_link,
    walks_by_pages,
    rejects_invalid_page_parameters,
);

async fn lists_users_by_id(topology: Topology) {
    let services = topology.start_open().await;
    let empty = services.users.get_users().await.expect(200);
    assert_eq!(empty.json(), json!([]));
    for name in ["zoe", "ann", "bob"] {
        services.register(name).await;
    }
    let response = services.users.get_users().await.expect(200);
    assert_eq!(response.next_page(), None);
    let users = response.json();
    assert_eq!(pluck(&users, "username"), ["zoe", "ann", "bob"]);
    for user in users.as_array().unwrap() {
        assert_eq!(sorted_keys(user), ["created_at", "email", "id", "username"]);
        assert!(user["email"].is_string(), "{user}");
    }
}

async fn full_page_has_next_link(topology: Topology) {
    let services = topology.start_open().await;
    services.seed(101, 0).await;
    let first = services.users.get_users().await.expect(200);
    assert_eq!(first.json().as_array().unwrap().len(), 100);
    let rest = services.users.get(&first.next_page().unwrap()).await.expect(200);
    assert_eq!(rest.json().as_array().unwrap().len(), 1);
    assert_eq!(rest.next_page(), None);
    let all = services.users.get("/user/?limit=1000").await.expect(200);
    assert_eq!(all.json().as_array().unwrap().len(), 101);
}

async fn walks_by_pages(topology: Topology) {
    let services = topology.start_open().await;
    let names = ["e", "d", "c", "b", "a"];
    for name in names {
        services.register(name).await;
    }
    let mut path = "/user?limit=2".to_owned();
    let mut names_read = Vec::new();
    let mut pages = 0;
    loop {
        let page = services.users.get(&path).await.expect(200);
        names_read.extend(pluck(&page.json(), "username"));
        pages += 1;
        match page.next_page() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(names_read, names);
    assert_eq!(pages, 3);
}

async fn rejects_invalid_page_parameters(topology: Topology) {
    let services = topology.start_open().await;
    services.users.get("/user/?limit=1").await.expect(200);
    for limit in ["0", "-1", "1001", "x", "", "1.5", "99999999999999999999"] {
        let response = services.users.get(&format!("/user/?limit={limit}")).await;
        response.problem(422).assert_pointers(&["/limit"]);
    }
    let response = services.users.get("/user/?after=garbage").await;
    response.problem(422).assert_pointers(&["/after"]);
}

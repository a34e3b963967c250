//! The pages of a user's offers in `GET /user/{user_id}/`.

use serde_json::Value;

use crate::seed::seed;
use crate::support::fixtures::each;
use crate::support::services::Layout;

on_every_stack!(shows_a_thousand_and_links_to_more, walks_by_pages, refuses_bad_pages,);

fn titles(user: &Value) -> Vec<Value> {
    each(&user["offers"], "id")
}

async fn shows_a_thousand_and_links_to_more(layout: Layout) {
    let stack = layout.spec().await;
    seed(&stack.database, stack.folder(), 1, 1005).await;
    let first = stack.users.get("/user/demo1/").await.expect(200);
    let next = first.next().expect("there are more than a thousand");
    let mut seen = titles(&first.json());
    assert_eq!(seen.len(), 1000);
    let last = stack.users.get(&next).await.expect(200);
    assert_eq!(last.next(), None);
    seen.extend(titles(&last.json()));
    assert_eq!(seen.len(), 1005);
    assert!(seen.windows(2).all(|pair| pair[0].as_i64() < pair[1].as_i64()));
}

async fn walks_by_pages(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(stack.offer(&ann, &number.to_string()).await["id"].clone());
    }
    let mut path = format!("{}?offers_limit=2", ann.path());
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    loop {
        let page = stack.users.get(&path).await.expect(200);
        let ids = titles(&page.json());
        sizes.push(ids.len());
        seen.extend(ids);
        match page.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(seen, made);

    // A full last page has no successor.
    let page = stack.users.get(&format!("{}?offers_limit=5", ann.path())).await;
    assert_eq!(page.expect(200).next(), None);
}

async fn refuses_bad_pages(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    stack.users.get("/user/ann/?offers_limit=1000").await.expect(200);
    stack.users.get("/user/ann/?offers_limit=1&unknown=1").await.expect(200);
    for limit in ["0", "-1", "1001", "x", "", "1.5", "99999999999999999999"] {
        let answer = stack.users.get(&format!("/user/ann/?offers_limit={limit}")).await;
        answer.problem(422).points_at(&["/offers_limit"]);
    }
    let answer = stack.users.get("/user/ann/?offers_after=garbage").await;
    answer.problem(422).points_at(&["/offers_after"]);
}

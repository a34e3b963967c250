//! The pages of `POST /offer/` by user.

use serde_json::json;

use crate::seed::seed;
use crate::support::fixtures::each;
use crate::support::services::Layout;

on_every_stack!(gives_a_thousand_and_links_to_more, walks_by_pages, refuses_bad_pages);

async fn gives_a_thousand_and_links_to_more(layout: Layout) {
    let stack = layout.spec().await;
    seed(&stack.database, stack.folder(), 1, 1003).await;
    let user = stack.users.get("/user/demo1/?offers_limit=1").await.expect(200).json();
    let body = json!({ "user_id": user["id"] });
    let first = stack.offers.post("/offer/", body.clone()).await.expect(200);
    let mut seen = each(&first.json(), "id");
    assert_eq!(seen.len(), 1000);
    let last = stack.offers.post(&first.next().unwrap(), body).await.expect(200);
    assert_eq!(last.next(), None);
    seen.extend(each(&last.json(), "id"));
    assert_eq!(seen.len(), 1003);
    assert!(seen.windows(2).all(|pair| pair[0].as_i64() < pair[1].as_i64()));
}

async fn walks_by_pages(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(stack.offer(&ann, &number.to_string()).await["id"].clone());
        stack.offer(&bob, "between").await;
    }
    let body = json!({ "user_id": ann.id });
    let mut path = "/offer/?limit=2".to_owned();
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let page = stack.offers.post(&path, body.clone()).await.expect(200);
        let ids = each(&page.json(), "id");
        sizes.push(ids.len());
        seen.extend(ids);
        match page.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(seen, made);
    assert_eq!(sizes, [2, 2, 1]);
}

async fn refuses_bad_pages(layout: Layout) {
    let stack = layout.spec().await;
    let body = json!({ "user_id": 1 });
    for limit in ["0", "-1", "1001", "x", "", "1.5", "99999999999999999999"] {
        let answer = stack.offers.post(&format!("/offer/?limit={limit}"), body.clone()).await;
        answer.problem(422).points_at(&["/limit"]);
    }
    let answer = stack.offers.post("/offer/?after=garbage", body).await;
    answer.problem(422).points_at(&["/after"]);
}

//! `POST /offer/` by offer and by user.

use serde_json::json;

use crate::support::fixtures::each;
use crate::support::services::Layout;

on_every_stack!(
    gives_one_offer_as_an_object,
    gives_the_offers_of_a_user,
    gives_an_empty_array_where_there_is_none,
    wants_one_of_the_two,
    names_wrong_fields,
);

async fn gives_one_offer_as_an_object(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let offer = stack.offer(&ann, "chair").await;
    stack.offer(&ann, "table").await;
    let body = json!({ "offer_id": offer["id"], "unknown": [] });
    assert_eq!(stack.offers.post("/offer/", body).await.expect(200).json(), offer);
    let body = json!({ "offer_id": offer["id"], "user_id": null });
    assert_eq!(stack.offers.post("/offer/", body).await.expect(200).json(), offer);
}

async fn gives_the_offers_of_a_user(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let chair = stack.offer(&ann, "chair").await;
    stack.offer(&bob, "bell").await;
    let table = stack.offer(&ann, "table").await;
    let answer = stack.offers.post("/offer/", json!({ "user_id": ann.id })).await.expect(200);
    assert_eq!(answer.next(), None);
    assert_eq!(answer.json(), json!([chair, table]));
    let answer = stack.offers.post("/offer/", json!({ "user_id": bob.id })).await.expect(200);
    assert_eq!(each(&answer.json(), "title"), ["bell"]);
}

async fn gives_an_empty_array_where_there_is_none(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await;
    for body in [
        json!({ "offer_id": 1 }),
        json!({ "offer_id": i64::MAX }),
        json!({ "user_id": user["id"] }),
        json!({ "user_id": i64::MAX }),
    ] {
        let answer = stack.offers.post("/offer/", body).await.expect(200);
        assert_eq!(answer.json(), json!([]));
    }
}

async fn wants_one_of_the_two(layout: Layout) {
    let stack = layout.spec().await;
    for body in [json!({}), json!({ "offer_id": 1, "user_id": 1 }), json!({ "title": "chair" })] {
        stack.offers.post("/offer/", body).await.problem(422);
    }
}

async fn names_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    for value in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!("one"),
        json!(true),
        json!([1]),
        json!({}),
        json!(u64::MAX),
        json!(1e30),
    ] {
        for field in ["offer_id", "user_id"] {
            let answer = stack.offers.post("/offer/", json!({ field: value })).await;
            answer.problem(422).points_at(&[&format!("/{field}")]);
        }
    }
}

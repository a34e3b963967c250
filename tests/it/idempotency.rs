//! `Idempotency-Key`: a request that is repeated creates no second offer.

use chrono::{TimeDelta, Utc};
use entity::keyed_offer::{Column, Entity};
use futures_util::future::join_all;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::support::client::{Answer, Api};
use crate::support::services::{Layout, Stack};

on_every_stack!(
    the_same_request_creates_one_offer,
    another_request_needs_another_key,
    a_key_is_forgotten_after_a_day,
);

async fn create(api: &Api, key: &str, body: &Value) -> Answer {
    let request = api.request(reqwest::Method::POST, "/offer/create/").json(body);
    Answer::to(request.header("Idempotency-Key", key)).await
}

async fn offers_of(stack: &Stack, user: i64) -> usize {
    let all = stack.offers.post("/offer/", json!({ "user_id": user })).await.expect(200);
    all.json().as_array().unwrap().len()
}

async fn the_same_request_creates_one_offer(layout: Layout) {
    let stack = layout.spec().await;
    let [ann, bob] = [stack.register("ann").await, stack.register("bob").await];
    let chair = json!({ "user_id": ann["id"], "title": "chair", "text": "old" });
    // At the same moment, as by clients that give up too early.
    let answers = join_all((0..8).map(|_| create(&stack.offers, "k-1", &chair))).await;
    let first = answers[0].json();
    for answer in answers {
        assert_eq!(answer.expect(201).json(), first);
    }
    assert_eq!(create(&stack.offers, "k-1", &chair).await.expect(201).json(), first);
    assert_eq!(offers_of(&stack, ann["id"].as_i64().unwrap()).await, 1);

    // A key is its user's own, and a request without one is always a new one.
    let other = json!({ "user_id": bob["id"], "title": "chair", "text": "old" });
    create(&stack.offers, "k-1", &other).await.expect(201);
    for _ in 0..2 {
        stack.offers.post("/offer/create/", chair.clone()).await.expect(201);
    }
    assert_eq!(offers_of(&stack, ann["id"].as_i64().unwrap()).await, 3);
    assert_eq!(offers_of(&stack, bob["id"].as_i64().unwrap()).await, 1);

    // GraphQL shares the keys.
    let mutation = "mutation($input: CreateOfferInput!) { createOffer(input: $input) { id } }";
    let user = ann["id"].to_string();
    let input = json!({ "userId": user, "title": "chair", "text": "old", "idempotencyKey": "k-1" });
    for _ in 0..2 {
        let made = stack.offers.graphql(mutation, json!({ "input": input })).await;
        assert_eq!(made.data()["createOffer"]["id"], json!(first["id"].to_string()));
    }
}

async fn another_request_needs_another_key(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.register("ann").await;
    let chair = json!({ "user_id": ann["id"], "title": "chair", "text": "old" });
    create(&stack.offers, "k-1", &chair).await.expect(201);
    for (title, text) in [("table", "old"), ("chair", "new"), ("chairo", "ld")] {
        let body = json!({ "user_id": ann["id"], "title": title, "text": text });
        let problem = create(&stack.offers, "k-1", &body).await.problem(422);
        assert_eq!(problem.code, "IDEMPOTENCY_KEY_REUSED");
    }
    for key in ["", "a b", "ключ", &"k".repeat(256)] {
        let problem = create(&stack.offers, key, &chair).await.problem(422);
        assert_eq!(problem.code, "INVALID_INPUT", "{key}");
    }
    let stranger = json!({ "user_id": 4711, "title": "chair", "text": "old" });
    let problem = create(&stack.offers, "k-2", &stranger).await.problem(422);
    assert_eq!(problem.code, "USER_NOT_FOUND");
    assert_eq!(offers_of(&stack, ann["id"].as_i64().unwrap()).await, 1);
}

async fn a_key_is_forgotten_after_a_day(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.register("ann").await;
    let chair = json!({ "user_id": ann["id"], "title": "chair", "text": "old" });
    let first = create(&stack.offers, "k-1", &chair).await.expect(201).json();
    let age = async |hours| {
        let made = Utc::now() - TimeDelta::hours(hours);
        Entity::update_many()
            .col_expr(Column::CreatedAt, Expr::value(made))
            .filter(Column::Id.eq(first["id"].as_i64().unwrap()))
            .exec(&stack.database.connect().await)
            .await
            .unwrap();
    };
    age(23).await;
    let again = create(&stack.offers, "k-1", &chair).await.expect(201).json();
    assert_eq!(again["id"], first["id"]);
    age(25).await;
    let again = create(&stack.offers, "k-1", &chair).await.expect(201).json();
    assert_ne!(again["id"], first["id"]);
    assert_eq!(offers_of(&stack, ann["id"].as_i64().unwrap()).await, 2);
}

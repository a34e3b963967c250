//! `Idempotency-Key`: a repeated request creates no second offer.

use chrono::{TimeDelta, Utc};
use entity::idempotency_key::{Column, Entity};
use futures_util::future::join_all;
use sea_orm::sea_query::Expr;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::client::{ApiClient, HttpResponse, send};
use crate::support::services::{Services, Topology};

on_every_topology!(
    repeat_returns_same_offer,
    key_reuse_with_other_body_is_422,
    key_outlives_its_offer,
    key_expires_after_24h,
);

async fn create_with_key(api: &ApiClient, key: &str, body: &Value) -> HttpResponse {
    let request = api.request(reqwest::Method::POST, "/offer/create/").json(body);
    send(request.header("Idempotency-Key", key)).await
}

async fn count_offers_of(services: &Services, user: i64) -> usize {
    let all = services.offers.find_offers_of(user).await.expect(200);
    all.json().as_array().unwrap().len()
}

async fn repeat_returns_same_offer(topology: Topology) {
    let services = topology.start_open().await;
    let [ann, bob] = [services.register("ann").await, services.register("bob").await];
    let chair = json!({ "user_id": ann["id"], "title": "chair", "text": "old" });
    // Concurrently, as from a client with a short timeout.
    let responses =
        join_all((0..8).map(|_| create_with_key(&services.offers, "k-1", &chair))).await;
    let first = responses[0].json();
    for response in responses {
        assert_eq!(response.expect(201).json(), first);
    }
    assert_eq!(create_with_key(&services.offers, "k-1", &chair).await.expect(201).json(), first);
    assert_eq!(count_offers_of(&services, ann["id"].as_i64().unwrap()).await, 1);

    // Keys are separate for each user, and requests without one always create an offer.
    let other = json!({ "user_id": bob["id"], "title": "chair", "text": "old" });
    create_with_key(&services.offers, "k-1", &other).await.expect(201);
    for _ in 0..2 {
        services.offers.post_offer(chair.clone()).await.expect(201);
    }
    assert_eq!(count_offers_of(&services, ann["id"].as_i64().unwrap()).await, 3);
    assert_eq!(count_offers_of(&services, bob["id"].as_i64().unwrap()).await, 1);

    // GraphQL and REST share the keys.
    let mutation = "mutation($input: CreateOfferInput!) { createOffer(input: $input) { id } }";
    let user = ann["id"].to_string();
    let input = json!({ "userId": user, "title": "chair", "text": "old", "idempotencyKey": "k-1" });
    for _ in 0..2 {
        let created = services.offers.graphql(mutation, json!({ "input": input })).await;
        assert_eq!(created.data()["createOffer"]["id"], json!(first["id"].to_string()));
    }
}

async fn key_reuse_with_other_body_is_422(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register("ann").await;
    let chair = json!({ "user_id": ann["id"], "title": "chair", "text": "old" });
    create_with_key(&services.offers, "k-1", &chair).await.expect(201);
    for (title, text) in [("table", "old"), ("chair", "new"), ("chairo", "ld")] {
        let body = json!({ "user_id": ann["id"], "title": title, "text": text });
        let problem = create_with_key(&services.offers, "k-1", &body).await.problem(422);
        assert_eq!(problem.code, "IDEMPOTENCY_KEY_REUSED");
    }
    let priced = |amount: i64, currency: &str| {
        let mut body = chair.clone();
        body["price"] = json!({ "amount": amount, "currency": currency });
        body
    };
    create_with_key(&services.offers, "k-3", &priced(1, "EUR")).await.expect(201);
    create_with_key(&services.offers, "k-3", &priced(1, "EUR")).await.expect(201);
    for (key, body) in [
        ("k-1", priced(1, "EUR")),
        ("k-3", priced(2, "EUR")),
        ("k-3", priced(1, "USD")),
        ("k-3", chair.clone()),
    ] {
        let problem = create_with_key(&services.offers, key, &body).await.problem(422);
        assert_eq!(problem.code, "IDEMPOTENCY_KEY_REUSED");
    }
    for key in ["", "a b", "ключ", &"k".repeat(256)] {
        let problem = create_with_key(&services.offers, key, &chair).await.problem(422);
        assert_eq!(problem.code, "INVALID_INPUT", "{key}");
    }
    let unknown_user = json!({ "user_id": 4711, "title": "chair", "text": "old" });
    let problem = create_with_key(&services.offers, "k-2", &unknown_user).await.problem(422);
    assert_eq!(problem.code, "USER_NOT_FOUND");
    assert_eq!(count_offers_of(&services, ann["id"].as_i64().unwrap()).await, 2);
}

async fn key_outlives_its_offer(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register("ann").await;
    let chair = json!({ "user_id": ann["id"], "title": "chair", "text": "old" });
    let first = create_with_key(&services.offers, "k-1", &chair).await.expect(201).json();
    let id = first["id"].to_string();
    let update = "mutation($id: ID!) { updateOffer(id: $id, input: { title: \"stool\" }) { id } }";
    services.offers.graphql(update, json!({ "id": id })).await.data();
    let again = create_with_key(&services.offers, "k-1", &chair).await.expect(201).json();
    assert_eq!((&again["id"], &again["title"]), (&first["id"], &json!("stool")), "as it is now");

    let delete = "mutation($id: ID!) { deleteOffer(id: $id) }";
    services.offers.graphql(delete, json!({ "id": id })).await.data();
    let problem = create_with_key(&services.offers, "k-1", &chair).await.problem(409);
    assert_eq!(problem.code, "IDEMPOTENCY_KEY_REUSED");
    let other = json!({ "user_id": ann["id"], "title": "table", "text": "old" });
    let problem = create_with_key(&services.offers, "k-1", &other).await.problem(422);
    assert_eq!(problem.code, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(count_offers_of(&services, ann["id"].as_i64().unwrap()).await, 0);

    services.users.delete_user(&ann["id"]).await.expect(204);
    let rows = services.database.connect().await;
    assert_eq!(Entity::find().count(&rows).await, Ok(0), "the keys go with the user");
}

async fn key_expires_after_24h(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register("ann").await;
    let chair = json!({ "user_id": ann["id"], "title": "chair", "text": "old" });
    let first = create_with_key(&services.offers, "k-1", &chair).await.expect(201).json();
    let set_age = async |hours| {
        let created_at = Utc::now() - TimeDelta::hours(hours);
        Entity::update_many()
            .col_expr(Column::CreatedAt, Expr::value(created_at))
            .exec(&services.database.connect().await)
            .await
            .unwrap();
    };
    set_age(23).await;
    let again = create_with_key(&services.offers, "k-1", &chair).await.expect(201).json();
    assert_eq!(again["id"], first["id"]);
    set_age(25).await;
    let again = create_with_key(&services.offers, "k-1", &chair).await.expect(201).json();
    assert_ne!(again["id"], first["id"]);
    assert_eq!(count_offers_of(&services, ann["id"].as_i64().unwrap()).await, 2);
}

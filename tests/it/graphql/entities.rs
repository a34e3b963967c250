//! What a federation gateway asks.

use serde_json::{Value, json};

use crate::support::fixtures::each;
use crate::support::services::Layout;

on_every_stack!(users_resolves_users, offers_resolves_offers_and_users, unknown_ones_are_null);

const USERS: &str = "query($of: [_Any!]!) { _entities(representations: $of) {
    __typename ... on User { id username offers { title } } } }";
const OFFERS: &str = "query($of: [_Any!]!) { _entities(representations: $of) {
    __typename ... on Offer { id title userId user { id } }
    ... on User { id offers { title } offersConnection(first: 1) { edges { node { title } } } } } }";

fn of(kind: &str, id: &Value) -> Value {
    json!({ "__typename": kind, "id": id.to_string() })
}

async fn users_resolves_users(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    stack.offer(&ann, "chair").await;
    let asked = [of("User", &json!(bob.id)), of("User", &json!(ann.id))];
    let data = stack.users.graphql(USERS, json!({ "of": asked })).await.data();
    assert_eq!(each(&data["_entities"], "username"), ["bob", "ann"]);
    assert_eq!(each(&data["_entities"], "__typename"), ["User", "User"]);
    assert_eq!(data["_entities"][1]["offers"], json!([{ "title": "chair" }]));
}

async fn offers_resolves_offers_and_users(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let chair = stack.offer(&ann, "chair").await;
    stack.offer(&ann, "table").await;
    let asked = [of("User", &json!(bob.id)), of("Offer", &chair["id"]), of("User", &json!(ann.id))];
    let data = stack.offers.graphql(OFFERS, json!({ "of": asked })).await.data();
    let [first, second, third] = data["_entities"].as_array().unwrap().as_slice() else {
        panic!("not three: {data}");
    };
    assert_eq!(first["id"], bob.id.to_string());
    assert_eq!(first["offers"], json!([]));
    assert_eq!(second["title"], "chair");
    assert_eq!(second["user"]["id"], ann.id.to_string());
    assert_eq!(each(&third["offers"], "title"), ["chair", "table"]);
    let edges = &third["offersConnection"]["edges"];
    assert_eq!(edges, &json!([{ "node": { "title": "chair" } }]));
}

async fn unknown_ones_are_null(layout: Layout) {
    let stack = layout.spec().await;
    let id = stack.register("ann").await["id"].clone();
    let asked = [of("User", &json!(99_999)), of("User", &id)];
    let data = stack.users.graphql(USERS, json!({ "of": asked })).await.data();
    assert_eq!(data["_entities"][0], Value::Null);
    assert_eq!(data["_entities"][1]["username"], "ann");
    let asked = [of("Offer", &json!(99_999))];
    let data = stack.offers.graphql(OFFERS, json!({ "of": asked })).await.data();
    assert_eq!(data["_entities"], json!([null]));
}

//! `_entities`, the entry point of a federation gateway.

use serde_json::{Value, json};

use crate::support::fixtures::pluck;
use crate::support::services::Topology;

on_every_topology!(
    users_api_resolves_users,
    offers_api_resolves_offers_and_users,
    unknown_entities_are_null
);

const USERS: &str = "query($of: [_Any!]!) { _entities(representations: $of) {
    __typename ... on User { id username offers { title } } } }";
const OFFERS: &str = "query($of: [_Any!]!) { _entities(representations: $of) {
    __typename ... on Offer { id title userId user { id } }
    ... on User { id offers { title } offersConnection(first: 1) { edges { node { title } } } } } }";

fn representation(kind: &str, id: &Value) -> Value {
    json!({ "__typename": kind, "id": id.to_string() })
}

async fn users_api_resolves_users(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    services.create_offer(&ann, "chair").await;
    let representations =
        [representation("User", &json!(bob.id)), representation("User", &json!(ann.id))];
    let data = services.users.graphql(USERS, json!({ "of": representations })).await.data();
    assert_eq!(pluck(&data["_entities"], "username"), ["bob", "ann"]);
    assert_eq!(pluck(&data["_entities"], "__typename"), ["User", "User"]);
    assert_eq!(data["_entities"][1]["offers"], json!([{ "title": "chair" }]));
}

async fn offers_api_resolves_offers_and_users(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let chair = services.create_offer(&ann, "chair").await;
    services.create_offer(&ann, "table").await;
    let representations = [
        representation("User", &json!(bob.id)),
        representation("Offer", &chair["id"]),
        representation("User", &json!(ann.id)),
    ];
    let data = services.offers.graphql(OFFERS, json!({ "of": representations })).await.data();
    let [first, second, third] = data["_entities"].as_array().unwrap().as_slice() else {
        panic!("not three: {data}");
    };
    assert_eq!(first["id"], bob.id.to_string());
    assert_eq!(first["offers"], json!([]));
    assert_eq!(second["title"], "chair");
    assert_eq!(second["user"]["id"], ann.id.to_string());
    assert_eq!(pluck(&third["offers"], "title"), ["chair", "table"]);
    let edges = &third["offersConnection"]["edges"];
    assert_eq!(edges, &json!([{ "node": { "title": "chair" } }]));
}

async fn unknown_entities_are_null(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].clone();
    let representations = [representation("User", &json!(99_999)), representation("User", &id)];
    let data = services.users.graphql(USERS, json!({ "of": representations })).await.data();
    assert_eq!(data["_entities"][0], Value::Null);
    assert_eq!(data["_entities"][1]["username"], "ann");
    let representations = [representation("Offer", &json!(99_999))];
    let data = services.offers.graphql(OFFERS, json!({ "of": representations })).await.data();
    assert_eq!(data["_entities"], json!([null]));
}

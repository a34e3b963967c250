//! Offers over GraphQL.

use serde_json::{Value, json};

use crate::support::fixtures::{assert_recent, parse_timestamp, pluck};
use crate::support::services::Topology;

on_every_topology!(
    creates_and_reads_an_offer,
    error_codes_match_rest,
    updates_an_offer,
    deletes_an_offer
);

const CREATE: &str = "mutation($input: CreateOfferInput!) {
    createOffer(input: $input) { ...F user { id } } }
    fragment F on Offer {
        id userId title text price { amount currency } status createdAt updatedAt }";
const UPDATE: &str = "mutation($id: ID!, $input: UpdateOfferInput!) {
    updateOffer(id: $id, input: $input) { id title text } }";

async fn creates_and_reads_an_offer(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].to_string();
    let price = json!({ "amount": 12_000, "currency": "EUR" });
    let input = json!({ "userId": id, "title": "chair", "text": "old", "price": price });
    let data = services.offers.graphql(CREATE, json!({ "input": input })).await.data();
    let offer = &data["createOffer"];
    assert_eq!(offer["userId"], id.as_str());
    assert_eq!(offer["user"], json!({ "id": id }));
    assert_eq!(offer["title"], "chair");
    assert_eq!(offer["text"], "old");
    assert_eq!(offer["price"], price);
    assert_eq!(offer["status"], "OPEN");
    assert_recent(&offer["createdAt"]);
    assert_eq!(offer["updatedAt"], offer["createdAt"]);

    let query = "query($id: ID!) { offer(id: $id) {
        id userId title text price { amount currency } status createdAt updatedAt user { id } } }";
    let data = services.offers.graphql(query, json!({ "id": offer["id"] })).await.data();
    assert_eq!(&data["offer"], offer);
    let data = services.offers.query("{ offer(id: \"99999\") { id } }").await;
    assert_eq!(data, json!({ "offer": null }));
}

async fn error_codes_match_rest(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].as_i64().unwrap();
    for (user_id, title) in [(id, ""), (99_999, "chair")] {
        let rest = services.offers.create_offer(user_id, title, "old").await.problem(422);
        let input = json!({ "userId": user_id.to_string(), "title": title, "text": "old" });
        let graphql = services.offers.graphql(CREATE, json!({ "input": input })).await;
        assert_eq!(graphql.code(), rest.code);
        assert_eq!(graphql.body["errors"][0]["message"], rest.detail);
        assert_eq!(graphql.body["data"], Value::Null);
    }
    for (price, pointers) in [
        (json!({ "amount": -1, "currency": "eur" }), &["/price/amount", "/price/currency"][..]),
        (json!({ "amount": 1, "currency": "EURO" }), &["/price/currency"]),
    ] {
        let input =
            json!({ "userId": id.to_string(), "title": "chair", "text": "old", "price": price });
        let graphql = services.offers.graphql(CREATE, json!({ "input": input })).await;
        assert_eq!(graphql.code(), "INVALID_INPUT");
        let errors = &graphql.body["errors"][0]["extensions"]["errors"];
        assert_eq!(pluck(errors, "pointer"), pointers);
    }
    for query in [
        "mutation { deleteOffer(id: \"99999\") }",
        "mutation { updateOffer(id: \"99999\", input: { title: \"x\" }) { id } }",
    ] {
        let graphql = services.offers.graphql(query, json!({})).await;
        assert_eq!(graphql.code(), "NOT_FOUND");
        assert_eq!(graphql.body["data"], Value::Null);
    }
}

async fn updates_an_offer(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    let id = offer["id"].to_string();
    let variables = json!({ "id": id, "input": { "title": "table" } });
    let data = services.offers.graphql(UPDATE, variables).await.data();
    let expected = json!({ "id": id, "title": "table", "text": offer["text"] });
    assert_eq!(data["updateOffer"], expected);
    let read = services.offers.find_offer(&offer["id"]).await.expect(200).json();
    assert_eq!(read["title"], "table");
    assert_eq!(read["created_at"], offer["created_at"]);
    assert!(parse_timestamp(&read["updated_at"]) > parse_timestamp(&offer["updated_at"]));

    let variables = json!({ "id": id, "input": { "title": "x".repeat(201) } });
    let graphql = services.offers.graphql(UPDATE, variables).await;
    assert_eq!(graphql.code(), "INVALID_INPUT");
}

async fn deletes_an_offer(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let chair = services.create_offer(&ann, "chair").await;
    let table = services.create_offer(&ann, "table").await;
    let delete = format!("mutation {{ deleteOffer(id: \"{}\") }}", chair["id"]);
    assert_eq!(services.offers.query(&delete).await, json!({ "deleteOffer": true }));
    let left = services.offers.find_offers_of(ann.id).await;
    assert_eq!(left.expect(200).json(), json!([table]));
    assert_eq!(services.offers.graphql(&delete, json!({})).await.code(), "NOT_FOUND");
}

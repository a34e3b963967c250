//! Offers by GraphQL.

use serde_json::{Value, json};

use crate::support::fixtures::assert_recent;
use crate::support::services::Layout;

on_every_stack!(creates_and_reads, refuses_with_the_codes_of_rest, updates_an_offer, deletes_one);

const CREATE: &str = "mutation($input: CreateOfferInput!) {
    createOffer(input: $input) { id userId title text createdAt user { id } } }";
const UPDATE: &str = "mutation($id: ID!, $input: UpdateOfferInput!) {
    updateOffer(id: $id, input: $input) { id title text } }";

async fn creates_and_reads(layout: Layout) {
    let stack = layout.spec().await;
    let id = stack.register("ann").await["id"].to_string();
    let input = json!({ "userId": id, "title": "chair", "text": "old" });
    let data = stack.offers.graphql(CREATE, json!({ "input": input })).await.data();
    let offer = &data["createOffer"];
    assert_eq!(offer["userId"], id.as_str());
    assert_eq!(offer["user"], json!({ "id": id }));
    assert_eq!(offer["title"], "chair");
    assert_eq!(offer["text"], "old");
    assert_recent(&offer["createdAt"]);

    let query = "query($id: ID!) { offer(id: $id) { id userId title text createdAt user { id } } }";
    let data = stack.offers.graphql(query, json!({ "id": offer["id"] })).await.data();
    assert_eq!(&data["offer"], offer);
    let data = stack.offers.query("{ offer(id: \"99999\") { id } }").await;
    assert_eq!(data, json!({ "offer": null }));
}

async fn refuses_with_the_codes_of_rest(layout: Layout) {
    let stack = layout.spec().await;
    let id = stack.register("ann").await["id"].as_i64().unwrap();
    for (user_id, title) in [(id, ""), (99_999, "chair")] {
        let body = json!({ "user_id": user_id, "title": title, "text": "old" });
        let rest = stack.offers.post("/offer/create/", body).await.problem(422);
        let input = json!({ "userId": user_id.to_string(), "title": title, "text": "old" });
        let graph = stack.offers.graphql(CREATE, json!({ "input": input })).await;
        assert_eq!(graph.code(), rest.code);
        assert_eq!(graph.body["errors"][0]["message"], rest.detail);
        assert_eq!(graph.body["data"], Value::Null);
    }
    for query in [
        "mutation { deleteOffer(id: \"99999\") }",
        "mutation { updateOffer(id: \"99999\", input: { title: \"x\" }) { id } }",
    ] {
        let graph = stack.offers.graphql(query, json!({})).await;
        assert_eq!(graph.code(), "NOT_FOUND");
        assert_eq!(graph.body["data"], Value::Null);
    }
}

async fn updates_an_offer(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let offer = stack.offer(&ann, "chair").await;
    let id = offer["id"].to_string();
    let variables = json!({ "id": id, "input": { "title": "table" } });
    let data = stack.offers.graphql(UPDATE, variables).await.data();
    let expected = json!({ "id": id, "title": "table", "text": offer["text"] });
    assert_eq!(data["updateOffer"], expected);
    let body = json!({ "offer_id": offer["id"] });
    let read = stack.offers.post("/offer/", body).await.expect(200).json();
    assert_eq!(read["title"], "table");
    assert_eq!(read["created_at"], offer["created_at"]);

    let variables = json!({ "id": id, "input": { "title": "x".repeat(201) } });
    let graph = stack.offers.graphql(UPDATE, variables).await;
    assert_eq!(graph.code(), "INVALID_INPUT");
}

async fn deletes_one(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let chair = stack.offer(&ann, "chair").await;
    let table = stack.offer(&ann, "table").await;
    let delete = format!("mutation {{ deleteOffer(id: \"{}\") }}", chair["id"]);
    assert_eq!(stack.offers.query(&delete).await, json!({ "deleteOffer": true }));
    let left = stack.offers.post("/offer/", json!({ "user_id": ann.id })).await;
    assert_eq!(left.expect(200).json(), json!([table]));
    assert_eq!(stack.offers.graphql(&delete, json!({})).await.code(), "NOT_FOUND");
}

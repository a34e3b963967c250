//! `POST /offer/` by offer id and by user id.

use serde_json::json;

use crate::support::fixtures::pluck;
use crate::support::services::Topology;

on_every_topology!(
    returns_one_offer_as_an_object,
    returns_the_offers_of_a_user,
    no_match_returns_empty_array,
    requires_exactly_one_id,
    reports_invalid_ids,
);

async fn returns_one_offer_as_an_object(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    services.create_offer(&ann, "table").await;
    let body = json!({ "offer_id": offer["id"], "unknown": [] });
    assert_eq!(services.offers.post("/offer/", body).await.expect(200).json(), offer);
    let body = json!({ "offer_id": offer["id"], "user_id": null });
    assert_eq!(services.offers.post("/offer/", body).await.expect(200).json(), offer);
}

async fn returns_the_offers_of_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let chair = services.create_offer(&ann, "chair").await;
    services.create_offer(&bob, "bell").await;
    let table = services.create_offer(&ann, "table").await;
    let response = services.offers.find_offers_of(ann.id).await.expect(200);
    assert_eq!(response.next_page(), None);
    assert_eq!(response.json(), json!([chair, table]));
    let response = services.offers.find_offers_of(bob.id).await.expect(200);
    assert_eq!(pluck(&response.json(), "title"), ["bell"]);
}

async fn no_match_returns_empty_array(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    for body in [
        json!({ "offer_id": 1 }),
        json!({ "offer_id": i64::MAX }),
        json!({ "user_id": user["id"] }),
        json!({ "user_id": i64::MAX }),
    ] {
        let response = services.offers.post("/offer/", body).await.expect(200);
        assert_eq!(response.json(), json!([]));
    }
}

async fn requires_exactly_one_id(topology: Topology) {
    let services = topology.start_open().await;
    for body in [json!({}), json!({ "offer_id": 1, "user_id": 1 }), json!({ "title": "chair" })] {
        services.offers.post("/offer/", body).await.problem(422);
    }
}

async fn reports_invalid_ids(topology: Topology) {
    let services = topology.start_open().await;
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
            let response = services.offers.post("/offer/", json!({ field: value })).await;
            response.problem(422).assert_pointers(&[&format!("/{field}")]);
        }
    }
}

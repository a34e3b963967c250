//! `PATCH /offer/{offer_id}/`.

use serde_json::{Value, json};

use crate::support::fixtures::parse_timestamp;
use crate::support::services::Topology;

on_every_topology!(
    changes_only_the_fields_that_are_sent,
    empty_change_leaves_the_offer_as_it_is,
    reports_every_invalid_field,
    services_agree_on_a_changed_offer,
);

/// Returns the offer without the time of its last update, and that time.
fn without_update_time(mut offer: Value) -> (Value, chrono::DateTime<chrono::Utc>) {
    let updated_at = offer.as_object_mut().unwrap().remove("updated_at").unwrap();
    (offer, parse_timestamp(&updated_at))
}

async fn changes_only_the_fields_that_are_sent(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    let (mut expected, mut last_update) = without_update_time(offer);
    for change in [
        json!({ "title": "table" }),
        json!({ "text": "new" }),
        json!({ "price": { "amount": 12_000, "currency": "EUR" } }),
        json!({ "status": "closed" }),
        json!({ "price": { "amount": 0, "currency": "USD" }, "title": "desk" }),
        json!({ "status": "open", "price": null }),
    ] {
        for (name, value) in change.as_object().unwrap() {
            expected[name] = value.clone();
        }
        let response = services.offers.patch_offer(&expected["id"], change).await.expect(200);
        let (changed, updated_at) = without_update_time(response.json());
        assert_eq!(changed, expected);
        assert!(updated_at > last_update, "{updated_at} {last_update}");
        last_update = updated_at;
        let read = services.offers.get_offer(&expected["id"]).await.expect(200).json();
        assert_eq!(read, response.json());
    }
}

async fn empty_change_leaves_the_offer_as_it_is(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    for body in [json!({}), json!({ "user_id": 77, "id": 77, "created_at": null })] {
        let unchanged = services.offers.patch_offer(&offer["id"], body).await.expect(200).json();
        assert_eq!(unchanged, offer);
    }
}

async fn reports_every_invalid_field(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    for (body, pointers) in [
        (
            json!({ "title": null, "text": null, "status": null }),
            &["/title", "/text", "/status"][..],
        ),
        (json!({ "title": "", "text": "a\u{0}b" }), &["/title", "/text"]),
        (json!({ "title": "x".repeat(201), "status": "sold" }), &["/title", "/status"]),
        (json!({ "status": "OPEN" }), &["/status"]),
        (
            json!({ "price": { "amount": -1, "currency": "eur" }, "status": 1 }),
            &["/price/amount", "/price/currency", "/status"],
        ),
        (json!({ "price": { "amount": 1 } }), &["/price/currency"]),
        (json!({ "price": { "currency": "EUR", "amount": null } }), &["/price/amount"]),
        (json!({ "price": [] }), &["/price"]),
    ] {
        let problem = services.offers.patch_offer(&offer["id"], body).await.problem(422);
        assert_eq!(problem.code, "INVALID_INPUT");
        problem.assert_pointers(pointers);
    }
    assert_eq!(services.offers.get_offer(&offer["id"]).await.expect(200).json(), offer);
}

async fn services_agree_on_a_changed_offer(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    let change = json!({ "price": { "amount": 5, "currency": "JPY" }, "status": "closed" });
    let changed = services.offers.patch_offer(&offer["id"], change).await.expect(200).json();
    let user = services.users.get_user(ann.id).await.expect(200).json();
    assert_eq!(user["offers"], json!([changed]));
    assert_eq!(services.offers.find_offers_of(ann.id).await.expect(200).json(), json!([changed]));
}

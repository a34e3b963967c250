//! `DELETE /offer/{offer_id}/`.

use serde_json::json;

use crate::support::services::Topology;

on_every_topology!(deletes_the_offer, strict_mode_requires_the_owner);

async fn deletes_the_offer(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let chair = services.create_offer(&ann, "chair").await;
    let table = services.create_offer(&ann, "table").await;
    let deleted = services.offers.delete_offer(&chair["id"]).await.expect(204);
    assert!(deleted.body.is_empty());
    services.offers.delete_offer(&chair["id"]).await.problem(404);
    services.offers.get_offer(&chair["id"]).await.problem(404);
    assert_eq!(services.offers.find_offers_of(ann.id).await.json(), json!([table]));
}

async fn strict_mode_requires_the_owner(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let offer = services.create_offer(&ann, "chair").await;
    let (id, change) = (&offer["id"], json!({ "title": "table" }));
    services.offers.patch_offer(id, change.clone()).await.problem(401);
    services.offers.delete_offer(id).await.problem(401);
    let as_bob = services.offers.bearer(&bob.access_token);
    as_bob.patch_offer(id, change.clone()).await.problem(403);
    as_bob.delete_offer(id).await.problem(403);
    assert_eq!(services.offers.get_offer(id).await.expect(200).json(), offer);
    let as_ann = services.offers.bearer(&ann.access_token);
    as_ann.patch_offer(id, change).await.expect(200);
    as_ann.delete_offer(id).await.expect(204);
}

//! `GET /offer/{offer_id}/`.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::send;
use crate::support::services::Topology;

on_every_topology!(returns_the_offer, unknown_offer_returns_404, rejects_other_methods);

async fn returns_the_offer(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let price = json!({ "amount": 12_000, "currency": "EUR" });
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old", "price": price });
    let offer = services.offers.post_offer(body).await.expect(201).json();
    assert_eq!(services.offers.get_offer(&offer["id"]).await.expect(200).json(), offer);
    let path = format!("/offer/{}", offer["id"]);
    assert_eq!(services.offers.get(&path).await.expect(200).json(), offer);
    let head = send(services.offers.request(Method::HEAD, &path)).await.expect(200);
    assert!(head.body.is_empty());
}

async fn unknown_offer_returns_404(topology: Topology) {
    let services = topology.start_open().await;
    for id in ["1", "0", "-1", "1.0", "abc", "9223372036854775808", "%20", "%ff"] {
        let problem = services.offers.get_offer(id).await.problem(404);
        assert_eq!(problem.code, "NOT_FOUND", "{id}");
        services.offers.patch_offer(id, json!({ "title": "table" })).await.problem(404);
        services.offers.delete_offer(id).await.problem(404);
    }
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    for method in [Method::POST, Method::PUT] {
        let response = send(services.offers.request(method, "/offer/1/")).await;
        response.problem(405);
        let mut methods: Vec<_> = response.header(header::ALLOW).unwrap().split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods, ["DELETE", "GET", "HEAD", "PATCH"]);
    }
}

//! HTTPS from `users-api` to `offers-api`.

use std::path::Path;

use serde_json::json;

use super::{HTTPS_ALONE, folder, make_certificates, start, trusting};
use crate::support::client::Api;
use crate::support::fixtures::registration;
use crate::support::process::Process;
use crate::support::processes::free_address;

/// `users-api` and `offers-api` over HTTPS alone, each with the authority of the other.
async fn two(folder: &Path, offers_ca: Option<&str>) -> (Process, Process, Api, Api) {
    let users_address = free_address();
    let jwks_url = format!("http://{users_address}/.well-known/jwks.json");
    let mut offers = start(
        "offers-api",
        folder,
        &[("JWKS_URL", &jwks_url), ("SECURITY", "spec"), HTTPS_ALONE[0], HTTPS_ALONE[1]],
    );
    let offers_url = offers.address("offers-api", "https").await.expect("it runs");
    let mut settings = vec![
        ("OFFERS_URL", offers_url.as_str()),
        ("HTTP_ADDR", &users_address),
        ("SECURITY", "spec"),
    ];
    settings.extend(offers_ca.map(|path| ("OFFERS_CA", path)));
    let mut users = start("users-api", folder, &settings);
    let users_url = users.address("users-api", "http").await.expect("it runs");
    let client = trusting(folder, "certs/ca.pem").build().unwrap();
    let offers_api = Api::with_client(&offers_url, client);
    (users, offers, Api::new(&users_url), offers_api)
}

#[tokio::test]
async fn users_reaches_offers_over_https() {
    let folder = folder().await;
    let (_users, _offers, users, offers) = two(folder.path(), Some("certs/ca.pem")).await;
    let user = users.post("/user/registry/", registration("ann")).await.expect(201).json();
    let body = json!({ "user_id": user["id"], "title": "chair", "text": "old" });
    let offer = offers.post("/offer/create/", body).await.expect(201).json();
    let user = users.get("/user/ann/").await.expect(200).json();
    assert_eq!(user["offers"], json!([offer]));
}

#[tokio::test]
async fn users_trusts_no_stranger() {
    let folder = folder().await;
    make_certificates(folder.path(), "others").await;
    for ca in [None, Some("others/ca.pem")] {
        let (_users, _offers, users, _) = two(folder.path(), ca).await;
        let name = if ca.is_some() { "ann" } else { "bob" };
        users.post("/user/registry/", registration(name)).await.expect(201);
        let problem = users.get(&format!("/user/{name}/")).await.problem(503);
        assert_eq!(problem.code, "OFFERS_UNAVAILABLE");
    }
}

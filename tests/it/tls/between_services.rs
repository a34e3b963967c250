//! HTTPS from `users-api` to `offers-api`.

use std::path::Path;

use serde_json::json;

use super::{HTTPS_ONLY, client_trusting, folder_with_certificates, generate_certificates, start};
use crate::support::client::ApiClient;
use crate::support::fixtures::registration;
use crate::support::process::Process;
use crate::support::settings::free_address;

/// Starts `offers-api` with HTTPS only and `users-api` with `OFFERS_CA`, and returns clients of both.
async fn start_both(
    folder: &Path,
    offers_ca: Option<&str>,
) -> (Process, Process, ApiClient, ApiClient) {
    let users_address = free_address();
    let jwks_url = format!("http://{users_address}/.well-known/jwks.json");
    let mut offers = start(
        "offers-api",
        folder,
        &[("JWKS_URL", &jwks_url), ("SECURITY", "spec"), HTTPS_ONLY[0], HTTPS_ONLY[1]],
    );
    let offers_url = offers.url("offers-api", "https").await;
    let mut settings = vec![
        ("OFFERS_URL", offers_url.as_str()),
        ("HTTP_ADDR", &users_address),
        ("SECURITY", "spec"),
    ];
    settings.extend(offers_ca.map(|path| ("OFFERS_CA", path)));
    let mut users = start("users-api", folder, &settings);
    let users_url = users.url("users-api", "http").await;
    let client = client_trusting(folder, "certs/ca.pem").build().unwrap();
    let offers_api = ApiClient::with_client(&offers_url, client);
    (users, offers, ApiClient::new(&users_url), offers_api)
}

#[tokio::test]
async fn users_api_calls_offers_api_over_https() {
    let folder = folder_with_certificates().await;
    let (_users, _offers, users, offers) = start_both(folder.path(), Some("certs/ca.pem")).await;
    let user = users.post_registration(registration("ann")).await.expect(201).json();
    let offer = offers.create_offer(&user["id"], "chair", "old").await.expect(201).json();
    let user = users.get_user("ann").await.expect(200).json();
    assert_eq!(user["offers"], json!([offer]));
}

#[tokio::test]
async fn users_api_rejects_untrusted_certificates() {
    let folder = folder_with_certificates().await;
    generate_certificates(folder.path(), "others").await;
    for ca in [None, Some("others/ca.pem")] {
        let (_users, _offers, users, _) = start_both(folder.path(), ca).await;
        let name = if ca.is_some() { "ann" } else { "bob" };
        users.post_registration(registration(name)).await.expect(201);
        let problem = users.get_user(name).await.problem(503);
        assert_eq!(problem.code, "OFFERS_UNAVAILABLE");
    }
}

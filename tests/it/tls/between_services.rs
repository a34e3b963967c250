//! HTTPS from `users-api` to `offers-api`.

use std::path::Path;

use serde_json::json;

use super::{HTTPS_ONLY, client_trusting, folder_with_certificates, generate_certificates, start};
use crate::support::client::ApiClient;
use crate::support::fixtures::{password_of, registration, string_field};
use crate::support::process::Process;
use crate::support::settings::{free_address, settings};

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

/// The services call each other at a loopback address, for which the certificate is valid.
#[tokio::test]
async fn wildcard_address_works_with_https_alone() {
    for (address, host) in [("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "[::1]"), ("[::1]:0", "[::1]")] {
        let folder = tempfile::tempdir().unwrap();
        let own = settings([
            ("USERS_HTTP_ADDR", "off"),
            ("OFFERS_HTTP_ADDR", "off"),
            ("USERS_HTTPS_ADDR", address),
            ("OFFERS_HTTPS_ADDR", address),
        ]);
        let mut process = Process::start("classifieds", folder.path(), &own);
        let mut clients = Vec::new();
        for service in ["users-api", "offers-api"] {
            let url = process.url(service, "https").await;
            let client = client_trusting(folder.path(), "certs/ca.pem").build().unwrap();
            let port = url.rsplit(':').next().unwrap();
            clients.push(ApiClient::with_client(&format!("https://{host}:{port}"), client));
        }
        let user = clients[0].post_registration(registration("ann")).await.expect(201).json();
        let session = clients[0].post_login("ann", password_of("ann")).await.expect(200).json();
        let offers = clients[1].bearer(&string_field(&session, "access_token"));
        offers.create_offer(&user["id"], "chair", "old").await.expect(201);
        let user = clients[0].get_user("ann").await.expect(200).json();
        assert_eq!(user["offers"][0]["title"], "chair", "{address}");
        let links = process.stdout().join("\n");
        assert!(links.contains(&format!("{host}:")), "{links}");
    }
}

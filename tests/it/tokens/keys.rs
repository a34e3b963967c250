//! Signing keys and their publication.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header;
use serde_json::Value;

use crate::support::fixtures::{TestUser, string_field};
use crate::support::jwt;
use crate::support::process;
use crate::support::services::{ProcessCount, Services, Topology};
use crate::support::wait;

on_every_topology!(
    keys_are_published,
    keys_survive_a_restart,
    newest_key_signs_and_old_key_still_verifies,
    rotated_key_is_loaded_without_restart,
);
on_two_processes!(offers_api_keeps_keys_while_users_api_is_down);

async fn keys_are_published(topology: Topology) {
    let services = topology.start_strict().await;
    let response = services.users.get("/.well-known/jwks.json").await.expect(200);
    let caching = response.header(header::CACHE_CONTROL).unwrap();
    assert!(caching.contains("max-age="), "{caching}");
    let media_type = response.media_type().unwrap();
    assert!(["application/json", "application/jwk-set+json"].contains(&media_type));
    let set = response.parse();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private} is private");
        }
        assert_ne!(key["kty"], "oct");
        assert_eq!(key["use"], "sig");
        assert!(key["kid"].is_string() && key["alg"].is_string());
    }
}

async fn published_keys(services: &Services) -> Value {
    services.users.get("/.well-known/jwks.json").await.expect(200).parse()
}

async fn keys_survive_a_restart(topology: Topology) {
    let mut services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let before = published_keys(&services).await;
    services.restart().await;
    assert_eq!(published_keys(&services).await, before);
    services.users.bearer(&ann.access_token).get_users().await.expect(200);
    services.create_offer(&ann, "chair").await;
    services.users.post_refresh(&ann.refresh_token).await.expect(200);

    // Only the owner may read a private key.
    for file in services.keys_folder().read_dir().unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_some_and(|end| end == "pem") {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.display());
        }
    }
}

/// Returns a new private key in the format of `openssl genpkey -algorithm ed25519`.
fn new_private_key() -> String {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    // RFC 8410, section 7: a fixed prefix, and the 32 bytes of the key.
    let prefix = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let key = BASE64_STANDARD.encode([&prefix, &pair.serialized_der()[16..48]].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n")
}

/// Returns `Some` if `offers-api` accepts the token of a user.
async fn offers_accepts(services: &Services, ann: &TestUser) -> Option<()> {
    let response =
        services.offers.bearer(&ann.access_token).create_offer(ann.id, "chair", "old").await;
    (response.status == 201).then_some(())
}

async fn newest_key_signs_and_old_key_still_verifies(topology: Topology) {
    let mut services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    offers_accepts(&services, &ann).await.expect("the first key is known");
    fs::write(services.keys_folder().join("newer.pem"), new_private_key()).unwrap();
    match topology.processes {
        ProcessCount::One => services.restart().await,
        ProcessCount::Two => {
            services.stop("users-api");
            services.start("users-api").await;
        }
    }
    assert_eq!(published_keys(&services).await["keys"].as_array().unwrap().len(), 2);
    let bob = services.register_and_log_in("bob").await;
    assert_ne!(jwt::header(&bob.access_token)["kid"], jwt::header(&ann.access_token)["kid"]);
    for user in [&ann, &bob] {
        services.users.bearer(&user.access_token).get_users().await.expect(200);
        // The keys are fetched again at most once in 10 s.
        let timeout = Duration::from_secs(20);
        wait::until_timeout(timeout, "offers-api accepts it", async || {
            offers_accepts(&services, user).await
        })
        .await;
    }
    let next = services.users.post_refresh(&ann.refresh_token).await.expect(200).json();
    let kid = &jwt::header(&string_field(&next, "access_token"))["kid"];
    assert_eq!(kid, &jwt::header(&bob.access_token)["kid"], "the newest key signs");
}

/// Runs `users-api keys rotate` as an operator would: without the settings of the service.
async fn rotate(services: &Services, lead: &str) {
    let mut command = process::command("users-api", services.folder(), &[]);
    command.args(["keys", "rotate", "--lead", lead]);
    process::run_successfully(command).await;
}

async fn rotated_key_is_loaded_without_restart(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    offers_accepts(&services, &ann).await.expect("the first key is known");
    rotate(&services, "3s").await;
    wait::until_true("the new key is published", async || {
        published_keys(&services).await["keys"].as_array().unwrap().len() == 2
    })
    .await;
    let old = jwt::header(&ann.access_token)["kid"].clone();
    let bob = wait::until("the new key signs", async || {
        let mut bob = ann.clone();
        bob.access_token = string_field(&services.log_in("ann").await, "access_token");
        (jwt::header(&bob.access_token)["kid"] != old).then_some(bob)
    })
    .await;
    for user in [&ann, &bob] {
        services.users.bearer(&user.access_token).get_users().await.expect(200);
        // The keys are fetched again at most once in 10 s.
        let timeout = Duration::from_secs(20);
        wait::until_timeout(timeout, "offers-api accepts it", async || {
            offers_accepts(&services, user).await
        })
        .await;
    }
    services.users.post_refresh(&ann.refresh_token).await.expect(200);
}

async fn offers_api_keeps_keys_while_users_api_is_down(topology: Topology) {
    let mut services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    offers_accepts(&services, &ann).await.expect("the keys are fetched");
    services.stop("users-api");
    offers_accepts(&services, &ann).await.expect("the last fetched keys are used");
    services.offers.bearer("garbage").create_offer(ann.id, "chair", "old").await.problem(401);
}

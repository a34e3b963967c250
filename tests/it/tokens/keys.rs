//! The keys that tokens are signed with, and those that are published.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header;
use serde_json::{Value, json};

use crate::support::fixtures::{Member, text};
use crate::support::jwt::part;
use crate::support::process;
use crate::support::services::{Layout, Processes, Stack};
use crate::support::wait as poll;

on_every_stack!(
    keys_are_published,
    keys_survive_a_restart,
    a_newer_key_signs_beside_the_old_one,
    a_rotated_key_is_taken_up_without_a_restart,
);
on_two_processes!(offers_knows_the_keys_while_users_is_away);

async fn keys_are_published(layout: Layout) {
    let stack = layout.strict().await;
    let answer = stack.users.get("/.well-known/jwks.json").await.expect(200);
    let caching = answer.header(header::CACHE_CONTROL).unwrap();
    assert!(caching.contains("max-age="), "{caching}");
    let media_type = answer.media_type().unwrap();
    assert!(["application/json", "application/jwk-set+json"].contains(&media_type));
    let set = answer.parse();
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

async fn published(stack: &Stack) -> Value {
    stack.users.get("/.well-known/jwks.json").await.expect(200).parse()
}

async fn keys_survive_a_restart(layout: Layout) {
    let mut stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let before = published(&stack).await;
    stack.restart().await;
    assert_eq!(published(&stack).await, before);
    stack.users.bearer(&ann.access).get("/user/").await.expect(200);
    stack.offer(&ann, "chair").await;
    let body = json!({ "refresh_token": ann.refresh });
    stack.users.post("/user/refresh/", body).await.expect(200);

    // A private key is nobody else's to read.
    for file in stack.keys().read_dir().unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_some_and(|end| end == "pem") {
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.display());
        }
    }
}

/// A private key in the form of `openssl genpkey -algorithm ed25519`.
fn private_key() -> String {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    // RFC 8410, section 7: the frame, and the 32 bytes that are the key.
    let frame = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let key = BASE64_STANDARD.encode([&frame, &pair.serialized_der()[16..48]].concat());
    format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n")
}

async fn offers_takes(stack: &Stack, ann: &Member) -> Option<()> {
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    let answer = stack.offers.bearer(&ann.access).post("/offer/create/", body).await;
    (answer.status == 201).then_some(())
}

async fn a_newer_key_signs_beside_the_old_one(layout: Layout) {
    let mut stack = layout.strict().await;
    let ann = stack.member("ann").await;
    offers_takes(&stack, &ann).await.expect("the first key is known");
    fs::write(stack.keys().join("newer.pem"), private_key()).unwrap();
    match layout.processes {
        Processes::One => stack.restart().await,
        Processes::Two => {
            stack.stop_one("users-api");
            stack.start_one("users-api").await;
        }
    }
    assert_eq!(published(&stack).await["keys"].as_array().unwrap().len(), 2);
    let bob = stack.member("bob").await;
    assert_ne!(part(&bob.access, 0)["kid"], part(&ann.access, 0)["kid"]);
    for member in [&ann, &bob] {
        stack.users.bearer(&member.access).get("/user/").await.expect(200);
        // The keys are fetched again at most once in 10 s.
        let limit = Duration::from_secs(20);
        poll::within(limit, "offers-api takes it", async || offers_takes(&stack, member).await)
            .await;
    }
    let body = json!({ "refresh_token": ann.refresh });
    let next = stack.users.post("/user/refresh/", body).await.expect(200).json();
    let kid = &part(&text(&next, "access_token"), 0)["kid"];
    assert_eq!(kid, &part(&bob.access, 0)["kid"], "the newest key signs");
}

/// Runs `users-api keys rotate` as an operator would, without the settings of the service.
async fn rotate(stack: &Stack, lead: &str) {
    let mut command = process::command("users-api", stack.folder(), &[]);
    command.args(["keys", "rotate", "--lead", lead]);
    process::succeed(command).await;
}

async fn a_rotated_key_is_taken_up_without_a_restart(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    offers_takes(&stack, &ann).await.expect("the first key is known");
    rotate(&stack, "3s").await;
    poll::until("the new key is published", async || {
        (published(&stack).await["keys"].as_array().unwrap().len() == 2).then_some(())
    })
    .await;
    let old = part(&ann.access, 0)["kid"].clone();
    let bob = poll::until("the new key signs", async || {
        let mut bob = ann.clone();
        bob.access = text(&stack.log_in("ann").await, "access_token");
        (part(&bob.access, 0)["kid"] != old).then_some(bob)
    })
    .await;
    for member in [&ann, &bob] {
        stack.users.bearer(&member.access).get("/user/").await.expect(200);
        // The keys are fetched again at most once in 10 s.
        let limit = Duration::from_secs(20);
        poll::within(limit, "offers-api takes it", async || offers_takes(&stack, member).await)
            .await;
    }
    let body = json!({ "refresh_token": ann.refresh });
    stack.users.post("/user/refresh/", body).await.expect(200);
}

async fn offers_knows_the_keys_while_users_is_away(layout: Layout) {
    let mut stack = layout.strict().await;
    let ann = stack.member("ann").await;
    offers_takes(&stack, &ann).await.expect("the keys are fetched");
    stack.stop_one("users-api");
    offers_takes(&stack, &ann).await.expect("the last good keys serve");
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    stack.offers.bearer("garbage").post("/offer/create/", body).await.problem(401);
}

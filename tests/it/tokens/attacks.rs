//! Tokens that nobody may take.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::fixtures::{Member, text};
use crate::support::jwt::{bare, part, published, sign, stolen};
use crate::support::services::{Layout, Stack};

on_every_stack!(
    tampered_tokens_are_refused,
    other_keys_are_refused,
    wrong_claims_are_refused_even_when_signed,
    one_kind_is_not_the_other,
);

/// Fails unless both services refuse an access token where one is needed.
async fn refused(stack: &Stack, ann: &Member, token: &str, why: &str) {
    let answer = stack.users.bearer(token).get("/user/").await;
    assert_eq!(answer.status, 401, "{why}: users-api: {}", answer.text());
    answer.problem(401);
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    let answer = stack.offers.bearer(token).post("/offer/create/", body).await;
    assert_eq!(answer.status, 401, "{why}: offers-api: {}", answer.text());
    answer.problem(401);
}

/// As `refused`, of a token to refresh with.
async fn refresh_refused(stack: &Stack, token: &str, why: &str) {
    let body = json!({ "refresh_token": token });
    let answer = stack.users.post("/user/refresh/", body).await;
    assert_eq!(answer.status, 401, "{why}: {}", answer.text());
}

/// The rest works, so that a refusal is one of the token.
async fn taken(stack: &Stack, ann: &Member, token: &str) {
    stack.users.bearer(token).get("/user/").await.expect(200);
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    stack.offers.bearer(token).post("/offer/create/", body).await.expect(201);
}

fn with(of: &Value, name: &str, value: Value) -> Value {
    let mut changed = of.clone();
    changed[name] = value;
    changed
}

fn without(of: &Value, name: &str) -> Value {
    let mut changed = of.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

async fn tampered_tokens_are_refused(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    taken(&stack, &ann, &ann.access).await;
    let parts: Vec<&str> = ann.access.split('.').collect();
    let other = stack.member("bob").await.access;
    let claims_of_bob = other.split('.').nth(1).unwrap();
    let mut flipped = parts[2].to_owned().into_bytes();
    flipped[0] = if flipped[0] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    for (why, token) in [
        ("nothing", String::new()),
        ("no token", "garbage".to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{}.x", ann.access)),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another signature", format!("{}.{}.{flipped}", parts[0], parts[1])),
        ("another's claims", format!("{}.{claims_of_bob}.{}", parts[0], parts[2])),
        ("alg none", bare(&json!({ "alg": "none", "typ": "at+jwt" }), &part(&ann.access, 1))),
        ("very long", "x.".repeat(2000)),
    ] {
        refused(&stack, &ann, &token, why).await;
        refresh_refused(&stack, &token, why).await;
    }
}

async fn other_keys_are_refused(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let (header, claims) = (part(&ann.access, 0), part(&ann.access, 1));
    let key = published(&stack.users, &text(&header, "kid")).await;

    // The classic one: the public key as the secret of a symmetric algorithm.
    let symmetric = with(&header, "alg", json!("HS256"));
    for secret in [text(&key, "x"), key.to_string(), String::new()] {
        let secret = EncodingKey::from_secret(secret.as_bytes());
        let token = sign(&symmetric, &claims, Algorithm::HS256, &secret);
        refused(&stack, &ann, &token, "HS256").await;
    }

    // A key of our own, under the right name, another, none, and named in the header itself.
    let own = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let own = EncodingKey::from_ed_pem(own.serialize_pem().as_bytes()).unwrap();
    let header = with(&header, "alg", json!("EdDSA"));
    let elsewhere = json!(stack.offers.url("/.well-known/jwks.json").to_string());
    let own_jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": key["x"] });
    for (why, header) in [
        ("foreign key", header.clone()),
        ("unknown kid", with(&header, "kid", json!("unknown"))),
        ("kid of another type", with(&header, "kid", json!("../../etc/passwd"))),
        ("no kid", without(&header, "kid")),
        ("jku", with(&header, "jku", elsewhere.clone())),
        ("x5u", with(&header, "x5u", elsewhere)),
        ("jwk", with(&without(&header, "kid"), "jwk", own_jwk)),
    ] {
        let token = sign(&header, &claims, Algorithm::EdDSA, &own);
        refused(&stack, &ann, &token, why).await;
    }
    taken(&stack, &ann, &ann.access).await;
}

async fn wrong_claims_are_refused_even_when_signed(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let (header, claims) = (part(&ann.access, 0), part(&ann.access, 1));
    let algorithm = jsonwebtoken::decode_header(&ann.access).unwrap().alg;
    let key = stolen(&stack.keys(), algorithm);
    let forge = |header: &Value, claims: &Value| sign(header, claims, algorithm, &key);
    taken(&stack, &ann, &forge(&header, &claims)).await;

    let now = chrono::Utc::now().timestamp();
    for (name, value) in [
        ("iss", json!("another")),
        ("aud", json!("another")),
        ("exp", json!(now - 120)),
        ("exp", json!("later")),
        ("nbf", json!(now + 3600)),
        ("sub", json!("0")),
        ("sub", json!("ann")),
        ("sid", json!("another")),
    ] {
        let token = forge(&header, &with(&claims, name, value.clone()));
        refused(&stack, &ann, &token, &format!("{name} {value}")).await;
    }
    for name in ["iss", "aud", "exp", "sub", "sid", "iat", "jti"] {
        refused(&stack, &ann, &forge(&header, &without(&claims, name)), &format!("no {name}"))
            .await;
    }
    for kind in [json!("rt+jwt"), json!("JWT"), Value::Null] {
        let token = forge(&with(&header, "typ", kind.clone()), &claims);
        refused(&stack, &ann, &token, &format!("typ {kind}")).await;
    }
    refused(&stack, &ann, &forge(&without(&header, "typ"), &claims), "no typ").await;
}

async fn one_kind_is_not_the_other(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    refused(&stack, &ann, &ann.refresh, "refresh as access").await;
    refresh_refused(&stack, &ann.access, "access as refresh").await;
    let body = json!({ "refresh_token": ann.access });
    stack.users.post("/user/logout/", body).await.expect(204);
    taken(&stack, &ann, &ann.access).await;
}

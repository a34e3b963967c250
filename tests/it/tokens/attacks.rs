//! Forged tokens.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::fixtures::{TestUser, string_field};
use crate::support::jwt::{self, private_key, published_key, sign, unsigned};
use crate::support::services::{Services, Topology};

on_every_topology!(
    tampered_tokens_are_rejected,
    foreign_keys_are_rejected,
    invalid_claims_are_rejected_even_if_signed,
    token_types_are_not_interchangeable,
);

/// Asserts that both services reject an access token.
async fn assert_rejected(services: &Services, ann: &TestUser, token: &str, why: &str) {
    let response = services.users.bearer(token).get_users().await;
    assert_eq!(response.status, 401, "{why}: users-api: {}", response.text());
    response.problem(401);
    let response = services.offers.bearer(token).create_offer(ann.id, "chair", "old").await;
    assert_eq!(response.status, 401, "{why}: offers-api: {}", response.text());
    response.problem(401);
}

/// Asserts that a refresh token is rejected.
async fn assert_refresh_rejected(services: &Services, token: &str, why: &str) {
    let response = services.users.post_refresh(token).await;
    assert_eq!(response.status, 401, "{why}: {}", response.text());
}

/// Asserts that both services accept an access token, so that a rejection is due to the token.
async fn assert_accepted(services: &Services, ann: &TestUser, token: &str) {
    services.users.bearer(token).get_users().await.expect(200);
    services.offers.bearer(token).create_offer(ann.id, "chair", "old").await.expect(201);
}

fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut changed = object.clone();
    changed[name] = value;
    changed
}

fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

async fn tampered_tokens_are_rejected(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    assert_accepted(&services, &ann, &ann.access_token).await;
    let parts: Vec<&str> = ann.access_token.split('.').collect();
    let other = services.register_and_log_in("bob").await.access_token;
    let claims_of_bob = other.split('.').nth(1).unwrap();
    let mut flipped = parts[2].to_owned().into_bytes();
    flipped[0] = if flipped[0] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    for (why, token) in [
        ("nothing", String::new()),
        ("no token", "garbage".to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{}.x", ann.access_token)),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("another signature", format!("{}.{}.{flipped}", parts[0], parts[1])),
        ("another's claims", format!("{}.{claims_of_bob}.{}", parts[0], parts[2])),
        (
            "alg none",
            unsigned(&json!({ "alg": "none", "typ": "at+jwt" }), &jwt::claims(&ann.access_token)),
        ),
        ("very long", "x.".repeat(2000)),
    ] {
        assert_rejected(&services, &ann, &token, why).await;
        assert_refresh_rejected(&services, &token, why).await;
    }
}

async fn foreign_keys_are_rejected(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let (header, claims) = (jwt::header(&ann.access_token), jwt::claims(&ann.access_token));
    let key = published_key(&services.users, &string_field(&header, "kid")).await;

    // Key confusion: the public key as the secret of a symmetric algorithm.
    let symmetric = with(&header, "alg", json!("HS256"));
    for secret in [string_field(&key, "x"), key.to_string(), String::new()] {
        let secret = EncodingKey::from_secret(secret.as_bytes());
        let token = sign(&symmetric, &claims, Algorithm::HS256, &secret);
        assert_rejected(&services, &ann, &token, "HS256").await;
    }

    // A foreign key: under the right id, another, none, and referred to by the header.
    let foreign = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let foreign = EncodingKey::from_ed_pem(foreign.serialize_pem().as_bytes()).unwrap();
    let header = with(&header, "alg", json!("EdDSA"));
    let elsewhere = json!(services.offers.url("/.well-known/jwks.json").to_string());
    let foreign_jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": key["x"] });
    for (why, header) in [
        ("foreign key", header.clone()),
        ("unknown kid", with(&header, "kid", json!("unknown"))),
        ("kid of another type", with(&header, "kid", json!("../../etc/passwd"))),
        ("no kid", without(&header, "kid")),
        ("jku", with(&header, "jku", elsewhere.clone())),
        ("x5u", with(&header, "x5u", elsewhere)),
        ("jwk", with(&without(&header, "kid"), "jwk", foreign_jwk)),
    ] {
        let token = sign(&header, &claims, Algorithm::EdDSA, &foreign);
        assert_rejected(&services, &ann, &token, why).await;
    }
    assert_accepted(&services, &ann, &ann.access_token).await;
}

async fn invalid_claims_are_rejected_even_if_signed(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let (header, claims) = (jwt::header(&ann.access_token), jwt::claims(&ann.access_token));
    let algorithm = jsonwebtoken::decode_header(&ann.access_token).unwrap().alg;
    let key = private_key(&services.keys_folder(), algorithm);
    let forge = |header: &Value, claims: &Value| sign(header, claims, algorithm, &key);
    assert_accepted(&services, &ann, &forge(&header, &claims)).await;

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
        assert_rejected(&services, &ann, &token, &format!("{name} {value}")).await;
    }
    for name in ["iss", "aud", "exp", "sub", "sid", "iat", "jti"] {
        assert_rejected(
            &services,
            &ann,
            &forge(&header, &without(&claims, name)),
            &format!("no {name}"),
        )
        .await;
    }
    for token_type in [json!("rt+jwt"), json!("JWT"), Value::Null] {
        let token = forge(&with(&header, "typ", token_type.clone()), &claims);
        assert_rejected(&services, &ann, &token, &format!("typ {token_type}")).await;
    }
    assert_rejected(&services, &ann, &forge(&without(&header, "typ"), &claims), "no typ").await;
}

async fn token_types_are_not_interchangeable(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    assert_rejected(&services, &ann, &ann.refresh_token, "refresh as access").await;
    assert_refresh_rejected(&services, &ann.access_token, "access as refresh").await;
    services.users.post_logout(&ann.access_token).await.expect(204);
    assert_accepted(&services, &ann, &ann.access_token).await;
}

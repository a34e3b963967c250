//! Tokens: as they come, and with any header and claims under a good signature.
//!
//! Input: the header and the claims, with a line feed between them.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::Utc;
use jsonwebtoken::DecodingKey;
use libfuzzer_sys::fuzz_target;
use schema::{
    Viewer,
    viewer::{TOKEN_AUDIENCE, TOKEN_ISSUER},
};
use server::{
    auth,
    token::{self, TokenType},
};

/// Always the same, so that a finding can be repeated.
static PAIR: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed has 32 bytes"));
static KEY: LazyLock<DecodingKey> =
    LazyLock::new(|| DecodingKey::from_ed_der(PAIR.public_key().as_ref()));

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        if let Ok(Some(token)) = auth::bearer_token(&headers) {
            assert!(!token.is_empty());
            assert!(token::verify(token, &KEY).is_err(), "nobody has signed it");
        }
    }
    let middle = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (head, claims) = (&data[..middle], data.get(middle + 1..).unwrap_or_default());
    let encode = |part| BASE64_URL_SAFE_NO_PAD.encode(part);
    let signed = format!("{}.{}", encode(head), encode(claims));
    let signature = PAIR.sign(signed.as_bytes());
    let token = format!("{signed}.{}", encode(signature.as_ref()));

    let kinds = [TokenType::Access, TokenType::Refresh].map(|kind| token::key_id(&token, kind).is_ok());
    assert_ne!(kinds, [true, true]);
    if let Ok(claims) = token::verify(&token, &KEY) {
        assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (TOKEN_ISSUER, TOKEN_AUDIENCE));
        let now = Utc::now().timestamp();
        assert!(claims.exp >= now - 1 && claims.iat <= now + 60, "{claims:?}");
        if let Ok(Viewer::User { id, .. }) = claims.viewer() {
            assert!(id > 0);
        }
    }
});

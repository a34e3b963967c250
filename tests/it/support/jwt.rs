//! Tokens taken apart, and forged ones put together.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::Value;

use crate::support::client::Api;

/// The header or the claims of a token: its first or second part.
pub(crate) fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What stands before the signature.
fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

/// A token without a signature.
pub(crate) fn bare(header: &Value, claims: &Value) -> String {
    format!("{}.", unsigned(header, claims))
}

/// A token of any header and claims, signed with a key.
pub(crate) fn sign(
    header: &Value,
    claims: &Value,
    algorithm: Algorithm,
    key: &EncodingKey,
) -> String {
    let message = unsigned(header, claims);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The published key of that name.
pub(crate) async fn published(users: &Api, kid: &str) -> Value {
    let set = users.get("/.well-known/jwks.json").await.expect(200).parse();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().find(|key| key["kid"] == kid).unwrap_or_else(|| panic!("{kid}: {set}")).clone()
}

/// Whether a published key made the token; its time is not looked at.
pub(crate) fn verifies(token: &str, key: &Value) -> bool {
    let key = serde_json::from_value(key.clone()).unwrap();
    let key = DecodingKey::from_jwk(&key).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
}

/// The private key of a service, to forge with.
pub(crate) fn stolen(keys: &Path, algorithm: Algorithm) -> EncodingKey {
    let mut files = fs::read_dir(keys).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|end| end == "pem")).unwrap();
    let pem = fs::read(file).unwrap();
    match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_pem(&pem),
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(&pem),
        _ => EncodingKey::from_rsa_pem(&pem),
    }
    .unwrap()
}

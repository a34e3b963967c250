//! Parses tokens and forges them.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::Value;

use super::client::ApiClient;

/// Returns the header of a token, unverified.
pub(crate) fn header(token: &str) -> Value {
    decode_part(token, 0)
}

/// Returns the claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    decode_part(token, 1)
}

fn decode_part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the signed part of a token: header and claims.
fn signing_input(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

/// Returns a token without a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", signing_input(header, claims))
}

/// Returns a token with any header and claims, signed with a key.
pub(crate) fn sign(
    header: &Value,
    claims: &Value,
    algorithm: Algorithm,
    key: &EncodingKey,
) -> String {
    let message = signing_input(header, claims);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// Returns the published key with an id.
pub(crate) async fn published_key(users: &ApiClient, kid: &str) -> Value {
    let set = users.get("/.well-known/jwks.json").await.expect(200).parse();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().find(|key| key["kid"] == kid).unwrap_or_else(|| panic!("{kid}: {set}")).clone()
}

/// Returns whether a published key verifies the signature of a token. Its claims are not validated.
pub(crate) fn is_signed_by(token: &str, key: &Value) -> bool {
    let key = serde_json::from_value(key.clone()).unwrap();
    let key = DecodingKey::from_jwk(&key).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
}

/// Returns the private key of the service, to forge tokens with.
pub(crate) fn private_key(keys_folder: &Path, algorithm: Algorithm) -> EncodingKey {
    let mut files = fs::read_dir(keys_folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|end| end == "pem")).unwrap();
    let pem = fs::read(file).unwrap();
    match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_pem(&pem),
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(&pem),
        _ => EncodingKey::from_rsa_pem(&pem),
    }
    .unwrap()
}

//! Access and refresh tokens: their claims and their verification.
//!
//! Sources: RFC 7519 (JWT), RFC 8725 (best current practices: one algorithm, explicit types),
//! RFC 9068 (access tokens). Headers that name keys by address (`jku`, `x5u`, `jwk`) are ignored:
//! only `kid` selects a key, and only among the published ones.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use schema::{
    Error, ErrorCode, Result, Viewer, id,
    viewer::{TOKEN_AUDIENCE, TOKEN_ISSUER},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The only algorithm: EdDSA with Ed25519 (RFC 8037). Its signatures are deterministic, so the same
/// claims give the same token.
pub const ALGORITHM: Algorithm = Algorithm::EdDSA;
/// Limit on how far the clock of the issuer may be ahead, in seconds.
const MAX_CLOCK_SKEW_SECS: i64 = 30;

/// The type of a token, its `typ` (RFC 8725, section 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// Sent with requests (RFC 9068, section 2.1).
    Access,
    /// Exchanged for a new pair of tokens.
    Refresh,
}

impl TokenType {
    /// Returns the `typ` of the header.
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }
}

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always [`TOKEN_ISSUER`].
    pub iss: String,
    /// Always [`TOKEN_AUDIENCE`].
    pub aud: String,
    /// The user ID.
    pub sub: String,
    /// The session ID.
    pub sid: Uuid,
    /// The generation within the session.
    #[serde(rename = "gen")]
    pub generation: i64,
    /// Time of issue, in seconds since 1970.
    pub iat: i64,
    /// Expiry, in seconds since 1970.
    pub exp: i64,
    /// The token ID, unique.
    pub jti: String,
}

impl Claims {
    /// Returns the user and session of an access token.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if `sub` or `exp` is not one that is ever issued.
    pub fn viewer(&self) -> Result<Viewer> {
        let id = id::parse(&self.sub).ok_or_else(invalid_token)?;
        let expires_at = chrono::DateTime::from_timestamp(self.exp, 0).ok_or_else(invalid_token)?;
        Ok(Viewer::User { id, session: self.sid, expires_at })
    }
}

/// Returns the error for every bad token, which gives clients no reason.
#[must_use]
pub fn invalid_token() -> Error {
    Error::new(ErrorCode::InvalidToken, "The token is not valid.")
}

/// Returns the ID of the key that the token names in its header.
///
/// # Errors
/// `INVALID_TOKEN` if the header is malformed or of another type.
pub fn key_id(token: &str, token_type: TokenType) -> Result<String> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| invalid_token())?;
    if header.alg != ALGORITHM || header.typ.as_deref() != Some(token_type.typ()) {
        return Err(invalid_token());
    }
    header.kid.ok_or_else(invalid_token)
}

/// Verifies signature, issuer, audience and times. The type is checked by [`key_id`].
///
/// # Errors
/// `INVALID_TOKEN` if any of them is wrong.
pub fn verify(token: &str, key: &DecodingKey) -> Result<Claims> {
    let claims = decode(token, key, true)?;
    if claims.iat > chrono::Utc::now().timestamp() + MAX_CLOCK_SKEW_SECS {
        return Err(invalid_token());
    }
    Ok(claims)
}

/// As [`verify`], at any time: for the end of a session, which must not depend on the clock.
///
/// # Errors
/// `INVALID_TOKEN` if signature, issuer or audience is wrong.
pub fn verify_at_any_time(token: &str, key: &DecodingKey) -> Result<Claims> {
    decode(token, key, false)
}

fn decode(token: &str, key: &DecodingKey, validate_times: bool) -> Result<Claims> {
    let mut validation = Validation::new(ALGORITHM);
    validation.leeway = 0;
    validation.validate_exp = validate_times;
    validation.validate_nbf = validate_times;
    validation.set_issuer(&[TOKEN_ISSUER]);
    validation.set_audience(&[TOKEN_AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    Ok(jsonwebtoken::decode(token, key, &validation).map_err(|_| invalid_token())?.claims)
}

//! Access and refresh tokens: what they claim, and how they are verified.
//!
//! Sources: RFC 7519 (JWT), RFC 8725 (best current practices: one algorithm, explicit types),
//! RFC 9068 (access tokens). Headers that name keys by address (`jku`, `x5u`, `jwk`) are ignored:
//! only `kid` selects a key, and only among ours.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use schema::{Error, ErrorCode, Result, Viewer, id};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The one algorithm, EdDSA with Ed25519 (RFC 8037). Its signatures are deterministic: the same
/// claims give the same token.
pub const ALGORITHM: Algorithm = Algorithm::EdDSA;
/// Who issues tokens.
pub const ISSUER: &str = "classifieds-users";
/// Whom tokens are for.
pub const AUDIENCE: &str = "classifieds";
/// How far the clock of another machine may be ahead, in seconds.
const SKEW: i64 = 30;

/// What a token is for, its `typ` (RFC 8725, section 3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sent with requests (RFC 9068, section 2.1).
    Access,
    /// Traded for a new pair.
    Refresh,
}

impl Kind {
    /// The `typ` in the header.
    #[must_use]
    pub const fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
        }
    }
}

/// What a token claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// The user's id.
    pub sub: String,
    /// The session.
    pub sid: Uuid,
    /// The generation within the session.
    #[serde(rename = "gen")]
    pub generation: i64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// Unlike any other token's.
    pub jti: String,
}

impl Claims {
    /// The user and session of an access token.
    ///
    /// # Errors
    /// `INVALID_TOKEN` where `sub` or `exp` is none that we issue.
    pub fn viewer(&self) -> Result<Viewer> {
        let id = id::parse(&self.sub).ok_or_else(invalid)?;
        let expires_at = chrono::DateTime::from_timestamp(self.exp, 0).ok_or_else(invalid)?;
        Ok(Viewer::User { id, session: self.sid, expires_at })
    }
}

/// The refusal of any token: it never says why.
#[must_use]
pub fn invalid() -> Error {
    Error::new(ErrorCode::InvalidToken, "The token is not valid.")
}

/// Which key a token says it was signed with.
///
/// # Errors
/// `INVALID_TOKEN` where the header is not of the kind asked for.
pub fn key_id(token: &str, kind: Kind) -> Result<String> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
    if header.alg != ALGORITHM || header.typ.as_deref() != Some(kind.typ()) {
        return Err(invalid());
    }
    header.kid.ok_or_else(invalid)
}

/// Checks signature, issuer, audience and times. The kind is [`key_id`]'s to check.
///
/// # Errors
/// `INVALID_TOKEN` where any of it is wrong.
pub fn verify(token: &str, key: &DecodingKey) -> Result<Claims> {
    let mut rules = Validation::new(ALGORITHM);
    rules.leeway = 0;
    rules.validate_nbf = true;
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims: Claims = jsonwebtoken::decode(token, key, &rules).map_err(|_| invalid())?.claims;
    if claims.iat > chrono::Utc::now().timestamp() + SKEW {
        return Err(invalid());
    }
    Ok(claims)
}

//! Signs and verifies the tokens of this service.

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{DecodingKey, Header};
use schema::{
    Error, Result,
    viewer::{TOKEN_AUDIENCE, TOKEN_ISSUER},
};
use server::token::{self, ALGORITHM, Claims, TokenType};
use uuid::Uuid;

use crate::signing_keys::KeySet;

/// The claims that the tokens of a pair share: a generation of a session.
pub(crate) struct TokenGrant {
    pub(crate) session: Uuid,
    pub(crate) user: i64,
    pub(crate) generation: i64,
    pub(crate) key_id: String,
    pub(crate) issued_at: DateTime<Utc>,
}

/// Signs a token. The same grant gives the same token.
///
/// # Errors
/// `INTERNAL` if there is no key.
pub(crate) fn sign(
    keys: &KeySet,
    kind: TokenType,
    grant: &TokenGrant,
    ttl: Duration,
) -> Result<String> {
    let TokenGrant { session, user, generation, key_id, issued_at } = grant;
    // A key that was withdrawn signs no more, not even a token that it signed before.
    let key = keys.by_id(key_id).or_else(|| keys.signing_key());
    let key = key.ok_or_else(|| Error::internal("there is no key"))?;
    let header = Header {
        typ: Some(kind.typ().to_owned()),
        kid: Some(key.id.clone()),
        ..Header::new(ALGORITHM)
    };
    let prefix = match kind {
        TokenType::Access => "a",
        TokenType::Refresh => "r",
    };
    let claims = Claims {
        iss: TOKEN_ISSUER.to_owned(),
        aud: TOKEN_AUDIENCE.to_owned(),
        sub: user.to_string(),
        sid: *session,
        generation: *generation,
        iat: issued_at.timestamp(),
        exp: (*issued_at + ttl).timestamp(),
        jti: format!("{prefix}-{session}-{generation}"),
    };
    jsonwebtoken::encode(&header, &claims, &key.private).map_err(Error::internal)
}

/// Verifies a token that this service has signed.
///
/// # Errors
/// `INVALID_TOKEN`.
pub(crate) fn verify(keys: &KeySet, token: &str, kind: TokenType) -> Result<Claims> {
    token::verify(token, public_key(keys, token, kind)?)
}

/// Verifies a refresh token that this service has signed, which may have expired or be of a time to
/// come, as after the clock was set back.
///
/// # Errors
/// `INVALID_TOKEN`.
pub(crate) fn verify_at_any_time(keys: &KeySet, token: &str) -> Result<Claims> {
    token::verify_at_any_time(token, public_key(keys, token, TokenType::Refresh)?)
}

fn public_key<'a>(keys: &'a KeySet, token: &str, kind: TokenType) -> Result<&'a DecodingKey> {
    let key = keys.by_id(&token::key_id(token, kind)?).ok_or_else(token::invalid_token)?;
    Ok(&key.public)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing_keys::KeyStore;

    fn grant(keys: &KeySet) -> TokenGrant {
        let key_id = keys.signing_key().unwrap().id.clone();
        TokenGrant {
            session: Uuid::new_v4(),
            user: 7,
            generation: 3,
            key_id,
            issued_at: Utc::now(),
        }
    }

    #[test]
    fn same_grant_gives_same_token_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(folder.path()).unwrap().current();
        let grant = grant(&keys);
        let token = sign(&keys, TokenType::Refresh, &grant, Duration::minutes(1)).unwrap();
        let again = KeyStore::open(folder.path()).unwrap().current();
        assert_eq!(sign(&again, TokenType::Refresh, &grant, Duration::minutes(1)).unwrap(), token);
        let claims = verify(&again, &token, TokenType::Refresh).unwrap();
        assert_eq!((claims.sub.as_str(), claims.generation, claims.sid), ("7", 3, grant.session));
    }

    #[test]
    fn token_types_are_not_interchangeable_and_tokens_expire() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(folder.path()).unwrap().current();
        let grant = grant(&keys);
        let access = sign(&keys, TokenType::Access, &grant, Duration::minutes(1)).unwrap();
        assert!(verify(&keys, &access, TokenType::Access).is_ok());
        assert!(verify(&keys, &access, TokenType::Refresh).is_err());
        let past = TokenGrant { issued_at: Utc::now() - Duration::minutes(2), ..grant };
        let expired = sign(&keys, TokenType::Access, &past, Duration::minutes(1)).unwrap();
        assert!(verify(&keys, &expired, TokenType::Access).is_err());
    }

    #[test]
    fn token_of_any_time_ends_a_session() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyStore::open(folder.path()).unwrap().current();
        for hours in [-48, 0, 48] {
            let issued_at = Utc::now() + Duration::hours(hours);
            let grant = TokenGrant { issued_at, ..grant(&keys) };
            let sign = |kind| sign(&keys, kind, &grant, Duration::hours(1)).unwrap();
            let token = sign(TokenType::Refresh);
            assert_eq!(verify(&keys, &token, TokenType::Refresh).is_ok(), hours == 0);
            assert_eq!(verify_at_any_time(&keys, &token).unwrap().sid, grant.session);
            assert!(verify_at_any_time(&keys, &sign(TokenType::Access)).is_err());
        }
    }
}

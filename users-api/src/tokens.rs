//! The tokens of this service, signed with its [`Keys`].

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::Header;
use schema::{
    Error, Result,
    viewer::{TOKEN_AUDIENCE, TOKEN_ISSUER},
};
use server::token::{self, ALGORITHM, Claims, TokenType};
use uuid::Uuid;

use crate::signing_keys::Keys;

/// What a token says beside what it is for: the newest generation of a session.
pub(crate) struct Grant {
    pub(crate) session: Uuid,
    pub(crate) user: i64,
    pub(crate) generation: i64,
    pub(crate) key_id: String,
    pub(crate) issued_at: DateTime<Utc>,
}

impl Keys {
    /// Signs a token. The same grant gives the same token.
    pub(crate) fn sign(
        &self,
        kind: TokenType,
        grant: &Grant,
        lifetime: Duration,
    ) -> Result<String> {
        let Grant { session, user, generation, key_id, issued_at } = grant;
        let ring = self.ring();
        // A key that was withdrawn signs no more, not even a token that it signed before.
        let key = ring.key(key_id).or_else(|| ring.newest());
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
            exp: (*issued_at + lifetime).timestamp(),
            jti: format!("{prefix}-{session}-{generation}"),
        };
        jsonwebtoken::encode(&header, &claims, &key.private).map_err(Error::internal)
    }

    /// Verifies a token of ours.
    pub(crate) fn verify(&self, token: &str, kind: TokenType) -> Result<Claims> {
        let ring = self.ring();
        let key = ring.key(&token::key_id(token, kind)?).ok_or_else(token::invalid_token)?;
        token::verify(token, &key.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(keys: &Keys) -> Grant {
        let key_id = keys.ring().newest().unwrap().id.clone();
        Grant { session: Uuid::new_v4(), user: 7, generation: 3, key_id, issued_at: Utc::now() }
    }

    #[test]
    fn the_same_grant_gives_the_same_token_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let grant = grant(&keys);
        let token = keys.sign(TokenType::Refresh, &grant, Duration::minutes(1)).unwrap();
        let again = Keys::open(folder.path()).unwrap();
        assert_eq!(again.sign(TokenType::Refresh, &grant, Duration::minutes(1)).unwrap(), token);
        let claims = again.verify(&token, TokenType::Refresh).unwrap();
        assert_eq!((claims.sub.as_str(), claims.generation, claims.sid), ("7", 3, grant.session));
    }

    #[test]
    fn neither_kind_passes_for_the_other_and_nothing_outlives_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(folder.path()).unwrap();
        let grant = grant(&keys);
        let access = keys.sign(TokenType::Access, &grant, Duration::minutes(1)).unwrap();
        assert!(keys.verify(&access, TokenType::Access).is_ok());
        assert!(keys.verify(&access, TokenType::Refresh).is_err());
        let late = Grant { issued_at: Utc::now() - Duration::minutes(2), ..grant };
        let expired = keys.sign(TokenType::Access, &late, Duration::minutes(1)).unwrap();
        assert!(keys.verify(&expired, TokenType::Access).is_err());
    }
}

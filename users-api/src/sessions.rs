//! Sessions: a login creates one, a refresh continues it, a logout ends it.
//!
//! A session is one row, which holds the generation of its newest refresh token. A token is used by
//! one statement that increments the generation if it is still that of the token, so the second of
//! two concurrent uses finds a newer one. Logout, password change and deletion of the user delete
//! the row.
//!
//! Sources: RFC 9700, section 4.14.2 (rotation and reuse), OWASP ASVS 5.0 V7.

use std::sync::Arc;

use chrono::{DateTime, Duration, SubsecRound, Utc};
use entity::{PasswordHash, refresh_token, user};
use futures_util::future::BoxFuture;
use schema::{Error, Result, Viewer, db_availability::retry_on_conflict, id};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func, LockType, Query},
};
use server::{
    auth::Authenticate,
    security_log::SecurityEvent,
    token::{self, Claims, TokenType},
};
use uuid::Uuid;

use crate::{
    security_log::{LOG_OUT, REFRESH, REUSE_TOKEN},
    signing_keys::KeyStore,
    tokens::{self, TokenGrant},
};

/// Time in which the previous refresh token still returns its successor, so that a lost response
/// does not log the user out.
const REUSE_GRACE: Duration = Duration::seconds(10);

/// An access token, its refresh token, and the session that they belong to.
pub(crate) struct TokenPair {
    pub(crate) user: i64,
    pub(crate) session: Uuid,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// Lifetime of the access token, in seconds.
    pub(crate) expires_in: i64,
}

/// The classification of a refresh token that was not exchanged.
#[derive(Debug, PartialEq, Eq)]
enum Replay {
    /// The response was lost: the successor has not been used.
    LostResponse,
    /// The token was used twice: one of its two users has stolen it.
    Reuse,
    /// The token is the newest: its session has reached its longest life.
    SessionExpired,
}

/// Classifies a refresh token of this generation, which was not exchanged, by the row of its session.
fn classify_replay(row: &refresh_token::Model, generation: i64, now: DateTime<Utc>) -> Replay {
    if generation == row.generation {
        return Replay::SessionExpired;
    }
    let previous = generation.checked_add(1) == Some(row.generation);
    // Nor is a time to come recent: then the clock was set back.
    let recent = (now - row.issued_at).abs() <= REUSE_GRACE;
    if previous && recent { Replay::LostResponse } else { Replay::Reuse }
}

/// The sessions of users, and the tokens that continue them.
pub(crate) struct Sessions {
    pub(crate) database: DatabaseConnection,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) access_ttl: Duration,
    pub(crate) refresh_ttl: Duration,
    /// Longest life of a session, however often it is refreshed.
    pub(crate) session_ttl: Duration,
    /// Maximum number of sessions of a user.
    pub(crate) max_per_user: u32,
}

impl Sessions {
    /// Creates a session; `None` if the user no longer has the password hash that was verified: a
    /// concurrent password change must not leave a session of the old password behind.
    pub(crate) async fn create_session(
        &self,
        user: i64,
        hash: &PasswordHash,
    ) -> Result<Option<TokenPair>> {
        let now = now();
        let grant = self.new_grant(Uuid::new_v4(), user, 0, now);
        let if_hash_unchanged = Query::select()
            .expr(Expr::val(grant.session))
            .column(user::Column::Id)
            .expr(Expr::val(grant.generation))
            .expr(Expr::val(grant.key_id.clone()))
            .expr(Expr::val(now))
            .expr(Expr::val(now + self.refresh_ttl))
            .expr(Expr::val(now))
            .from(user::Entity)
            .and_where(user::Column::Id.eq(user))
            .and_where(user::Column::PasswordHash.eq(hash.clone()))
            // Waits for a concurrent change and reads the row again. SQLite has one writer anyway.
            .lock(LockType::Share)
            .to_owned();
        let mut insert = Query::insert();
        insert
            .into_table(refresh_token::Entity)
            .columns([
                refresh_token::Column::Id,
                refresh_token::Column::UserId,
                refresh_token::Column::Generation,
                refresh_token::Column::KeyId,
                refresh_token::Column::IssuedAt,
                refresh_token::Column::ExpiresAt,
                refresh_token::Column::OpenedAt,
            ])
            .select_from(if_hash_unchanged)
            .map_err(Error::internal)?;
        let created = retry_on_conflict(|| self.database.execute(&insert)).await?;
        if created.rows_affected() == 0 {
            return Ok(None);
        }
        self.end_idle_sessions(&grant).await?;
        self.issue(&grant).map(Some)
    }

    /// Ends the sessions of the user, other than the new one, that were used least recently, so that
    /// at most `max_per_user` are left.
    async fn end_idle_sessions(&self, new: &TokenGrant) -> Result<()> {
        let idle = refresh_token::Entity::find()
            .select_only()
            .column(refresh_token::Column::Id)
            .filter(refresh_token::Column::UserId.eq(new.user))
            .filter(refresh_token::Column::Id.ne(new.session))
            .order_by_desc(refresh_token::Column::IssuedAt)
            .offset(u64::from(self.max_per_user) - 1)
            // SQLite has no OFFSET without it.
            .limit(i64::MAX.unsigned_abs())
            .into_query();
        let end = refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::Id.in_subquery(idle));
        retry_on_conflict(|| end.clone().exec(&self.database)).await?;
        Ok(())
    }

    /// Exchanges a refresh token for a new pair.
    ///
    /// # Errors
    /// `INVALID_TOKEN`; a token that was used before, or whose session has reached its longest life,
    /// ends the session first.
    pub(crate) async fn refresh_session(&self, token: &str) -> Result<TokenPair> {
        let claims = tokens::verify(&self.keys.current(), token, TokenType::Refresh)
            .inspect_err(|error| SecurityEvent::new(REFRESH).log_refusal(error))?;
        let user = id::parse(&claims.sub).ok_or_else(token::invalid_token)?;
        let now = now();
        let next = claims.generation.checked_add(1).ok_or_else(token::invalid_token)?;
        let grant = self.new_grant(claims.sid, user, next, now);
        let opened_at = Func::coalesce([
            Expr::col(refresh_token::Column::OpenedAt),
            Expr::col(refresh_token::Column::IssuedAt),
        ]);
        let rotation = refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::Generation, Expr::val(next))
            .col_expr(refresh_token::Column::KeyId, Expr::val(grant.key_id.clone()))
            .col_expr(refresh_token::Column::IssuedAt, Expr::val(now))
            .col_expr(refresh_token::Column::ExpiresAt, Expr::val(now + self.refresh_ttl))
            .col_expr(refresh_token::Column::OpenedAt, opened_at.clone().into())
            .filter(refresh_token::Column::Id.eq(claims.sid))
            .filter(refresh_token::Column::UserId.eq(user))
            .filter(refresh_token::Column::Generation.eq(claims.generation))
            .filter(opened_at.gt(now - self.session_ttl));
        let rotated = retry_on_conflict(|| rotation.clone().exec(&self.database)).await?;
        if rotated.rows_affected == 1 {
            self.issue(&grant)
        } else {
            self.handle_stale_token(&claims, user).await
        }
    }

    /// Returns the newest pair again if its response was lost, and ends the session of a token that
    /// was reused.
    async fn handle_stale_token(&self, claims: &Claims, user: i64) -> Result<TokenPair> {
        let row = refresh_token::Entity::find_by_id(claims.sid).one(&self.database).await?;
        let event = |action| SecurityEvent::new(action).user(user).session(claims.sid);
        let Some(row) = row.filter(|row| row.user_id == user) else {
            return Err(token::invalid_token())
                .inspect_err(|error| event(REFRESH).log_refusal(error));
        };
        match classify_replay(&row, claims.generation, now()) {
            Replay::LostResponse => self.issue(&TokenGrant {
                session: row.id,
                user,
                generation: row.generation,
                key_id: row.key_id,
                issued_at: row.issued_at,
            }),
            Replay::Reuse => {
                self.delete_session(claims.sid).await?;
                Err(token::invalid_token())
                    .inspect_err(|error| event(REUSE_TOKEN).log_refusal(error))
            }
            Replay::SessionExpired => {
                self.delete_session(claims.sid).await?;
                Err(token::invalid_token())
            }
        }
    }

    /// Ends the session of a refresh token of any generation and time. Does nothing if the token is
    /// invalid or the session has ended already.
    pub(crate) async fn end_session(&self, token: &str) -> Result<()> {
        let Ok(claims) = tokens::verify_at_any_time(&self.keys.current(), token) else {
            return Ok(());
        };
        self.delete_session(claims.sid).await?;
        let event = SecurityEvent::new(LOG_OUT).user(id::parse(&claims.sub));
        event.session(claims.sid).log_success("authn_logout");
        Ok(())
    }

    async fn delete_session(&self, session: Uuid) -> Result<()> {
        let delete = || refresh_token::Entity::delete_by_id(session).exec(&self.database);
        retry_on_conflict(delete).await?;
        Ok(())
    }

    /// Deletes the sessions whose refresh token has expired, and returns their number.
    pub(crate) async fn delete_expired(&self) -> Result<u64> {
        let deleted = refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::ExpiresAt.lt(now()))
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected)
    }

    fn new_grant(
        &self,
        session: Uuid,
        user: i64,
        generation: i64,
        now: DateTime<Utc>,
    ) -> TokenGrant {
        let keys = self.keys.current();
        let key_id = keys.signing_key().map(|key| key.id.clone()).unwrap_or_default();
        TokenGrant { session, user, generation, key_id, issued_at: now }
    }

    fn issue(&self, grant: &TokenGrant) -> Result<TokenPair> {
        let keys = self.keys.current();
        let expires_in = (grant.issued_at + self.access_ttl - Utc::now()).num_seconds();
        Ok(TokenPair {
            user: grant.user,
            session: grant.session,
            access_token: tokens::sign(&keys, TokenType::Access, grant, self.access_ttl)?,
            refresh_token: tokens::sign(&keys, TokenType::Refresh, grant, self.refresh_ttl)?,
            // Rounded up, so that a token issued just now has its whole lifetime.
            expires_in: (expires_in + 1).clamp(0, self.access_ttl.num_seconds()),
        })
    }
}

/// Returns the time in the precision of the database: a token issued again from its row must be the
/// same.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

impl Authenticate for Sessions {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>> {
        Box::pin(async move {
            let claims = tokens::verify(&self.keys.current(), token, TokenType::Access)?;
            let viewer = claims.viewer()?;
            let row = refresh_token::Entity::find_by_id(claims.sid).one(&self.database).await?;
            if row.is_some_and(|row| viewer.is_user(row.user_id)) {
                Ok(viewer)
            } else {
                Err(token::invalid_token())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previous_token_is_accepted_within_grace() {
        let issued_at = Utc::now();
        let row = refresh_token::Model {
            id: Uuid::nil(),
            user_id: 1,
            generation: 5,
            key_id: String::new(),
            issued_at,
            expires_at: issued_at,
            opened_at: None,
        };
        let replay = |generation, seconds| {
            classify_replay(&row, generation, issued_at + Duration::seconds(seconds))
        };
        assert_eq!(replay(4, 0), Replay::LostResponse);
        assert_eq!(replay(4, 10), Replay::LostResponse);
        assert_eq!(replay(4, 11), Replay::Reuse);
        assert_eq!(replay(4, -3600), Replay::Reuse);
        assert_eq!(replay(5, 0), Replay::SessionExpired);
        assert_eq!(replay(3, 0), Replay::Reuse);
        assert_eq!(replay(6, 0), Replay::Reuse);
    }
}

//! Sessions: what a login opens, a refresh continues, and a logout ends.
//!
//! A session is one row. Its refresh token is of the generation that the row holds; using it is
//! one statement that counts the generation up where it is still that one. Whoever comes second
//! finds the generation moved on. Logout, password change and deletion take the row away.
//!
//! Sources: RFC 9700, section 4.14.2 (rotation and reuse), OWASP ASVS 5.0 V7.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use entity::{PasswordHash, refresh_token, user};
use futures_util::future::BoxFuture;
use schema::{Error, Result, Viewer, id};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, LockType, Query},
};
use server::{
    auth::Authenticate,
    token::{self, Claims, TokenType},
};
use uuid::Uuid;

use crate::{
    UsersState,
    security_log::{Event, Outcome},
    tokens::Grant,
};

/// For how long the token used last gets its successor again, so that a lost answer logs nobody
/// out.
const GRACE: Duration = Duration::seconds(10);

/// A pair of tokens and whose they are.
pub(crate) struct Pair {
    pub(crate) user: i64,
    pub(crate) session: Uuid,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in: i64,
}

/// What a refresh token that was not the newest means.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Its answer was lost: the successor has not been used.
    Again,
    /// It was used twice: one of the two users is a thief.
    Reused,
}

/// Judges a refresh token of this generation by the row of its session.
fn judge(row: &refresh_token::Model, generation: i64, now: DateTime<Utc>) -> Verdict {
    let parent = generation.checked_add(1) == Some(row.generation);
    if parent && now - row.issued_at <= GRACE { Verdict::Again } else { Verdict::Reused }
}

impl UsersState {
    /// Opens a session, if the user still has the password hash that was verified: a password
    /// change that comes in between must not leave a session of the old password behind.
    pub(crate) async fn open_session(
        &self,
        user: i64,
        hash: &PasswordHash,
    ) -> Result<Option<Pair>> {
        let now = now();
        let grant = self.grant(Uuid::new_v4(), user, 0, now);
        let still = Query::select()
            .expr(Expr::val(grant.session))
            .column(user::Column::Id)
            .expr(Expr::val(grant.generation))
            .expr(Expr::val(grant.key_id.clone()))
            .expr(Expr::val(now))
            .expr(Expr::val(now + self.refresh_ttl))
            .from(user::Entity)
            .and_where(user::Column::Id.eq(user))
            .and_where(user::Column::PasswordHash.eq(hash.clone()))
            // Waits for a change under way and looks again. SQLite has one writer anyway.
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
            ])
            .select_from(still)
            .map_err(Error::internal)?;
        let opened = self.database.execute(&insert).await?;
        if opened.rows_affected() == 0 { Ok(None) } else { self.pair(&grant).map(Some) }
    }

    /// Trades a refresh token for a new pair.
    ///
    /// # Errors
    /// `INVALID_TOKEN`; a token that was used before ends its session first.
    pub(crate) async fn refresh_session(&self, token: &str) -> Result<Pair> {
        let claims = self.keys.verify(token, TokenType::Refresh)?;
        let user = id::parse(&claims.sub).ok_or_else(token::invalid_token)?;
        let now = now();
        let next = claims.generation.checked_add(1).ok_or_else(token::invalid_token)?;
        let grant = self.grant(claims.sid, user, next, now);
        let moved = refresh_token::Entity::update_many()
            .col_expr(refresh_token::Column::Generation, Expr::val(next))
            .col_expr(refresh_token::Column::KeyId, Expr::val(grant.key_id.clone()))
            .col_expr(refresh_token::Column::IssuedAt, Expr::val(now))
            .col_expr(refresh_token::Column::ExpiresAt, Expr::val(now + self.refresh_ttl))
            .filter(refresh_token::Column::Id.eq(claims.sid))
            .filter(refresh_token::Column::UserId.eq(user))
            .filter(refresh_token::Column::Generation.eq(claims.generation))
            .exec(&self.database)
            .await?;
        if moved.rows_affected == 1 { self.pair(&grant) } else { self.late(&claims, user).await }
    }

    /// Answers a refresh token that is not the newest of its session.
    async fn late(&self, claims: &Claims, user: i64) -> Result<Pair> {
        let row = refresh_token::Entity::find_by_id(claims.sid).one(&self.database).await?;
        let Some(row) = row.filter(|row| row.user_id == user) else {
            return Err(token::invalid_token());
        };
        match judge(&row, claims.generation, now()) {
            Verdict::Again => self.pair(&Grant {
                session: row.id,
                user,
                generation: row.generation,
                key_id: row.key_id,
                issued_at: row.issued_at,
            }),
            Verdict::Reused => {
                self.end(claims.sid).await?;
                let event = Event::new("reuse of a refresh token");
                event.user(user).session(claims.sid).log(Outcome::Refused);
                Err(token::invalid_token())
            }
        }
    }

    /// Ends the session of a refresh token, whatever its generation. A token that is not ours, or
    /// of a session that has ended, has nothing to end.
    pub(crate) async fn logout(&self, token: &str) -> Result<()> {
        let Ok(claims) = self.keys.verify(token, TokenType::Refresh) else { return Ok(()) };
        self.end(claims.sid).await?;
        let event = Event::new("logout").user(id::parse(&claims.sub));
        event.session(claims.sid).log(Outcome::Done);
        Ok(())
    }

    async fn end(&self, session: Uuid) -> Result<()> {
        refresh_token::Entity::delete_by_id(session).exec(&self.database).await?;
        Ok(())
    }

    /// Takes away the sessions that nobody can continue.
    pub(crate) async fn sweep(&self) -> Result<u64> {
        let swept = refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::ExpiresAt.lt(now()))
            .exec(&self.database)
            .await?;
        Ok(swept.rows_affected)
    }

    fn grant(&self, session: Uuid, user: i64, generation: i64, issued_at: DateTime<Utc>) -> Grant {
        let ring = self.keys.ring();
        let key_id = ring.newest().map(|key| key.id.clone()).unwrap_or_default();
        Grant { session, user, generation, key_id, issued_at }
    }

    fn pair(&self, grant: &Grant) -> Result<Pair> {
        let expires_in = (grant.issued_at + self.access_ttl - Utc::now()).num_seconds();
        Ok(Pair {
            user: grant.user,
            session: grant.session,
            access_token: self.keys.sign(TokenType::Access, grant, self.access_ttl)?,
            refresh_token: self.keys.sign(TokenType::Refresh, grant, self.refresh_ttl)?,
            // Rounded up: what was issued just now lasts for the whole time.
            expires_in: (expires_in + 1).clamp(0, self.access_ttl.num_seconds()),
        })
    }
}

/// The database keeps microseconds, and a token must come out the same from the row.
fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

impl Authenticate for UsersState {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>> {
        Box::pin(async move {
            let claims = self.keys.verify(token, TokenType::Access)?;
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
    fn only_the_parent_of_an_unused_token_is_heard_again_and_not_for_long() {
        let issued_at = Utc::now();
        let row = refresh_token::Model {
            id: Uuid::nil(),
            user_id: 1,
            generation: 5,
            key_id: String::new(),
            issued_at,
            expires_at: issued_at,
        };
        let at =
            |generation, seconds| judge(&row, generation, issued_at + Duration::seconds(seconds));
        assert_eq!(at(4, 0), Verdict::Again);
        assert_eq!(at(4, 10), Verdict::Again);
        assert_eq!(at(4, 11), Verdict::Reused);
        assert_eq!(at(3, 0), Verdict::Reused);
        assert_eq!(at(6, 0), Verdict::Reused);
    }
}

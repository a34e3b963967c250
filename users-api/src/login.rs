//! Logs users in by their passwords.

use std::hash::Hash;

use entity::{PasswordHash, fold_case, user};
use schema::{Error, ErrorCode, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use server::client_ip;

use crate::{
    login_throttle::{Attempt, Throttle},
    passwords::Verification,
    security_log::{Action, Outcome, SecurityEvent},
    sessions::TokenPair,
    state::UsersState,
    validation,
};

/// Verifies a username and a password, and creates a session.
///
/// # Errors
/// `INVALID_CREDENTIALS`, `TOO_MANY_REQUESTS` after too many failures, `BUSY` if too many passwords
/// are being verified.
pub(crate) async fn log_in(
    state: &UsersState,
    username: &str,
    password: String,
) -> Result<TokenPair> {
    let attempt = begin_attempt(&state.throttle, Action::Login, fold_case(username), None)?;
    let slot = state.hasher.acquire_slot()?;
    // No user has an invalid username, and PostgreSQL rejects text with NUL.
    let row = match validation::username(username) {
        None => user::Entity::find_by_name(username).one(&state.database).await?,
        Some(_) => None,
    };
    let stored = row.as_ref().map(|row| row.password_hash.clone());
    // An empty password is hashed too, so that timing reveals nothing.
    let verification = slot.verify_password(password.clone(), stored).await?;
    let pair = match (&row, verification) {
        (Some(row), Verification::Match) => {
            state.sessions.create_session(row.id, &row.password_hash).await?
        }
        (Some(row), Verification::MatchNeedsRehash) => {
            let hash = rehash(state, row, password).await?;
            state.sessions.create_session(row.id, &hash).await?
        }
        _ => None,
    };
    let event = SecurityEvent::new(Action::Login);
    let Some(pair) = pair else {
        attempt.failed();
        event.user(row.map(|row| row.id)).log(Outcome::Failure);
        let detail = "The username or the password is wrong.";
        return Err(Error::new(ErrorCode::InvalidCredentials, detail));
    };
    attempt.succeeded();
    event.user(pair.user).session(pair.session).log(Outcome::Success);
    Ok(pair)
}

/// Begins an attempt to prove an identity by a password.
///
/// # Errors
/// `TOO_MANY_REQUESTS` after too many failures, which is logged.
pub(crate) fn begin_attempt(
    throttle: &Throttle,
    action: Action,
    account: impl Hash,
    user: Option<i64>,
) -> Result<Attempt<'_>> {
    let attempt = throttle.begin_attempt((action, account), client_ip::current());
    attempt.inspect_err(|_| SecurityEvent::new(action).user(user).log(Outcome::RateLimited))
}

/// Replaces a weak hash unless it was changed concurrently, and returns the hash that the session is
/// created for.
async fn rehash(state: &UsersState, row: &user::Model, password: String) -> Result<PasswordHash> {
    let new = state.hasher.acquire_slot()?.hash_password(password).await?;
    let updated = user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::val(new.clone()))
        .filter(user::Column::Id.eq(row.id))
        .filter(user::Column::PasswordHash.eq(row.password_hash.clone()))
        .exec(&state.database)
        .await?;
    Ok(if updated.rows_affected == 1 { new } else { row.password_hash.clone() })
}

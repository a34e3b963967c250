//! Logs users in by their passwords.

use std::hash::Hash;

use entity::{PasswordHash, lookup_key, user};
use schema::{Error, ErrorCode, Result, db_availability::retry_on_conflict};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, sea_query::Expr};
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
    let attempt = begin_attempt(&state.throttle, Action::Login, lookup_key(username), None)?;
    let slot = state.hasher.acquire_slot()?;
    let row = find_by_username(&state.database, username).await?;
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

async fn find_by_username(
    database: &DatabaseConnection,
    username: &str,
) -> Result<Option<user::Model>> {
    // No user has another form of name, and PostgreSQL rejects text with NUL.
    if !validation::has_username_form(username) {
        return Ok(None);
    }
    let rows = user::Entity::find()
        .filter(user::Column::UsernameKey.is_in(user::name_keys(username)))
        .all(database)
        .await?;
    Ok(user::choose_by_name(username, rows, |user| &user.username))
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
    let update = user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::val(new.clone()))
        .filter(user::Column::Id.eq(row.id))
        .filter(user::Column::PasswordHash.eq(row.password_hash.clone()));
    let updated = retry_on_conflict(|| update.clone().exec(&state.database)).await?;
    Ok(if updated.rows_affected == 1 { new } else { row.password_hash.clone() })
}

//! Logs users in by their passwords.

use std::hash::Hash;

use entity::{PasswordHash, lookup_key, user};
use schema::{Error, ErrorCode, Result, db_availability::retry_on_conflict};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, sea_query::Expr};
use server::{
    client_ip,
    security_log::{Action, SecurityEvent},
};

use crate::{
    passwords::{HashPurpose, Verification},
    security_log::LOG_IN,
    sessions::TokenPair,
    state::UsersState,
    throttle::{Attempt, Throttle},
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
    let attempt = begin_attempt(&state.throttle, LOG_IN, lookup_key(username), None).await?;
    let slot = state.hasher.acquire_slot(HashPurpose::Login, client_ip::current())?;
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
    let event = SecurityEvent::new(LOG_IN);
    let Some(pair) = pair else {
        attempt.count();
        let detail = "The username or the password is wrong.";
        let error = Error::new(ErrorCode::InvalidCredentials, detail);
        event.user(row.map(|row| row.id)).log_refusal(&error);
        return Err(error);
    };
    attempt.succeeded();
    event.user(pair.user).session(pair.session).log_success("authn_login_success");
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
pub(crate) async fn begin_attempt(
    throttle: &Throttle,
    action: Action,
    account: impl Hash,
    user: Option<i64>,
) -> Result<Attempt<'_>> {
    let attempt = throttle.begin_login((action.name, account), client_ip::current()).await;
    attempt.inspect_err(|error| SecurityEvent::new(action).user(user).log_refusal(error))
}

/// Replaces a weak hash unless it was changed concurrently, and returns the hash that the session is
/// created for.
async fn rehash(state: &UsersState, row: &user::Model, password: String) -> Result<PasswordHash> {
    let slot = state.hasher.acquire_slot(HashPurpose::Login, client_ip::current())?;
    let new = slot.hash_password(password).await?;
    let update = user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::val(new.clone()))
        .filter(user::Column::Id.eq(row.id))
        .filter(user::Column::PasswordHash.eq(row.password_hash.clone()));
    let updated = retry_on_conflict(|| update.clone().exec(&state.database)).await?;
    Ok(if updated.rows_affected == 1 { new } else { row.password_hash.clone() })
}

//! Creates, updates and deletes users, and changes their passwords.

use async_graphql::MaybeUndefined;
use chrono::{SubsecRound, Utc};
use entity::{PasswordHash, insert_row, lookup_key, refresh_token, update_row, user};
use schema::{
    Error, ErrorCode, Result, Viewer, db_availability::retry_on_conflict,
    validation::nullable_column,
};
use sea_orm::{
    ActiveValue::{self, Set},
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect, SqlErr,
    TransactionTrait,
    sea_query::Expr,
};
use server::telemetry;

use crate::{
    login,
    passwords::{self, PasswordHasher, Verification},
    security_log::{Action, Outcome, SecurityEvent},
    state::UsersState,
};

/// A user to be created.
pub(crate) struct NewAccount {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) email: Option<String>,
}

/// Changes of a user.
pub(crate) struct AccountUpdate {
    pub(crate) username: ActiveValue<String>,
    /// Null removes it.
    pub(crate) email: MaybeUndefined<String>,
}

/// A new password, and the current one as proof.
pub(crate) struct PasswordChange {
    pub(crate) old: String,
    pub(crate) new: String,
}

/// Creates a user.
///
/// # Errors
/// `USERNAME_TAKEN`, `EMAIL_TAKEN`, `BUSY` if too many passwords are being hashed.
pub(crate) async fn create_user(
    database: &DatabaseConnection,
    hasher: &PasswordHasher,
    account: NewAccount,
) -> Result<user::Model> {
    let NewAccount { username, password, email } = account;
    let mut row = user::ActiveModel {
        password_hash: Set(hasher.acquire_slot()?.hash_password(password).await?),
        created_at: Set(Utc::now().trunc_subsecs(6)),
        ..Default::default()
    };
    set_username(&mut row, username);
    set_email(&mut row, email);
    let event = SecurityEvent::new(Action::Register);
    let username_key = row.username_key.clone().take();
    match retry_on_conflict(|| insert_row(row.clone(), database)).await {
        Ok(row) => {
            event.user(row.id).log(Outcome::Success);
            Ok(row)
        }
        Err(error) => {
            let error = unique_violation(database, error, username_key, None).await;
            if matches!(error.code, ErrorCode::UsernameTaken | ErrorCode::EmailTaken) {
                // Many of these may be an attempt to enumerate usernames.
                event.log(Outcome::Failure);
            }
            Err(error)
        }
    }
}

/// Updates a user on behalf of the viewer.
///
/// # Errors
/// `NOT_FOUND`, `USERNAME_TAKEN`, `EMAIL_TAKEN`.
pub(crate) async fn update_user(
    database: &DatabaseConnection,
    viewer: Viewer,
    id: i64,
    update: AccountUpdate,
) -> Result<user::Model> {
    let mut row = user::ActiveModel { id: Set(id), ..Default::default() };
    if let Set(username) = update.username {
        set_username(&mut row, username);
    }
    if let Set(email) = nullable_column(update.email, |email| email) {
        set_email(&mut row, email);
    }
    let username_key = row.username_key.clone().take();
    match retry_on_conflict(|| update_row(row.clone(), database)).await {
        Ok(row) => {
            SecurityEvent::new(Action::UpdateUser).user(id).actor(viewer).log(Outcome::Success);
            Ok(row)
        }
        Err(DbErr::RecordNotUpdated) => Err(user_not_found()),
        Err(error) => Err(unique_violation(database, error, username_key, Some(id)).await),
    }
}

/// Deletes a user with all their offers and sessions, on behalf of the viewer.
///
/// # Errors
/// `NOT_FOUND`.
pub(crate) async fn delete_user(
    database: &DatabaseConnection,
    viewer: Viewer,
    id: i64,
) -> Result<()> {
    let deleted = retry_on_conflict(|| user::Entity::delete_by_id(id).exec(database)).await?;
    if deleted.rows_affected == 0 {
        return Err(user_not_found());
    }
    SecurityEvent::new(Action::DeleteUser).user(id).actor(viewer).log(Outcome::Success);
    Ok(())
}

/// Changes the password of a user and ends all their sessions.
///
/// # Errors
/// `INVALID_INPUT` if the new password is a name of the user, `INVALID_CREDENTIALS` if the old one is
/// wrong, `TOO_MANY_REQUESTS` after too many failures, `BUSY` if too many passwords are being hashed.
pub(crate) async fn change_password(
    state: &UsersState,
    id: i64,
    change: PasswordChange,
) -> Result<()> {
    // Throttled: a stolen access token must not help to find out the password.
    let attempt = login::begin_attempt(&state.throttle, Action::ChangePassword, id, Some(id))?;
    let slot = state.hasher.acquire_slot()?;
    let event = SecurityEvent::new(Action::ChangePassword).user(id);
    let row = user::Entity::find_by_id(id).one(&state.database).await?;
    let unfit = row.as_ref().and_then(|row| {
        let (username, email) = (&row.username, row.email.as_deref());
        passwords::validate_for_user(state.security, &change.new, username, email)
    });
    if let Some(detail) = unfit {
        return Err(Error::invalid_field(ErrorCode::InvalidInput, "/newPassword", detail));
    }
    let old = row.map(|row| row.password_hash);
    let verification = slot.verify_password(change.old, old.clone()).await?;
    let changed = match old.filter(|_| verification != Verification::Mismatch) {
        None => {
            attempt.failed();
            false
        }
        Some(old) => {
            attempt.succeeded();
            let new = state.hasher.acquire_slot()?.hash_password(change.new).await?;
            let database = state.database.clone();
            let replacement = async move {
                retry_on_conflict(|| replace_password(&database, id, old.clone(), new.clone()))
                    .await
            };
            // Spawned: a transaction whose client disconnects half way can poison its connection
            // (sqlx issue 4393).
            telemetry::spawn_instrumented(replacement).await.map_err(Error::internal)??
        }
    };
    if !changed {
        event.log(Outcome::Failure);
        return Err(Error::new(ErrorCode::InvalidCredentials, "The old password is wrong."));
    }
    event.log(Outcome::Success);
    Ok(())
}

/// Replaces the password hash and ends every session; returns false if the hash is no longer the one
/// that was verified.
async fn replace_password(
    database: &DatabaseConnection,
    id: i64,
    old: PasswordHash,
    new: PasswordHash,
) -> Result<bool, DbErr> {
    let transaction = database.begin().await?;
    let changed = user::Entity::update_many()
        .col_expr(user::Column::PasswordHash, Expr::val(new))
        .filter(user::Column::Id.eq(id))
        .filter(user::Column::PasswordHash.eq(old))
        .exec(&transaction)
        .await?;
    if changed.rows_affected == 0 {
        return Ok(false);
    }
    refresh_token::Entity::delete_many()
        .filter(refresh_token::Column::UserId.eq(id))
        .exec(&transaction)
        .await?;
    transaction.commit().await?;
    Ok(true)
}

fn set_username(row: &mut user::ActiveModel, username: String) {
    row.username_key = Set(lookup_key(&username));
    row.username = Set(username);
}

fn set_email(row: &mut user::ActiveModel, email: Option<String>) {
    row.email_key = Set(email.as_deref().map(lookup_key));
    row.email = Set(email);
}

/// Converts a unique violation to the error of the field that is taken. If both fields are, the
/// databases name different ones; the username comes first here.
async fn unique_violation(
    database: &DatabaseConnection,
    error: DbErr,
    username_key: Option<String>,
    id: Option<i64>,
) -> Error {
    if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
        return error.into();
    }
    let other = user::Entity::find()
        .select_only()
        .column(user::Column::Id)
        .filter(user::Column::UsernameKey.eq(username_key.unwrap_or_default()))
        .filter(user::Column::Id.ne(id.unwrap_or_default()))
        .into_tuple::<i64>();
    match other.one(database).await {
        Ok(Some(_)) => Error::invalid_field(ErrorCode::UsernameTaken, "/username", "is taken"),
        Ok(None) => Error::invalid_field(ErrorCode::EmailTaken, "/email", "is taken"),
        Err(error) => error.into(),
    }
}

/// Returns the error for an unknown user.
pub(crate) fn user_not_found() -> Error {
    Error::not_found("There is no such user.")
}

//! Creates, updates and deletes users, and changes their passwords.

use async_graphql::MaybeUndefined;
use chrono::{SubsecRound, Utc};
use entity::{
    PasswordHash, begin_write, insert_row, lookup_key, refresh_token, update_row_if, user,
};
use schema::{
    Error, ErrorCode, Result, Viewer, db_availability::retry_on_conflict, precondition,
    validation::nullable_column,
};
use sea_orm::{
    ActiveValue::{self, Set},
    ColumnTrait, Condition, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect,
    SqlErr,
    sea_query::Expr,
};
use serde::Deserialize;
use server::{client_ip, security_log::SecurityEvent, telemetry};

use crate::{
    login,
    passwords::{self, HashPurpose, Verification},
    security_log::{CHANGE_PASSWORD, DELETE_USER, REGISTER, UPDATE_USER},
    state::UsersState,
    throttle::Attempt,
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

/// The state of a user that a client has seen: the fields that an update can change.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SeenUser {
    pub(crate) username: String,
    pub(crate) email: Option<String>,
}

impl SeenUser {
    /// Returns the condition that a row is in this state.
    fn condition(&self) -> Condition {
        let Self { username, email } = self;
        let has_email = match email {
            Some(email) => user::Column::Email.eq(email),
            None => user::Column::Email.is_null(),
        };
        Condition::all().add(user::Column::Username.eq(username)).add(has_email)
    }
}

/// A new password, and the current one as proof.
pub(crate) struct PasswordChange {
    pub(crate) old: String,
    pub(crate) new: String,
}

/// Creates a user.
///
/// # Errors
/// `USERNAME_TAKEN`, `EMAIL_TAKEN`, `TOO_MANY_REQUESTS` after too many registrations from an address,
/// `BUSY` if too many passwords are being hashed.
pub(crate) async fn create_user(state: &UsersState, account: NewAccount) -> Result<user::Model> {
    let event = SecurityEvent::new(REGISTER);
    let created = insert_user(state, account).await;
    created
        .inspect(|row| event.user(row.id).log_success("user_created"))
        // Many of these may be an attempt to enumerate usernames.
        .inspect_err(|error| event.log_refusal(error))
}

async fn insert_user(state: &UsersState, account: NewAccount) -> Result<user::Model> {
    let NewAccount { username, password, email } = account;
    let address = client_ip::current();
    let attempt = state.throttle.begin_naming(None, address).await?;
    let mut slot = state.hasher.acquire_slot(HashPurpose::Registration, address)?;
    slot.wait_for_turn().await?;
    let mut row =
        user::ActiveModel { created_at: Set(Utc::now().trunc_subsecs(6)), ..Default::default() };
    set_username(&mut row, username);
    set_email(&mut row, email);
    // Before the password is hashed, which takes far longer.
    if let Some(taken) = find_taken_name(&state.database, &row).await? {
        attempt.count();
        return Err(taken);
    }
    row.password_hash = Set(slot.hash_password(password).await?);
    match retry_on_conflict(|| insert_row(row.clone(), &state.database)).await {
        Ok(row) => {
            attempt.count();
            Ok(row)
        }
        Err(error) => Err(refuse_taken_name(state, error, &row, attempt).await),
    }
}

/// Updates a user on behalf of the viewer, or only if the user is still as `seen`.
///
/// # Errors
/// `NOT_FOUND`, `PRECONDITION_FAILED`, `USERNAME_TAKEN`, `EMAIL_TAKEN`, `TOO_MANY_REQUESTS` after too
/// many taken names.
pub(crate) async fn update_user(
    state: &UsersState,
    viewer: Viewer,
    id: i64,
    update: AccountUpdate,
    seen: Option<SeenUser>,
) -> Result<user::Model> {
    let event = SecurityEvent::new(UPDATE_USER).user(id).actor(viewer);
    let updated = update_names(state, id, update, seen).await;
    updated
        .inspect(|_| event.log_success("user_updated"))
        .inspect_err(|error| event.log_refusal(error))
}

async fn update_names(
    state: &UsersState,
    id: i64,
    update: AccountUpdate,
    seen: Option<SeenUser>,
) -> Result<user::Model> {
    // Throttled: it reveals which names and emails are taken.
    let attempt = state.throttle.begin_naming(Some(id), client_ip::current()).await?;
    let mut row = user::ActiveModel { id: Set(id), ..Default::default() };
    if let Set(username) = update.username {
        set_username(&mut row, username);
    }
    if let Set(email) = nullable_column(update.email, |email| email) {
        set_email(&mut row, email);
    }
    let condition = seen.as_ref().map_or_else(Condition::all, SeenUser::condition);
    let update = || update_row_if(row.clone(), condition.clone(), &state.database);
    match retry_on_conflict(update).await {
        Ok(row) => Ok(row),
        Err(DbErr::RecordNotUpdated) => Err(unchanged(seen)),
        Err(error) => Err(refuse_taken_name(state, error, &row, attempt).await),
    }
}

/// Deletes a user with all their offers and sessions, on behalf of the viewer, or only if the user is
/// still as `seen`.
///
/// # Errors
/// `NOT_FOUND`, `PRECONDITION_FAILED`.
pub(crate) async fn delete_user(
    database: &DatabaseConnection,
    viewer: Viewer,
    id: i64,
    seen: Option<SeenUser>,
) -> Result<()> {
    let condition = seen.as_ref().map_or_else(Condition::all, SeenUser::condition);
    let delete = user::Entity::delete_many().filter(user::Column::Id.eq(id)).filter(condition);
    let deleted = retry_on_conflict(|| delete.clone().exec(database)).await?;
    if deleted.rows_affected == 0 {
        return Err(unchanged(seen));
    }
    SecurityEvent::new(DELETE_USER).user(id).actor(viewer).log_success("user_deleted");
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
    let attempt = login::begin_attempt(&state.throttle, CHANGE_PASSWORD, id, Some(id)).await?;
    let slot = state.hasher.acquire_slot(HashPurpose::Login, client_ip::current())?;
    let event = SecurityEvent::new(CHANGE_PASSWORD).user(id);
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
            attempt.count();
            false
        }
        Some(old) => {
            attempt.succeeded();
            let slot = state.hasher.acquire_slot(HashPurpose::Login, client_ip::current())?;
            let new = slot.hash_password(change.new).await?;
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
        let error = Error::new(ErrorCode::InvalidCredentials, "The old password is wrong.");
        event.log_refusal(&error);
        return Err(error);
    }
    event.log_success("authn_password_change");
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
    let transaction = begin_write(database).await?;
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

/// Converts a unique violation to the error of the field that is taken, and counts the attempt.
async fn refuse_taken_name(
    state: &UsersState,
    error: DbErr,
    row: &user::ActiveModel,
    attempt: Attempt<'_>,
) -> Error {
    if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
        return error.into();
    }
    attempt.count();
    match find_taken_name(&state.database, row).await {
        Ok(taken) => taken.unwrap_or_else(email_taken),
        Err(error) => error,
    }
}

/// Returns the error of the field that another user has already. If both are taken, the databases
/// report different ones; the username comes first here.
async fn find_taken_name(
    database: &DatabaseConnection,
    row: &user::ActiveModel,
) -> Result<Option<Error>> {
    let username = row.username_key.clone().take();
    let email = row.email_key.clone().take().flatten();
    let others = user::Entity::find()
        .select_only()
        .column(user::Column::UsernameKey)
        .filter(user::Column::Id.ne(row.id.clone().take().unwrap_or_default()))
        .filter(
            Condition::any()
                .add_option(username.as_ref().map(|key| user::Column::UsernameKey.eq(key)))
                .add_option(email.map(|key| user::Column::EmailKey.eq(key))),
        );
    let found: Vec<String> = others.into_tuple().all(database).await?;
    Ok(if found.iter().any(|key| Some(key) == username.as_ref()) {
        Some(Error::invalid_field(ErrorCode::UsernameTaken, "/username", "is taken"))
    } else {
        found.first().map(|_| email_taken())
    })
}

fn email_taken() -> Error {
    Error::invalid_field(ErrorCode::EmailTaken, "/email", "is taken")
}

/// Returns the error for a change that found no row to change.
fn unchanged(seen: Option<SeenUser>) -> Error {
    seen.map_or_else(user_not_found, |_| precondition::failed())
}

/// Returns the error for an unknown user.
pub(crate) fn user_not_found() -> Error {
    Error::not_found("There is no such user.")
}

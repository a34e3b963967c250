use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use schema::{
    DirectJson, FieldErrors, Precondition, Result, Security, Viewer, id, validation::text,
};
use server::security_log::{Action, SecurityEvent};
use utoipa::ToSchema;

use super::users::User;
use crate::{
    accounts::{self, AccountUpdate, NewAccount, PasswordChange},
    passwords,
    security_log::{CHANGE_PASSWORD, DELETE_USER, UPDATE_USER},
    state::UsersState,
    validation,
};

/// A new user.
#[derive(InputObject, ToSchema)]
pub(crate) struct RegisterInput {
    /// The name to log in with: 1 to 64 visible characters without white space, unique regardless of
    /// case and Unicode form. Not digits alone and not a word of a route, such as `auth`.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\u0000-\u001F\u007F-\u009F]+$",
        example = "alice"
    )]
    username: String,
    /// The password: 1 to 1024 bytes; in strict mode at least 8 characters and not a common one.
    #[graphql(secret)]
    #[schema(min_length = 1, max_length = 1024, example = "correct horse")]
    password: String,
    /// The email address, unique regardless of case.
    #[schema(max_length = 254, format = Email, example = "alice@example.org")]
    email: Option<String>,
}

impl RegisterInput {
    /// Validates the input.
    ///
    /// # Errors
    /// `INVALID_INPUT` with each bad field.
    pub(crate) fn validate(self, security: Security) -> Result<NewAccount> {
        let Self { username, password, email } = self;
        let mut errors = FieldErrors::default();
        errors.check("/username", &username, validation::username);
        let unfit = passwords::validator(security)(&password).or_else(|| {
            passwords::validate_for_user(security, &password, &username, email.as_deref())
        });
        if let Some(detail) = unfit {
            errors.push("/password", detail);
        }
        if let Some(email) = &email {
            errors.check("/email", email, validation::email);
        }
        errors.into_result().map(|()| NewAccount { username, password, email })
    }
}

/// Fields to update; omitted fields are unchanged.
#[derive(InputObject, ToSchema)]
pub(crate) struct UpdateUserInput {
    /// The name to log in with: 1 to 64 visible characters without white space, unique regardless of
    /// case and Unicode form. Not digits alone and not a word of a route, such as `auth`.
    #[schema(
        value_type = String,
        required = false,
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\u0000-\u001F\u007F-\u009F]+$",
        example = "alice"
    )]
    username: MaybeUndefined<String>,
    /// The email address, unique regardless of case; null removes it.
    #[schema(
        value_type = Option<String>,
        max_length = 254,
        format = Email,
        example = "alice@example.com"
    )]
    email: MaybeUndefined<String>,
}

impl UpdateUserInput {
    /// Validates the input.
    ///
    /// # Errors
    /// `INVALID_INPUT` with each bad field.
    pub(crate) fn validate(self) -> Result<AccountUpdate> {
        let mut errors = FieldErrors::default();
        let Self { username, email } = self;
        let username = errors.check_change("/username", username, text(validation::username));
        let email = errors.check_nullable_change("/email", email, text(validation::email));
        errors.into_result().map(|()| AccountUpdate { username, email })
    }
}

/// A new password.
#[derive(InputObject, ToSchema)]
pub(crate) struct ChangePasswordInput {
    /// The current password.
    #[graphql(secret)]
    #[schema(example = "correct horse")]
    old_password: String,
    /// The new password: 1 to 1024 bytes; in strict mode at least 8 characters and not a common
    /// one.
    #[graphql(secret)]
    #[schema(min_length = 1, max_length = 1024, example = "battery staple")]
    new_password: String,
}

impl ChangePasswordInput {
    /// Validates the input.
    ///
    /// # Errors
    /// `INVALID_INPUT` with the field.
    pub(crate) fn validate(self, security: Security) -> Result<PasswordChange> {
        let Self { old_password: old, new_password: new } = self;
        let mut errors = FieldErrors::default();
        errors.check("/newPassword", &new, passwords::validator(security));
        errors.into_result().map(|()| PasswordChange { old, new })
    }
}

#[derive(Default)]
pub(crate) struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Registers a user.
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new user.")] input: RegisterInput,
    ) -> Result<DirectJson<User>> {
        let state = UsersState::from_ctx(ctx);
        let account = input.validate(state.security)?;
        let row = accounts::create_user(state, account).await?;
        state.reads.record_write();
        Ok(DirectJson(User::for_owner(row)))
    }

    /// Updates a user.
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the user to update.")] id: ID,
        #[graphql(desc = "The fields to update.")] input: UpdateUserInput,
    ) -> Result<DirectJson<User>> {
        let state = UsersState::from_ctx(ctx);
        let (viewer, id) = authorize(ctx, UPDATE_USER, &id)?;
        let update = input.validate()?;
        let seen = Precondition::from_ctx(ctx)?;
        let row = accounts::update_user(state, viewer, id, update, seen).await?;
        state.reads.record_write();
        Ok(DirectJson(User::for_owner(row)))
    }

    /// Changes the password of the user whose access token was sent, and ends all their sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current password and the new one.")] input: ChangePasswordInput,
    ) -> Result<bool> {
        let state = UsersState::from_ctx(ctx);
        let id = authorize_password_change(Viewer::from_ctx(ctx))?;
        let change = input.validate(state.security)?;
        accounts::change_password(state, id, change).await?;
        Ok(true)
    }

    /// Deletes a user with all their offers and sessions.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the user to delete.")] id: ID,
    ) -> Result<bool> {
        let state = UsersState::from_ctx(ctx);
        let (viewer, id) = authorize(ctx, DELETE_USER, &id)?;
        let seen = Precondition::from_ctx(ctx)?;
        accounts::delete_user(&state.database, viewer, id, seen).await?;
        state.reads.record_write();
        Ok(true)
    }
}

/// Returns the id of the user whose password the viewer may change. A rejection is logged.
///
/// # Errors
/// `UNAUTHENTICATED`.
pub(crate) fn authorize_password_change(viewer: Viewer) -> Result<i64> {
    let user = viewer.require_authenticated();
    user.inspect_err(|error| SecurityEvent::new(CHANGE_PASSWORD).log_refusal(error))
}

/// Returns the viewer and the user that they may act as. A rejection is logged (OWASP ASVS 5.0,
/// 16.3.2).
///
/// # Errors
/// `NOT_FOUND` if `id` is not an id, `UNAUTHENTICATED`, `FORBIDDEN`.
fn authorize(ctx: &Context<'_>, action: Action, id: &str) -> Result<(Viewer, i64)> {
    let id = id::parse(id).ok_or_else(accounts::user_not_found)?;
    let viewer = Viewer::from_ctx(ctx);
    viewer.authorize_as(UsersState::from_ctx(ctx).security, id).inspect_err(|error| {
        SecurityEvent::new(action).user(id).actor(viewer).log_refusal(error);
    })?;
    Ok((viewer, id))
}

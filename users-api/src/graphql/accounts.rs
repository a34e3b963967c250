use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use schema::{DirectJson, FieldErrors, Result, Viewer, id};
use sea_orm::ActiveValue::{NotSet, Set};

use super::users::User;
use crate::{
    accounts::{self, AccountUpdate, NewAccount, PasswordChange},
    passwords,
    security_log::{Action, Outcome, SecurityEvent},
    state::UsersState,
    validation,
};

/// A new user.
#[derive(InputObject)]
pub(crate) struct RegisterInput {
    /// The name to log in with: 1 to 64 characters without white space, unique regardless of case.
    username: String,
    /// The password: 1 to 1024 bytes; in strict mode at least 8 characters and not a common one.
    #[graphql(secret)]
    password: String,
    /// The email address, unique regardless of case.
    email: Option<String>,
}

/// Fields to update; omitted fields are unchanged.
#[derive(InputObject)]
pub(crate) struct UpdateUserInput {
    /// The name to log in with: 1 to 64 characters without white space, unique regardless of case.
    username: MaybeUndefined<String>,
    /// The email address, unique regardless of case; null removes it.
    email: MaybeUndefined<String>,
}

/// A new password.
#[derive(InputObject)]
pub(crate) struct ChangePasswordInput {
    /// The current password.
    #[graphql(secret)]
    old_password: String,
    /// The new password: 1 to 1024 bytes; in strict mode at least 8 characters and not a common
    /// one.
    #[graphql(secret)]
    new_password: String,
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
        let RegisterInput { username, password, email } = input;
        let mut errors = FieldErrors::default();
        errors.check("/username", &username, validation::username);
        errors.check("/password", &password, passwords::validator(state.security));
        if let Some(email) = &email {
            errors.check("/email", email, validation::email);
        }
        errors.into_result()?;
        let account = NewAccount { username, password, email };
        let row = accounts::create_user(&state.database, &state.hasher, account).await?;
        Ok(DirectJson(User::own(row)))
    }

    /// Updates a user.
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the user to update.")] id: ID,
        #[graphql(desc = "The fields to update.")] input: UpdateUserInput,
    ) -> Result<DirectJson<User>> {
        let state = UsersState::from_ctx(ctx);
        let (viewer, id) = authorize(ctx, Action::UpdateUser, &id)?;
        let mut errors = FieldErrors::default();
        let username = match input.username {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => {
                errors.push("/username", "must not be null");
                None
            }
            MaybeUndefined::Value(username) => {
                errors.check("/username", &username, validation::username);
                Some(username)
            }
        };
        let email = match input.email {
            MaybeUndefined::Undefined => NotSet,
            MaybeUndefined::Null => Set(None),
            MaybeUndefined::Value(email) => {
                errors.check("/email", &email, validation::email);
                Set(Some(email))
            }
        };
        errors.into_result()?;
        let update = AccountUpdate { username, email };
        let row = accounts::update_user(&state.database, viewer, id, update).await?;
        Ok(DirectJson(User::own(row)))
    }

    /// Changes the password of the user whose access token was sent, and ends all their sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The current password and the new one.")] input: ChangePasswordInput,
    ) -> Result<bool> {
        let state = UsersState::from_ctx(ctx);
        let ChangePasswordInput { old_password: old, new_password: new } = input;
        let id = Viewer::from_ctx(ctx).require_authenticated()?;
        let mut errors = FieldErrors::default();
        errors.check("/newPassword", &new, passwords::validator(state.security));
        errors.into_result()?;
        accounts::change_password(state, id, PasswordChange { old, new }).await?;
        Ok(true)
    }

    /// Deletes a user with all their offers and sessions.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "ID of the user to delete.")] id: ID,
    ) -> Result<bool> {
        let (viewer, id) = authorize(ctx, Action::DeleteUser, &id)?;
        accounts::delete_user(&UsersState::from_ctx(ctx).database, viewer, id).await?;
        Ok(true)
    }
}

/// Returns the viewer and the user that they may act as. A rejection is logged (OWASP ASVS 5.0,
/// 16.3.2).
///
/// # Errors
/// `NOT_FOUND` if `id` is not an id, `UNAUTHENTICATED`, `FORBIDDEN`.
fn authorize(ctx: &Context<'_>, action: Action, id: &str) -> Result<(Viewer, i64)> {
    let id = id::parse(id).ok_or_else(accounts::user_not_found)?;
    let viewer = Viewer::from_ctx(ctx);
    viewer.authorize_as(UsersState::from_ctx(ctx).security, id).inspect_err(|_| {
        SecurityEvent::new(action).user(id).actor(viewer).log(Outcome::Failure);
    })?;
    Ok((viewer, id))
}

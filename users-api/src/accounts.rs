//! What changes users: registration, changes of name and password, deletion.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use chrono::{SubsecRound, Utc};
use entity::{PasswordHash, fold_case, refresh_token, user};
use schema::{DirectJson, Error, ErrorCode, FieldErrors, Result, Security, Viewer, id};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, DbErr, EntityTrait,
    QueryFilter, SqlErr, TransactionTrait, sea_query::Expr,
};
use server::telemetry;

use crate::{
    UsersState,
    graphql::users::{Row, User},
    passwords::{self, Verdict},
    security_log::{Event, Outcome},
    validation,
};

/// How the log of events names what happens here.
const REGISTRATION: &str = "registration";
const CHANGE: &str = "change of a user";
const PASSWORD_CHANGE: &str = "password change";
const DELETION: &str = "deletion";

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

/// What to change of a user. What is left out stays.
#[derive(InputObject)]
pub(crate) struct UpdateUserInput {
    /// The name to log in with: 1 to 64 characters without white space, unique regardless of case.
    username: MaybeUndefined<String>,
    /// The email address, unique regardless of case; null takes it away.
    email: MaybeUndefined<String>,
}

/// A new password.
#[derive(InputObject)]
pub(crate) struct ChangePasswordInput {
    /// The password until now.
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
        #[graphql(desc = "Who registers.")] input: RegisterInput,
    ) -> Result<DirectJson<User>> {
        let users = UsersState::from_ctx(ctx);
        let mut fields = FieldErrors::default();
        fields.check("/username", &input.username, validation::username);
        fields.check("/password", &input.password, users.password_rule());
        if let Some(email) = &input.email {
            fields.check("/email", email, validation::email);
        }
        fields.into_result()?;
        users.register(input).await.map(User::own).map(DirectJson)
    }

    /// Changes a user.
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which user.")] id: ID,
        #[graphql(desc = "What to change.")] input: UpdateUserInput,
    ) -> Result<DirectJson<User>> {
        let users = UsersState::from_ctx(ctx);
        let (viewer, id) = (Viewer::from_ctx(ctx), id::parse(&id).ok_or_else(not_found)?);
        users.allow(CHANGE, viewer, id)?;
        let mut fields = FieldErrors::default();
        match &input.username {
            MaybeUndefined::Undefined => (),
            MaybeUndefined::Null => fields.push("/username", "must not be null"),
            MaybeUndefined::Value(name) => fields.check("/username", name, validation::username),
        }
        if let MaybeUndefined::Value(email) = &input.email {
            fields.check("/email", email, validation::email);
        }
        fields.into_result()?;
        let row = users.change(id, input).await?;
        Event::new(CHANGE).user(row.id).by(viewer).log(Outcome::Done);
        Ok(DirectJson(User::own(row)))
    }

    /// Changes the password of the user whose access token was sent, and ends all their sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password until now, and the new one.")] input: ChangePasswordInput,
    ) -> Result<bool> {
        let users = UsersState::from_ctx(ctx);
        let id = Viewer::from_ctx(ctx).require_authenticated()?;
        let mut fields = FieldErrors::default();
        fields.check("/newPassword", &input.new_password, users.password_rule());
        fields.into_result()?;
        users.change_password(id, input).await.map(|()| true)
    }

    /// Deletes a user with all their offers and sessions.
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which user.")] id: ID,
    ) -> Result<bool> {
        let users = UsersState::from_ctx(ctx);
        let (viewer, id) = (Viewer::from_ctx(ctx), id::parse(&id).ok_or_else(not_found)?);
        users.allow(DELETION, viewer, id)?;
        let deleted = user::Entity::delete_by_id(id).exec(&users.database).await?;
        if deleted.rows_affected == 0 {
            return Err(not_found());
        }
        Event::new(DELETION).user(id).by(viewer).log(Outcome::Done);
        Ok(true)
    }
}

impl UsersState {
    fn password_rule(&self) -> schema::validation::Validator {
        match self.security {
            Security::Spec => passwords::rule,
            Security::Strict => passwords::strict_rule,
        }
    }

    /// Lets through who may do this to a user. A refusal is an event (OWASP ASVS 5.0, 16.3.2).
    fn allow(&self, what: &'static str, viewer: Viewer, id: i64) -> Result<()> {
        let refused = |_: &Error| Event::new(what).user(id).by(viewer).log(Outcome::Refused);
        viewer.authorize_as(self.security, id).inspect_err(refused)
    }

    async fn register(&self, input: RegisterInput) -> Result<user::Model> {
        let RegisterInput { username, password, email } = input;
        let row = user::ActiveModel {
            username_key: Set(fold_case(&username)),
            username: Set(username),
            email_key: Set(email.as_deref().map(fold_case)),
            email: Set(email),
            password_hash: Set(self.hasher.queue()?.hash(password).await?),
            created_at: Set(Utc::now().trunc_subsecs(6)),
            ..Default::default()
        };
        let name = row.username_key.clone().take();
        let row = match row.insert(&self.database).await {
            Ok(row) => row,
            Err(error) => {
                let error = self.taken(error, name, None).await;
                if matches!(error.code, ErrorCode::UsernameTaken | ErrorCode::EmailTaken) {
                    // Whoever tries many finds out names this way.
                    Event::new(REGISTRATION).log(Outcome::Refused);
                }
                return Err(error);
            }
        };
        Event::new(REGISTRATION).user(row.id).log(Outcome::Done);
        Ok(row)
    }

    async fn change(&self, id: i64, input: UpdateUserInput) -> Result<user::Model> {
        let mut row = user::ActiveModel { id: Set(id), ..Default::default() };
        if let MaybeUndefined::Value(username) = input.username {
            row.username_key = Set(fold_case(&username));
            row.username = Set(username);
        }
        match input.email {
            MaybeUndefined::Undefined => (),
            MaybeUndefined::Null => {
                row.email = Set(None);
                row.email_key = Set(None);
            }
            MaybeUndefined::Value(email) => {
                row.email_key = Set(Some(fold_case(&email)));
                row.email = Set(Some(email));
            }
        }
        let name = row.username_key.clone().take();
        match row.update(&self.database).await {
            Ok(row) => Ok(row),
            Err(DbErr::RecordNotUpdated | DbErr::RecordNotFound(_)) => Err(not_found()),
            Err(error) => Err(self.taken(error, name, Some(id)).await),
        }
    }

    /// Tells which field is taken. The databases name different ones where both are.
    async fn taken(&self, error: DbErr, name: Option<String>, id: Option<i64>) -> Error {
        if !matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            return error.into();
        }
        let other = user::Entity::find()
            .filter(user::Column::UsernameKey.eq(name.unwrap_or_default()))
            .filter(user::Column::Id.ne(id.unwrap_or_default()))
            .into_partial_model::<Row>();
        match other.one(&self.database).await {
            Ok(Some(_)) => Error::invalid_field(ErrorCode::UsernameTaken, "/username", "is taken"),
            Ok(None) => Error::invalid_field(ErrorCode::EmailTaken, "/email", "is taken"),
            Err(error) => error.into(),
        }
    }

    async fn change_password(&self, id: i64, input: ChangePasswordInput) -> Result<()> {
        // Who has stolen an access token must not find out the password with it.
        let attempt = self.attempt(PASSWORD_CHANGE, id, Some(id))?;
        let place = self.hasher.queue()?;
        let wrong = || {
            Event::new(PASSWORD_CHANGE).user(id).log(Outcome::Refused);
            Error::new(ErrorCode::InvalidCredentials, "The old password is wrong.")
        };
        let row = user::Entity::find_by_id(id).one(&self.database).await?;
        let old = row.map(|row| row.password_hash);
        let verdict = place.verify(input.old_password, old.clone()).await?;
        let Some(old) = old.filter(|_| verdict != Verdict::Wrong) else {
            attempt.failed();
            return Err(wrong());
        };
        attempt.succeeded();
        let new = self.hasher.queue()?.hash(input.new_password).await?;
        let change = replace_password(self.database.clone(), id, old, new);
        // In its own task: a transaction whose client leaves half way can poison its connection
        // (sqlx issue 4393).
        let changed = telemetry::spawn_instrumented(change).await.map_err(Error::internal)??;
        if !changed {
            return Err(wrong());
        }
        Event::new(PASSWORD_CHANGE).user(id).log(Outcome::Done);
        Ok(())
    }
}

/// Replaces the hash where it is still the one that was verified, and ends every session.
async fn replace_password(
    database: DatabaseConnection,
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

fn not_found() -> Error {
    Error::not_found("There is no such user.")
}

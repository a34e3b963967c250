//! Logging in and out.

use std::hash::Hash;

use async_graphql::{Context, InputObject, Object, SimpleObject, parser::types::Field};
use entity::{PasswordHash, fold_case, user};
use schema::{DirectJson, Error, ErrorCode, JsonWriter, Result, WriteJson};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use server::client_ip;
use utoipa::ToSchema;

use crate::{
    UsersState,
    graphql::users::User,
    login_throttle::Attempt,
    passwords::Verdict,
    security_log::{Event, Outcome},
    sessions::Pair,
    validation,
};

/// Credentials for `authenticate`.
#[derive(InputObject, ToSchema)]
pub(crate) struct AuthenticateInput {
    /// The username, in any case.
    #[schema(example = "alice")]
    username: String,
    /// The password.
    #[graphql(secret)]
    #[schema(example = "correct horse")]
    password: String,
}

/// A session of a user, as its newest pair of tokens.
#[derive(SimpleObject, ToSchema)]
#[graphql(complex)]
pub(crate) struct Session {
    /// Sent with each request as `Authorization: Bearer …`. It lasts for `expiresIn`.
    #[schema(example = "eyJhbGciOiJFUzI1NiIs…")]
    access_token: String,
    /// Exchanged for a new pair by `refresh`, once.
    #[schema(example = "eyJhbGciOiJFUzI1NiIs…")]
    refresh_token: String,
    /// Always `Bearer` (RFC 6750).
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// The lifetime of the access token in seconds.
    #[schema(example = 600)]
    expires_in: i64,
    /// The identifier of the user.
    #[graphql(skip)]
    #[schema(rename = "user_id", example = 1)]
    user: i64,
}

#[async_graphql::ComplexObject]
impl Session {
    /// The identifier of the user.
    async fn user_id(&self) -> async_graphql::ID {
        schema::id::to_graphql_id(self.user)
    }

    /// The user.
    async fn user(&self, ctx: &Context<'_>) -> Result<DirectJson<User>> {
        UsersState::from_ctx(ctx).some(ctx, self.user).await
    }
}

impl WriteJson for Session {
    fn write(&self, field: &Field, json: &mut JsonWriter) -> Option<()> {
        match field.name.node.as_str() {
            "accessToken" => json.text(&self.access_token),
            "refreshToken" => json.text(&self.refresh_token),
            "tokenType" => json.text(self.token_type),
            "expiresIn" => json.number(self.expires_in),
            "userId" => json.id(self.user),
            _ => return None,
        }
        Some(())
    }
}

impl From<Pair> for Session {
    fn from(pair: Pair) -> Self {
        let Pair { user, access_token, refresh_token, expires_in, .. } = pair;
        Self { access_token, refresh_token, token_type: "Bearer", expires_in, user }
    }
}

#[derive(Default)]
pub(crate) struct LoginMutation;

#[Object]
impl LoginMutation {
    /// Logs a user in. It takes the same time for an unknown user and for a wrong password.
    async fn authenticate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who logs in.")] input: AuthenticateInput,
    ) -> Result<DirectJson<Session>> {
        UsersState::from_ctx(ctx).authenticate(input).await.map(Session::from).map(DirectJson)
    }

    /// Trades a refresh token for a new pair. A token that was traded before ends its session.
    async fn refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(secret, desc = "The refresh token of the newest pair.")] refresh_token: String,
    ) -> Result<DirectJson<Session>> {
        UsersState::from_ctx(ctx)
            .refresh_session(&refresh_token)
            .await
            .map(Session::from)
            .map(DirectJson)
    }

    /// Ends the session of a refresh token. True even where there was nothing to end.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(secret, desc = "A refresh token of the session.")] refresh_token: String,
    ) -> Result<bool> {
        UsersState::from_ctx(ctx).logout(&refresh_token).await.map(|()| true)
    }
}

impl UsersState {
    async fn authenticate(&self, input: AuthenticateInput) -> Result<Pair> {
        let AuthenticateInput { username, password } = input;
        let attempt = self.attempt("login", fold_case(&username), None)?;
        let place = self.hasher.queue()?;
        // No user has such a name, and PostgreSQL refuses text with NUL.
        let row = match validation::username(&username) {
            None => user::Entity::find_by_name(&username).one(&self.database).await?,
            Some(_) => None,
        };
        let stored = row.as_ref().map(|row| row.password_hash.clone());
        // An empty password costs a hash too: no answer tells more by coming sooner.
        let verdict = place.verify(password.clone(), stored).await?;
        let pair = match (&row, verdict) {
            (Some(row), Verdict::Right) => self.open_session(row.id, &row.password_hash).await?,
            (Some(row), Verdict::Outdated) => {
                let hash = self.rehash(row, password).await?;
                self.open_session(row.id, &hash).await?
            }
            _ => None,
        };
        let Some(pair) = pair else {
            attempt.failed();
            Event::new("login").user(row.map(|row| row.id)).log(Outcome::Refused);
            let detail = "The username or the password is wrong.";
            return Err(Error::new(ErrorCode::InvalidCredentials, detail));
        };
        attempt.succeeded();
        Event::new("login").user(pair.user).session(pair.session).log(Outcome::Done);
        Ok(pair)
    }

    /// An attempt to prove who one is by a password, where not too many failed lately.
    pub(crate) fn attempt(
        &self,
        what: &'static str,
        account: impl Hash,
        user: Option<i64>,
    ) -> Result<Attempt<'_>> {
        let attempt = self.throttle.begin((what, account), client_ip::current());
        attempt.inspect_err(|_| Event::new(what).user(user).log(Outcome::Slowed))
    }

    /// Replaces a hash of outdated strength; gives the one that is now in place.
    async fn rehash(&self, row: &user::Model, password: String) -> Result<PasswordHash> {
        let new = self.hasher.queue()?.hash(password).await?;
        let changed = user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::val(new.clone()))
            .filter(user::Column::Id.eq(row.id))
            .filter(user::Column::PasswordHash.eq(row.password_hash.clone()))
            .exec(&self.database)
            .await?;
        Ok(if changed.rows_affected == 1 { new } else { row.password_hash.clone() })
    }
}

use async_graphql::{ComplexObject, Context, InputObject, Object, SimpleObject};
use schema::{DirectJson, Id, Result};
use utoipa::ToSchema;

use super::users::{User, require_user};
use crate::{login, sessions::TokenPair, state::UsersState};

/// Credentials for `authenticate`.
#[derive(InputObject, ToSchema)]
pub(crate) struct AuthenticateInput {
    /// The username, in any case and Unicode form.
    #[schema(example = "alice")]
    username: String,
    /// The password.
    #[graphql(secret)]
    #[schema(example = "correct horse")]
    password: String,
}

direct_json::object! {
    /// A session of a user, as its newest pair of tokens.
    #[derive(SimpleObject, ToSchema)]
    #[graphql(complex)]
    pub(crate) struct Session {
        /// The token to send with each request as `Authorization: Bearer …`. Valid for `expiresIn`.
        #[schema(example = "eyJhbGciOiJFUzI1NiIs…")]
        access_token: String,
        /// The token that `refresh` exchanges for a new pair, once.
        #[schema(example = "eyJhbGciOiJFUzI1NiIs…")]
        refresh_token: String,
        /// Always `Bearer` (RFC 6750).
        #[schema(example = "Bearer")]
        token_type: &'static str,
        /// Lifetime of the access token, in seconds.
        #[schema(example = 600)]
        expires_in: i64,
        /// The identifier of the user.
        #[schema(value_type = i64, example = 1)]
        user_id: Id,
    }
}

#[ComplexObject]
impl Session {
    /// The user.
    async fn user(&self, ctx: &Context<'_>) -> Result<DirectJson<User>> {
        require_user(ctx, self.user_id.0).await
    }
}

impl From<TokenPair> for Session {
    fn from(pair: TokenPair) -> Self {
        let TokenPair { user, access_token, refresh_token, expires_in, .. } = pair;
        Self { access_token, refresh_token, token_type: "Bearer", expires_in, user_id: user.into() }
    }
}

#[derive(Default)]
pub(crate) struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Logs a user in. Takes as long for an unknown username as for a wrong password.
    async fn authenticate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The credentials.")] input: AuthenticateInput,
    ) -> Result<DirectJson<Session>> {
        let AuthenticateInput { username, password } = input;
        let pair = login::log_in(UsersState::from_ctx(ctx), &username, password).await?;
        Ok(DirectJson(pair.into()))
    }

    /// Exchanges a refresh token for a new pair. A token that is used twice ends its session.
    async fn refresh(
        &self,
        ctx: &Context<'_>,
        #[graphql(secret, desc = "The refresh token of the newest pair.")] refresh_token: String,
    ) -> Result<DirectJson<Session>> {
        let pair = UsersState::from_ctx(ctx).sessions.refresh_session(&refresh_token).await?;
        Ok(DirectJson(pair.into()))
    }

    /// Ends the session of a refresh token. Also returns true if the session has ended already.
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(secret, desc = "A refresh token of the session.")] refresh_token: String,
    ) -> Result<bool> {
        UsersState::from_ctx(ctx).sessions.end_session(&refresh_token).await?;
        Ok(true)
    }
}

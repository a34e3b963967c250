//! What REST clients send and get.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use server::{openapi, rest::PageJson};
use utoipa::{IntoParams, ToSchema};

/// A user, without their offers.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes an answer")]
pub(crate) struct User {
    /// The identifier of the user.
    #[schema(example = 1)]
    id: i64,
    /// The name to log in with.
    #[schema(example = "alice")]
    username: String,
    /// The email address; in strict mode its own user alone sees it.
    #[schema(example = "alice@example.org")]
    email: Option<String>,
    /// When the user registered.
    created_at: DateTime<Utc>,
}

/// What names a user.
#[derive(Deserialize)]
pub(crate) struct UserId {
    pub(crate) id: i64,
}

/// A user with their offers, oldest first.
// Texts go through as the document answers them.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserWithOffers<'a> {
    /// The identifier of the user.
    #[schema(example = 1)]
    id: i64,
    /// The name to log in with.
    #[schema(value_type = String, example = "alice")]
    username: &'a RawValue,
    /// The email address; in strict mode its own user alone sees it.
    #[schema(value_type = Option<String>, example = "alice@example.org")]
    email: &'a RawValue,
    /// When the user registered.
    #[schema(value_type = String, format = DateTime)]
    created_at: &'a RawValue,
    /// The offers; at most 1000, then `Link` names the page that follows.
    #[schema(value_type = Vec<Offer>)]
    offers: &'a RawValue,
}

/// What a user offers.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes an answer")]
pub(crate) struct Offer {
    /// The identifier of the offer.
    #[schema(example = 1)]
    id: i64,
    /// The user who offers.
    #[schema(example = 1)]
    user_id: i64,
    /// What is offered, in one line.
    #[schema(example = "Bicycle")]
    title: String,
    /// What is offered.
    #[schema(example = "Blue, hardly used.")]
    text: String,
    /// When the offer was created.
    created_at: DateTime<Utc>,
}

/// What the document `user` answers.
#[derive(Deserialize)]
pub(crate) struct UserPage<'a> {
    pub(crate) id: i64,
    #[serde(borrow)]
    username: &'a RawValue,
    #[serde(borrow)]
    email: &'a RawValue,
    #[serde(borrow)]
    created_at: &'a RawValue,
    #[serde(borrow)]
    pub(crate) offers: PageJson<'a>,
}

impl<'a> From<UserPage<'a>> for UserWithOffers<'a> {
    fn from(page: UserPage<'a>) -> Self {
        let UserPage { id, username, email, created_at, offers } = page;
        Self { id, username, email, created_at, offers: offers.nodes }
    }
}

/// A pair of tokens.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes an answer")]
pub(crate) struct Session {
    /// The user who logged in.
    #[schema(example = 1)]
    user_id: i64,
    /// A JWT to send as `Authorization: Bearer …`.
    #[schema(example = "eyJhbGciOiJFUzI1NiIs…")]
    access_token: String,
    /// A JWT to trade for a new pair, once.
    #[schema(example = "eyJhbGciOiJFUzI1NiIs…")]
    refresh_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: String,
    /// For how many seconds the access token is good.
    #[schema(example = 600)]
    expires_in: i64,
}

/// Who registers.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) struct Registration {
    /// The name to log in with, without white space, unique regardless of case.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\u0000-\u001F\u007F-\u009F]+$",
        example = "alice"
    )]
    username: String,
    /// The password, at most 1024 bytes.
    #[schema(min_length = 1, max_length = 1024, example = "correct horse")]
    password: String,
    /// The email address, unique regardless of case.
    #[schema(max_length = 254, format = Email, example = "alice@example.org")]
    email: String,
}

/// Who registers, by `username` or by `login`.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) enum NewUser {
    #[schema(title = "By username")]
    Username(NewUserByUsername),
    #[schema(title = "By login")]
    Login(NewUserByLogin),
}

/// Who registers, by `username`.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) struct NewUserByUsername {
    /// The name to log in with, without white space, unique regardless of case.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\u0000-\u001F\u007F-\u009F]+$",
        example = "bob"
    )]
    username: String,
    /// The password, at most 1024 bytes.
    #[schema(min_length = 1, max_length = 1024, example = "correct horse")]
    password: String,
    /// The email address, unique regardless of case.
    #[schema(max_length = 254, format = Email, example = "bob@example.org")]
    email: Option<String>,
}

/// Who registers, by `login`.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) struct NewUserByLogin {
    /// The name to log in with, without white space, unique regardless of case.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\u0000-\u001F\u007F-\u009F]+$",
        example = "carol"
    )]
    login: String,
    /// Not both names.
    #[schema(schema_with = openapi::null)]
    username: Option<()>,
    /// The password, at most 1024 bytes.
    #[schema(min_length = 1, max_length = 1024, example = "correct horse")]
    password: String,
    /// The email address, unique regardless of case.
    #[schema(max_length = 254, format = Email, example = "carol@example.org")]
    email: Option<String>,
}

/// What to change of a user.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) struct UserChange {
    /// The name to log in with, without white space, unique regardless of case.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\u0000-\u001F\u007F-\u009F]+$",
        example = "alice",
        nullable = false
    )]
    username: Option<String>,
    /// The email address, unique regardless of case; null takes it away.
    #[schema(max_length = 254, format = Email, example = "alice@example.com")]
    email: Option<String>,
}

/// Who logs in.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) struct Login {
    /// The username, in any case.
    #[schema(example = "alice")]
    username: String,
    /// The password.
    #[schema(example = "correct horse")]
    password: String,
}

/// A refresh token.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) struct RefreshToken {
    /// The refresh token of the newest pair.
    #[schema(example = "eyJhbGciOiJFUzI1NiIs…")]
    refresh_token: String,
}

/// A new password.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes a body")]
pub(crate) struct PasswordChange {
    /// The password until now.
    #[schema(example = "correct horse")]
    old_password: String,
    /// The new password, at most 1024 bytes.
    #[schema(min_length = 1, max_length = 1024, example = "battery staple")]
    new_password: String,
}

/// Which page of users.
#[derive(IntoParams)]
#[allow(dead_code, reason = "describes parameters")]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// How many users, 100 if left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i32>,
    /// Only users after the one with this identifier.
    #[param(minimum = 0)]
    after: Option<i64>,
}

/// Which page of the user's offers.
#[derive(IntoParams)]
#[allow(dead_code, reason = "describes parameters")]
#[into_params(parameter_in = Query)]
pub(crate) struct OfferParams {
    /// How many offers, 1000 if left out.
    #[param(minimum = 1, maximum = 1000)]
    offers_limit: Option<i32>,
    /// Only offers after the one with this identifier.
    #[param(minimum = 0)]
    offers_after: Option<i64>,
}

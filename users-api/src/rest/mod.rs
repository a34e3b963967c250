//! The REST routes: each runs the document of its name and translates the answer.

mod dto;
mod sessions;
mod users;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use schema::{ErrorCode, Result, Security};
use server::{
    openapi::{self, BearerToken, Failures},
    problem,
    rest::Document,
};
use utoipa::{
    OpenApi,
    openapi::{OpenApi as OpenApiDocument, RefOr, Schema as OpenApiSchema},
};

use crate::{graphql::Schema, passwords};

/// The table of routes. Paths are without their trailing slash, which the server takes away.
///
/// # Errors
/// Says which document is no GraphQL.
pub(crate) fn router(schema: Schema) -> Result<Router, String> {
    let one = get(users::read).patch(users::update).delete(users::delete);
    Ok(Router::new()
        .route("/user/registry", post(users::register))
        .route("/user/auth", post(sessions::authenticate))
        .route("/user/refresh", post(sessions::refresh))
        .route("/user/logout", post(sessions::logout))
        .route("/user/password", post(sessions::password))
        .route("/user", get(users::list).post(users::create))
        .route("/user/{user}", one)
        .with_state(Arc::new(Rest::new(schema)?)))
}

/// The schema and the documents that run on it.
pub(crate) struct Rest {
    schema: Schema,
    register: Document,
    authenticate: Document,
    refresh: Document,
    logout: Document,
    password: Document,
    user: Document,
    find: Document,
    users: Document,
    update: Document,
    delete: Document,
}

impl Rest {
    fn new(schema: Schema) -> Result<Self, String> {
        Ok(Self {
            schema,
            register: Document::parse(include_str!("register.graphql"))?,
            authenticate: Document::parse(include_str!("authenticate.graphql"))?,
            refresh: Document::parse(include_str!("refresh.graphql"))?,
            logout: Document::parse(include_str!("logout.graphql"))?,
            password: Document::parse(include_str!("change_password.graphql"))?,
            user: Document::parse(include_str!("user.graphql"))?,
            find: Document::parse(include_str!("user_id_by_username.graphql"))?,
            users: Document::parse(include_str!("users.graphql"))?,
            update: Document::parse(include_str!("update_user.graphql"))?,
            delete: Document::parse(include_str!("delete_user.graphql"))?,
        })
    }
}

/// The description of the routes.
#[derive(OpenApi)]
#[openapi(
    paths(
        users::register,
        sessions::authenticate,
        users::read,
        sessions::refresh,
        sessions::logout,
        sessions::password,
        users::list,
        users::create,
        users::update,
        users::delete,
    ),
    tags(
        (name = "users", description = "Who registers, and what they offer."),
        (name = "session", description = "Logging in and out, by a pair of tokens."),
    ),
    info(
        title = "Users",
        description = "Who registers, logs in and offers.\n\nA user is named by id or by username: \
                       digits alone are an id."
    ),
    components(schemas(problem::Problem)),
    modifiers(&BearerToken, &FAILURES)
)]
pub(crate) struct Api;

/// How operations fail, besides what all share.
const FAILURES: Failures = Failures(&[
    ("registerUser", &[ErrorCode::UsernameTaken, ErrorCode::EmailTaken, ErrorCode::Busy]),
    ("createUser", &[ErrorCode::UsernameTaken, ErrorCode::EmailTaken, ErrorCode::Busy]),
    ("authenticate", &[ErrorCode::InvalidCredentials, ErrorCode::TooManyRequests, ErrorCode::Busy]),
    (
        "changePassword",
        &[ErrorCode::InvalidCredentials, ErrorCode::TooManyRequests, ErrorCode::Busy],
    ),
    ("readUser", &[ErrorCode::NotFound, ErrorCode::OffersUnavailable]),
    (
        "updateUser",
        &[
            ErrorCode::Forbidden,
            ErrorCode::NotFound,
            ErrorCode::UsernameTaken,
            ErrorCode::EmailTaken,
        ],
    ),
    ("deleteUser", &[ErrorCode::Forbidden, ErrorCode::NotFound]),
]);

/// The fields that take a new password.
const NEW_PASSWORDS: [(&str, &str); 4] = [
    ("Registration", "password"),
    ("NewUserByUsername", "password"),
    ("NewUserByLogin", "password"),
    ("PasswordChange", "new_password"),
];

/// The description of an instance with these access rules.
pub(crate) fn openapi(security: Security) -> OpenApiDocument {
    let mut document = openapi::of(Api::openapi(), security);
    let mut schemas = document.components.as_mut().map(|components| &mut components.schemas);
    for (name, field) in NEW_PASSWORDS.into_iter().filter(|_| security == Security::Strict) {
        let schema = schemas.as_deref_mut().and_then(|schemas| schemas.get_mut(name));
        if let Some(RefOr::T(OpenApiSchema::Object(object))) = schema
            && let Some(RefOr::T(OpenApiSchema::Object(field))) = object.properties.get_mut(field)
        {
            field.min_length = Some(passwords::MIN_CHARACTERS_STRICT);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn every_document_is_valid() {
        let schema = crate::graphql::schema_builder().limit_complexity(0).finish();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rest");
        assert_eq!(server::rest::check(&schema, folder).await, Ok(10));
    }
}

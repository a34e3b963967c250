//! The REST routes: each runs the document of its name and translates the answer.

mod session;
mod shapes;
mod users;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use schema::Result;
use service::{openapi::BearerToken, rest::Document};
use utoipa::OpenApi;

use crate::Schema;

/// The table of routes. Paths are without their trailing slash, which the server takes away.
///
/// # Errors
/// Says which document is no GraphQL.
pub(crate) fn router(schema: Schema) -> Result<Router, String> {
    let one = get(users::read).patch(users::update).delete(users::delete);
    Ok(Router::new()
        .route("/user/registry", post(users::register))
        .route("/user/auth", post(session::authenticate))
        .route("/user/refresh", post(session::refresh))
        .route("/user/logout", post(session::logout))
        .route("/user/password", post(session::password))
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
            register: Document::parse(include_str!("../rest/register.graphql"))?,
            authenticate: Document::parse(include_str!("../rest/authenticate.graphql"))?,
            refresh: Document::parse(include_str!("../rest/refresh.graphql"))?,
            logout: Document::parse(include_str!("../rest/logout.graphql"))?,
            password: Document::parse(include_str!("../rest/password.graphql"))?,
            user: Document::parse(include_str!("../rest/user.graphql"))?,
            find: Document::parse(include_str!("../rest/find.graphql"))?,
            users: Document::parse(include_str!("../rest/users.graphql"))?,
            update: Document::parse(include_str!("../rest/update.graphql"))?,
            delete: Document::parse(include_str!("../rest/delete.graphql"))?,
        })
    }
}

/// The description of the routes.
#[derive(OpenApi)]
#[openapi(
    paths(
        users::register,
        session::authenticate,
        users::read,
        session::refresh,
        session::logout,
        session::password,
        users::list,
        users::create,
        users::update,
        users::delete,
    ),
    info(
        title = "Users",
        description = "Who registers, logs in and offers.\n\nA user is named by id or by username: \
                       digits alone are an id."
    ),
    modifiers(&BearerToken)
)]
pub(crate) struct Api;

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn every_document_is_valid() {
        let schema = crate::types().limit_complexity(0).finish();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rest");
        assert_eq!(service::rest::check(&schema, folder).await, Ok(10));
    }
}

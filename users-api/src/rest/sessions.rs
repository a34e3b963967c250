//! The routes of sessions and passwords.

use async_graphql::value;
use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Result, Viewer};
use server::{
    problem::Problem,
    rest::{FieldJson, JsonBody},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, Type},
    },
};

use super::SharedState;
use crate::graphql::{
    accounts::{ChangePasswordInput, authorize_password_change},
    sessions::{AuthenticateInput, Session},
};

/// The body of the routes that take a refresh token.
pub(crate) struct RefreshRequest;

impl ToSchema for RefreshRequest {}

impl PartialSchema for RefreshRequest {
    fn schema() -> RefOr<Schema> {
        let token = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The newest refresh token of the session."))
            .examples(["eyJhbGciOiJFUzI1NiIs…"]);
        let body = ObjectBuilder::new().property("refresh_token", token).required("refresh_token");
        body.description(Some("A refresh token.")).into()
    }
}

/// Logs a user in.
#[utoipa::path(
    post, path = "/user/auth/", operation_id = "authenticate", tag = "session", request_body = AuthenticateInput,
    responses((status = 200, description = "A pair of tokens.", body = Session))
)]
pub(crate) async fn authenticate(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let variables = rest.authenticate.variables(body, value!({}))?;
    Ok(no_store(rest.authenticate.run(viewer, variables).await?))
}

/// Exchanges a refresh token for a new pair of tokens.
#[utoipa::path(
    post, path = "/user/refresh/", operation_id = "refresh", tag = "session", request_body = RefreshRequest,
    responses((status = 200, description = "A new pair of tokens.", body = Session))
)]
pub(crate) async fn refresh(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let variables = rest.refresh.variables(body, value!({}))?;
    Ok(no_store(rest.refresh.run(viewer, variables).await?))
}

/// Ends a session.
#[utoipa::path(
    post, path = "/user/logout/", operation_id = "logout", tag = "session", request_body = RefreshRequest,
    responses((status = 204, description = "The session has ended, now or before."))
)]
pub(crate) async fn logout(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    body: JsonBody,
) -> Result<StatusCode, Problem> {
    let variables = rest.logout.variables(body, value!({}))?;
    rest.logout.run(viewer, variables).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password and ends every session of the user.
#[utoipa::path(
    post, path = "/user/password/", operation_id = "changePassword", tag = "session", request_body = ChangePasswordInput,
    security(("bearer" = [])),
    responses((status = 204, description = "The password is changed, every refresh token revoked."))
)]
pub(crate) async fn change_password(
    State(rest): SharedState,
    Extension(viewer): Extension<Viewer>,
    body: JsonBody,
) -> Result<StatusCode, Problem> {
    // A request without a token is a 401, however malformed its body is.
    authorize_password_change(viewer)?;
    let validate = |input: ChangePasswordInput| input.validate(rest.security);
    let variables = rest.change_password.validated_variables(body, value!({}), validate)?;
    rest.change_password.run(viewer, variables).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns a response that holds secrets: no cache may store it.
fn no_store(session: FieldJson) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], session).into_response()
}

use std::sync::Arc;

use async_graphql::{Value, value};
use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Result, Viewer};
use service::{problem::Problem, rest::Body};

use super::{
    Rest,
    shapes::{Login, PasswordChange, RefreshToken, Session},
};
use crate::password;

type Shared = State<Arc<Rest>>;

/// Logs a user in.
#[utoipa::path(
    post, path = "/user/auth/", tag = "session", request_body = Login,
    responses(
        (status = 200, description = "A pair of tokens.", body = Session),
        (status = 400, description = "No JSON object.", body = Problem),
        (status = 401, description = "The username or the password is wrong.", body = Problem),
        (status = 413, description = "The body is larger than 256 KiB.", body = Problem),
        (status = 415, description = "The body is no JSON.", body = Problem),
        (status = 422, description = "A field is missing or no string.", body = Problem),
        (status = 429, description = "Too many failed logins: wait for `Retry-After`.", body = Problem),
        (status = 503, description = "Too many logins at once: wait for `Retry-After`.", body = Problem),
    )
)]
pub(crate) async fn authenticate(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut body: Body,
) -> Result<Response, Problem> {
    let input = value!({
        "username": body.text("username", None),
        "password": body.text("password", None),
    });
    body.finish()?;
    let session = rest.authenticate.run(&rest.schema, viewer, [("input", input)]).await?;
    Ok(secret(session))
}

/// Trades a refresh token for a new pair.
#[utoipa::path(
    post, path = "/user/refresh/", tag = "session", request_body = RefreshToken,
    responses(
        (status = 200, description = "A new pair of tokens.", body = Session),
        (status = 400, description = "No JSON object.", body = Problem),
        (status = 401, description = "The token is not valid, or was used before.", body = Problem),
        (status = 413, description = "The body is larger than 256 KiB.", body = Problem),
        (status = 415, description = "The body is no JSON.", body = Problem),
        (status = 422, description = "The token is missing or no string.", body = Problem),
    )
)]
pub(crate) async fn refresh(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut body: Body,
) -> Result<Response, Problem> {
    let token = body.text("refresh_token", None);
    body.finish()?;
    let variables = [("refreshToken", Value::from(token))];
    Ok(secret(rest.refresh.run(&rest.schema, viewer, variables).await?))
}

/// Ends a session.
#[utoipa::path(
    post, path = "/user/logout/", tag = "session", request_body = RefreshToken,
    responses(
        (status = 204, description = "The session has ended, now or before."),
        (status = 400, description = "No JSON object.", body = Problem),
        (status = 401, description = "A bad access token was sent along.", body = Problem),
        (status = 413, description = "The body is larger than 256 KiB.", body = Problem),
        (status = 415, description = "The body is no JSON.", body = Problem),
        (status = 422, description = "The token is missing or no string.", body = Problem),
    )
)]
pub(crate) async fn logout(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut body: Body,
) -> Result<StatusCode, Problem> {
    let token = body.text("refresh_token", None);
    body.finish()?;
    let variables = [("refreshToken", Value::from(token))];
    let _: bool = rest.logout.run(&rest.schema, viewer, variables).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password and ends every session of the user.
#[utoipa::path(
    post, path = "/user/password/", tag = "session", request_body = PasswordChange,
    security(("bearer" = [])),
    responses(
        (status = 204, description = "The password is changed, every refresh token revoked."),
        (status = 400, description = "No JSON object.", body = Problem),
        (status = 401, description = "No access token, a bad one, or the old password is wrong.", body = Problem),
        (status = 413, description = "The body is larger than 256 KiB.", body = Problem),
        (status = 415, description = "The body is no JSON.", body = Problem),
        (status = 422, description = "A bad field.", body = Problem),
        (status = 429, description = "Too many failed attempts: wait for `Retry-After`.", body = Problem),
        (status = 503, description = "Too many passwords at once: wait for `Retry-After`.", body = Problem),
    )
)]
pub(crate) async fn password(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut body: Body,
) -> Result<StatusCode, Problem> {
    viewer.signed_in()?;
    let input = value!({
        "oldPassword": body.text("old_password", None),
        "newPassword": body.text("new_password", Some(password::rule)),
    });
    body.finish()?;
    let _: bool = rest.password.run(&rest.schema, viewer, [("input", input)]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn secret(session: Session) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(session)).into_response()
}

use std::sync::Arc;

use async_graphql::{Value, value};
use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Result, Viewer};
use server::{
    problem::Problem,
    rest::{Answer, Body},
};

use super::{
    Rest,
    dto::{Login, PasswordChange, RefreshToken, Session},
};
use crate::passwords;

type Shared = State<Arc<Rest>>;

/// Logs a user in.
#[utoipa::path(
    post, path = "/user/auth/", operation_id = "authenticate", tag = "session", request_body = Login,
    responses(
        (status = 200, description = "A pair of tokens.", body = Session),
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
    let answer = rest.authenticate.run(&rest.schema, viewer, [("input", input)]).await?;
    Ok(secret(answer))
}

/// Trades a refresh token for a new pair.
#[utoipa::path(
    post, path = "/user/refresh/", operation_id = "refresh", tag = "session", request_body = RefreshToken,
    responses(
        (status = 200, description = "A new pair of tokens.", body = Session),
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
    post, path = "/user/logout/", operation_id = "logout", tag = "session", request_body = RefreshToken,
    responses(
        (status = 204, description = "The session has ended, now or before."),
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
    rest.logout.run(&rest.schema, viewer, variables).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password and ends every session of the user.
#[utoipa::path(
    post, path = "/user/password/", operation_id = "changePassword", tag = "session", request_body = PasswordChange,
    security(("bearer" = [])),
    responses(
        (status = 204, description = "The password is changed, every refresh token revoked."),
    )
)]
pub(crate) async fn password(
    State(rest): Shared,
    Extension(viewer): Extension<Viewer>,
    mut body: Body,
) -> Result<StatusCode, Problem> {
    viewer.require_authenticated()?;
    let input = value!({
        "oldPassword": body.text("old_password", None),
        "newPassword": body.text("new_password", Some(passwords::validate)),
    });
    body.finish()?;
    rest.password.run(&rest.schema, viewer, [("input", input)]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn secret(session: Answer) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], session).into_response()
}

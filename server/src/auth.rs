//! Authentication by the access token in `Authorization` (RFC 6750, section 2.1), checked once
//! before any REST route. The result is a [`Viewer`] in the extensions of the request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use schema::{Error, ErrorCode, Result, Viewer};

use crate::{
    problem::Problem,
    security_log::{Action, SecurityEvent},
};

/// Verifies access tokens.
pub trait Authenticate: Send + Sync + 'static {
    /// Returns the user that the token was issued to.
    ///
    /// # Errors
    /// `INVALID_TOKEN` if the token is invalid; codes of status 503 if it cannot be verified now.
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>>;
}

/// The shared [`Authenticate`] of a service.
pub type Authenticator = Arc<dyn Authenticate>;

/// Returns the token in `Authorization`; `None` without such a header.
///
/// # Errors
/// `INVALID_TOKEN` if the header holds no bearer token.
pub fn bearer_token(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let malformed = || {
        let detail = "Expected `Authorization: Bearer <access token>`.";
        Error::new(ErrorCode::InvalidToken, detail)
    };
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(malformed());
    }
    Ok(Some(token.trim()))
}

/// The use of an access token in the security log.
const USE_TOKEN: Action = Action { name: "use_token", failure: "authz_fail" };

/// Returns the user of an access token. A refused token is logged.
///
/// # Errors
/// As [`Authenticate::authenticate`].
pub(crate) async fn authenticate(authenticator: &Authenticator, token: &str) -> Result<Viewer> {
    let viewer = authenticator.authenticate(token).await;
    viewer.inspect_err(|error| SecurityEvent::new(USE_TOKEN).log_refusal(error))
}

/// Adds the [`Viewer`] to the request, or responds with the error of [`Authenticate`].
pub(crate) async fn require_valid_token(
    State(authenticator): State<Authenticator>,
    request: Request,
    next: Next,
) -> Response {
    match identify_viewer(&authenticator, request.headers()).await {
        Ok(viewer) => run_as(viewer, request, next).await,
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Adds the [`Viewer`] to the request, which is anonymous if its token is invalid: for routes whose
/// clients prove their identity in another way, and may still send a token that they want to replace.
pub(crate) async fn ignore_invalid_token(
    State(authenticator): State<Authenticator>,
    request: Request,
    next: Next,
) -> Response {
    let viewer = identify_viewer(&authenticator, request.headers()).await;
    run_as(viewer.unwrap_or_default(), request, next).await
}

async fn identify_viewer(authenticator: &Authenticator, headers: &HeaderMap) -> Result<Viewer> {
    match bearer_token(headers)? {
        None => Ok(Viewer::Anonymous),
        Some(token) => authenticate(authenticator, token).await,
    }
}

async fn run_as(viewer: Viewer, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(viewer);
    next.run(request).await
}

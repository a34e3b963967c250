//! Authentication by the access token in `Authorization` (RFC 6750, section 2.1), checked once
//! before any route. The result is a [`Viewer`] in the extensions of the request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use schema::{Error, ErrorCode, Result, Viewer};

use crate::problem::Problem;

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

/// Adds the [`Viewer`] to the request, or responds with the error of [`Authenticate`].
pub async fn middleware(
    State(authenticator): State<Authenticator>,
    mut request: Request,
    next: Next,
) -> Response {
    let viewer = match bearer_token(request.headers()) {
        Ok(None) => Ok(Viewer::Anonymous),
        Ok(Some(token)) => authenticator.authenticate(token).await,
        Err(error) => Err(error),
    };
    match viewer {
        Ok(viewer) => {
            request.extensions_mut().insert(viewer);
            next.run(request).await
        }
        Err(error) => Problem::from(error).into_response(),
    }
}

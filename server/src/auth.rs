//! Who sends a request: the access token in `Authorization` (RFC 6750, section 2.1), checked once,
//! before any route. What comes out of it is a [`Viewer`] in the request's extensions.

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

/// Tells who sends an access token.
pub trait Authenticate: Send + Sync + 'static {
    /// The user that the token was issued to.
    ///
    /// # Errors
    /// `INVALID_TOKEN` where the token is not good; 503 codes where that cannot be told.
    fn viewer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>>;
}

/// The way a service tells who sends an access token.
pub type Authenticator = Arc<dyn Authenticate>;

/// The token in `Authorization`; nothing where there is no such header.
///
/// # Errors
/// `INVALID_TOKEN` where the header is there and holds no bearer token.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let malformed = || {
        Error::new(
            ErrorCode::InvalidToken,
            "Authorization must be: Bearer, a space, an access token.",
        )
    };
    let (scheme, token) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(malformed());
    }
    Ok(Some(token.trim()))
}

/// Puts the [`Viewer`] into the request, or answers 401.
pub async fn layer(
    State(authenticator): State<Authenticator>,
    mut request: Request,
    next: Next,
) -> Response {
    let viewer = match bearer(request.headers()) {
        Ok(None) => Ok(Viewer::Anonymous),
        Ok(Some(token)) => authenticator.viewer(token).await,
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

//! The seams as an application fills them: tokens for viewers, statuses for errors.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, ErrorExtensionValues, ServerError};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use graphql_http::{ClientAuthenticator, ErrorPolicy};

/// An error of the application.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: &'static str,
    message: &'static str,
    status: StatusCode,
    header: Option<(header::HeaderName, &'static str)>,
}

// Without `Display`, for which the library has a conversion that drops the code.
impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", failure.code);
        Self {
            message: failure.message.to_owned(),
            source: Some(Arc::new(failure)),
            extensions: Some(extensions),
        }
    }
}

pub(crate) fn forbidden() -> async_graphql::Error {
    let status = StatusCode::FORBIDDEN;
    Failure { code: "FORBIDDEN", message: "Not yours.", status, header: None }.into()
}

fn invalid_token() -> Failure {
    Failure {
        code: "INVALID_TOKEN",
        message: "The token is not good.",
        status: StatusCode::UNAUTHORIZED,
        header: Some((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")),
    }
}

fn busy() -> Failure {
    Failure {
        code: "BUSY",
        message: "Busy.",
        status: StatusCode::SERVICE_UNAVAILABLE,
        header: Some((header::RETRY_AFTER, "3")),
    }
}

/// Gives each [`Failure`] its status and header.
pub(crate) struct FailureStatus;

impl ErrorPolicy for FailureStatus {
    fn status_and_headers(&self, error: &ServerError) -> Option<(StatusCode, HeaderMap)> {
        let failure = error.source::<Failure>()?;
        let headers = failure.header.iter().cloned();
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        Some((failure.status, headers.collect()))
    }
}

/// The id in the token of a client; `None` without a token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Viewer {
    id: Option<i64>,
    lifetime: Option<Duration>,
}

impl Viewer {
    pub(crate) fn id(ctx: &Context<'_>) -> Option<i64> {
        ctx.data_unchecked::<Self>().id
    }
}

/// Knows the tokens `good`, `short` and `busy`.
pub(crate) struct Tokens;

impl ClientAuthenticator for Tokens {
    type Credentials = String;
    type Viewer = Viewer;
    type Error = Failure;

    fn credentials_from_headers(&self, headers: &HeaderMap) -> Result<Option<String>, Failure> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
        match value.to_str().ok().and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() => {
                Ok(Some(token.to_owned()))
            }
            _ => Err(invalid_token()),
        }
    }

    async fn verify_credentials(&self, token: Option<String>) -> Result<Viewer, Failure> {
        let user = |lifetime| Ok(Viewer { id: Some(7), lifetime: Some(lifetime) });
        match token.as_deref() {
            None => Ok(Viewer { id: None, lifetime: None }),
            Some("good") => user(Duration::from_hours(1)),
            Some("short") => user(Duration::from_millis(200)),
            Some("busy") => Err(busy()),
            Some(_) => Err(invalid_token()),
        }
    }

    fn lifetime(&self, viewer: &Viewer) -> Option<Duration> {
        viewer.lifetime
    }
}

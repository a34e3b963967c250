//! Failures as `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Error, ErrorCode};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A failure, as RFC 9457 has it, with a code and the bad fields.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; `about:blank` means that `title` says it all.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// This occurrence, for a person to read.
    #[schema(example = "username must not be empty.")]
    detail: String,
    /// The kind of failure, for a program to read.
    #[schema(schema_with = crate::openapi::codes)]
    code: &'static str,
    /// Each bad field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BadField>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, ToSchema)]
pub struct BadField {
    /// Where the field is, as a JSON pointer (RFC 6901).
    #[schema(example = "/username")]
    pointer: String,
    /// What it must be.
    #[schema(example = "must not be empty")]
    detail: String,
}

/// The HTTP status of a code.
#[must_use]
pub fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::BadRequest
        | ErrorCode::GraphqlParseFailed
        | ErrorCode::GraphqlValidationFailed
        | ErrorCode::QueryTooComplex => StatusCode::BAD_REQUEST,
        // Apollo's clients look for the code in an answer of status 200.
        ErrorCode::PersistedQueryNotFound => StatusCode::OK,
        ErrorCode::InvalidInput | ErrorCode::UserNotFound | ErrorCode::IdempotencyKeyReused => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorCode::Unauthenticated | ErrorCode::InvalidToken | ErrorCode::InvalidCredentials => {
            StatusCode::UNAUTHORIZED
        }
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::UsernameTaken | ErrorCode::EmailTaken => StatusCode::CONFLICT,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        // It is told in a subscription alone, where there is no status.
        ErrorCode::EventsLost
        | ErrorCode::OffersUnavailable
        | ErrorCode::KeysUnavailable
        | ErrorCode::Busy
        | ErrorCode::DatabaseUnavailable
        | ErrorCode::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code and the sentence for a status that a layer answered by itself.
fn of_status(status: StatusCode) -> Error {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (ErrorCode::NotFound, "There is nothing at this address."),
        StatusCode::METHOD_NOT_ALLOWED => {
            (ErrorCode::MethodNotAllowed, "This address does not answer this method: see Allow.")
        }
        StatusCode::NOT_ACCEPTABLE => {
            (ErrorCode::NotAcceptable, "No accepted media type can be served.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            (ErrorCode::PayloadTooLarge, "The body is larger than 256 KiB.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (ErrorCode::UnsupportedMediaType, "The body must be application/json.")
        }
        StatusCode::SERVICE_UNAVAILABLE => (ErrorCode::Timeout, "The request took too long."),
        status if status.is_server_error() => {
            (ErrorCode::Internal, "Something went wrong on our side.")
        }
        _ => (ErrorCode::BadRequest, "The request is not well formed."),
    };
    Error::new(code, detail)
}

impl Problem {
    fn new(status: StatusCode, error: Error) -> Self {
        let errors = error.field_errors.into_iter();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: error.detail.into_owned(),
            code: error.code.as_str(),
            errors: errors
                .map(|field| BadField { pointer: field.pointer, detail: field.detail.into_owned() })
                .collect(),
            retry_after: error.retry_after,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::new(status(error.code), error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A struct of text and numbers cannot fail to be written.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3: the error is named only where a token was sent.
            let challenge = if self.code == ErrorCode::InvalidToken.as_str() {
                HeaderValue::from_static("Bearer error=\"invalid_token\"")
            } else {
                HeaderValue::from_static("Bearer")
            };
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Makes a problem of every failure that a layer or the router answered with plain text or
/// nothing, and keeps its headers, such as `Allow`.
pub(crate) fn shape(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || has_json(&response) {
        return response;
    }
    let (parts, _) = response.into_parts();
    let mut problem = Problem::new(status, of_status(status)).into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            problem.headers_mut().insert(name, value.clone());
        }
    }
    problem
}

fn has_json(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().windows(4).any(|part| part == b"json"))
}

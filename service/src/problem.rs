//! Failures as `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Code, Error};
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
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::BadRequest
        | Code::GraphqlParseFailed
        | Code::GraphqlValidationFailed
        | Code::QueryTooComplex => StatusCode::BAD_REQUEST,
        // Apollo's clients look for the code in an answer of status 200.
        Code::PersistedQueryNotFound => StatusCode::OK,
        Code::InvalidInput | Code::UserNotFound | Code::IdempotencyKeyReused => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::Unauthenticated | Code::InvalidToken | Code::InvalidCredentials => {
            StatusCode::UNAUTHORIZED
        }
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        Code::UsernameTaken | Code::EmailTaken => StatusCode::CONFLICT,
        Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        // It is told in a subscription alone, where there is no status.
        Code::EventsLost
        | Code::OffersUnavailable
        | Code::KeysUnavailable
        | Code::Busy
        | Code::DatabaseUnavailable
        | Code::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The code and the sentence for a status that a layer answered by itself.
fn of_status(status: StatusCode) -> Error {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (Code::NotFound, "There is nothing at this address."),
        StatusCode::METHOD_NOT_ALLOWED => {
            (Code::MethodNotAllowed, "This address does not answer this method: see Allow.")
        }
        StatusCode::NOT_ACCEPTABLE => {
            (Code::NotAcceptable, "No accepted media type can be served.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            (Code::PayloadTooLarge, "The body is larger than 256 KiB.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (Code::UnsupportedMediaType, "The body must be application/json.")
        }
        StatusCode::SERVICE_UNAVAILABLE => (Code::Timeout, "The request took too long."),
        status if status.is_server_error() => (Code::Internal, "Something went wrong on our side."),
        _ => (Code::BadRequest, "The request is not well formed."),
    };
    Error::new(code, detail)
}

impl Problem {
    fn new(status: StatusCode, error: Error) -> Self {
        let errors = error.fields.into_iter();
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
            let challenge = if self.code == Code::InvalidToken.as_str() {
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

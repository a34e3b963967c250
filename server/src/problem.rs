//! Failures as `application/problem+json` (RFC 9457).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schema::{Error, ErrorCode};
use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, Type},
    },
};

use crate::media_type::is_json;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem (RFC 9457) with the members `code` and `errors`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The type of the problem; `about:blank` means that it has no more semantics than `status`.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The name of the HTTP status.
    #[schema(example = "Unprocessable Entity")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// A human-readable explanation of this occurrence.
    #[schema(example = "name must not be empty.")]
    detail: String,
    /// The machine-readable kind of the failure.
    #[schema(schema_with = error_code_schema)]
    code: &'static str,
    /// The invalid fields of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<InvalidField>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// An invalid field of a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvalidField {
    /// The JSON pointer to the field (RFC 6901).
    #[schema(example = "/name")]
    pointer: String,
    /// The requirement that the field breaks.
    #[schema(example = "must not be empty")]
    detail: String,
}

/// The codes of a [`Problem`], each with its description.
fn error_code_schema() -> RefOr<Schema> {
    let lines: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.description()))
        .collect();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!(
            "The machine-readable kind of the failure.\n\n{}",
            lines.join("\n")
        )))
        .enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str())))
        .examples(["INVALID_INPUT"])
        .into()
}

/// Returns the HTTP status of a code.
#[must_use]
pub fn http_status(code: ErrorCode) -> StatusCode {
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
        ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorCode::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::UsernameTaken | ErrorCode::EmailTaken => StatusCode::CONFLICT,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        // Only subscriptions end with it, which have no status.
        ErrorCode::EventsLost
        | ErrorCode::OffersUnavailable
        | ErrorCode::KeysUnavailable
        | ErrorCode::Busy
        | ErrorCode::DatabaseUnavailable
        | ErrorCode::Timeout => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns the HTTP status of an error.
fn error_status(error: &Error) -> StatusCode {
    match error.code {
        // No field is bad: the request is the same, and its offer was deleted.
        ErrorCode::IdempotencyKeyReused if error.field_errors.is_empty() => StatusCode::CONFLICT,
        code => http_status(code),
    }
}

/// Returns the error for a status that a layer or an extractor answered by itself.
pub(crate) fn error_for_status(status: StatusCode) -> Error {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (ErrorCode::NotFound, "There is no route at this address."),
        StatusCode::METHOD_NOT_ALLOWED => {
            (ErrorCode::MethodNotAllowed, "This route does not support the method: see Allow.")
        }
        StatusCode::NOT_ACCEPTABLE => {
            (ErrorCode::NotAcceptable, "None of the accepted media types is available.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            (ErrorCode::PayloadTooLarge, "The body is larger than 256 KiB.")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            ErrorCode::UnsupportedMediaType,
            "The body must be application/json in UTF-8, without a Content-Encoding.",
        ),
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            (ErrorCode::BadRequest, "The head of the request is larger than 64 KiB.")
        }
        StatusCode::SERVICE_UNAVAILABLE => (ErrorCode::Timeout, "The request took too long."),
        status if status.is_server_error() => (ErrorCode::Internal, "Internal server error."),
        _ => (ErrorCode::BadRequest, "The request is malformed."),
    };
    Error::new(code, detail)
}

/// Returns the error for a body that there is no room for at the moment.
pub(crate) fn busy() -> Error {
    let detail = "Too many answers and requests at once: try again.";
    Error::new(ErrorCode::Busy, detail).retry_after(1)
}

impl Problem {
    /// Creates the problem of a status that a layer, an extractor or hyper answered by itself.
    pub(crate) fn for_status(status: StatusCode) -> Self {
        Self::new(status, error_for_status(status))
    }

    /// Serializes the body.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Serializing text and numbers cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn new(status: StatusCode, error: Error) -> Self {
        let errors = error.field_errors.into_iter();
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: error.detail.into_owned(),
            code: error.code.as_str(),
            errors: errors
                .map(|field| InvalidField {
                    pointer: field.pointer,
                    detail: field.detail.into_owned(),
                })
                .collect(),
            retry_after: error.retry_after,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::new(error_status(&error), error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_json();
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            // The error is named only if a token was sent (RFC 6750, section 3).
            let challenge = if self.code == ErrorCode::InvalidToken.as_str() {
                "Bearer error=\"invalid_token\""
            } else {
                "Bearer"
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// Replaces a failure that a layer or the router answered with plain text or nothing by a problem.
/// Keeps its headers, such as `Allow`.
pub(crate) fn normalize_error_response(response: Response) -> Response {
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    if !failed || is_json(response.headers()) == Some(true) {
        return response;
    }
    let (parts, _) = response.into_parts();
    let mut problem = Problem::for_status(status).into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            problem.headers_mut().insert(name, value.clone());
        }
    }
    problem
}

//! The codes of errors, and the seam that maps an application's errors to HTTP.

use std::{borrow::Cow, fmt::Display};

use async_graphql::{ErrorExtensionValues, Pos, ServerError, Value};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use direct_json::AnswerTooLarge;

use crate::{byte_budget::Busy, compat::messages};

/// The most errors in the response to a request that was not executed.
pub(crate) const MAX_ERRORS: usize = 100;
/// The most characters of a message that repeats input of the client.
const MAX_MESSAGE_CHARS: usize = 1_000;

macro_rules! endpoint_error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:ident;)+) => {
        /// The codes that the endpoint itself puts into `extensions.code` of an error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EndpointErrorCode { $($(#[doc = $doc])+ $name,)+ }

        impl EndpointErrorCode {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns the code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Returns the HTTP status of a request that fails with this code.
            #[must_use]
            pub const fn http_status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }
        }
    };
}

endpoint_error_codes! {
    /// The request or its parameters are malformed.
    BadRequest = "BAD_REQUEST", BAD_REQUEST;
    /// The method is not `GET`, `HEAD` or `POST`, or a `GET` holds a mutation.
    MethodNotAllowed = "METHOD_NOT_ALLOWED", METHOD_NOT_ALLOWED;
    /// The client accepts neither media type.
    NotAcceptable = "NOT_ACCEPTABLE", NOT_ACCEPTABLE;
    /// The body is larger than the limit.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", PAYLOAD_TOO_LARGE;
    /// The body is not JSON in UTF-8.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE;
    /// The document is not GraphQL.
    GraphqlParseFailed = "GRAPHQL_PARSE_FAILED", BAD_REQUEST;
    /// The document or its variables do not fit the schema.
    GraphqlValidationFailed = "GRAPHQL_VALIDATION_FAILED", BAD_REQUEST;
    /// The document exceeds a limit.
    QueryTooComplex = "QUERY_TOO_COMPLEX", BAD_REQUEST;
    /// No document is known by this hash.
    PersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND", BAD_REQUEST;
    /// A WebSocket runs too many operations.
    TooManyRequests = "TOO_MANY_REQUESTS", TOO_MANY_REQUESTS;
    /// The server holds too many bodies at the moment.
    Busy = "BUSY", SERVICE_UNAVAILABLE;
    /// An operation of a WebSocket took too long.
    Timeout = "TIMEOUT", SERVICE_UNAVAILABLE;
    /// An argument of a field is invalid.
    InvalidInput = "INVALID_INPUT", UNPROCESSABLE_ENTITY;
    /// An entity of a federated graph does not exist.
    NotFound = "NOT_FOUND", NOT_FOUND;
    /// An error whose cause clients do not learn.
    Internal = "INTERNAL", INTERNAL_SERVER_ERROR;
}

impl EndpointErrorCode {
    /// Returns whether the request was well-formed and its document was at fault: such a response
    /// has status 200 if its media type is `application/json`, since clients that know only this one
    /// take every other status for a failure of the network.
    const fn is_document_error(self) -> bool {
        matches!(
            self,
            Self::GraphqlParseFailed
                | Self::GraphqlValidationFailed
                | Self::QueryTooComplex
                | Self::PersistedQueryNotFound
        )
    }
}

/// Maps the errors of an application to HTTP, and masks internal ones.
///
/// An error has a code if its extensions hold the string `code`. `()` knows no error of an
/// application, and logs internal ones with `tracing`.
pub trait ErrorPolicy: Send + Sync + 'static {
    /// Returns the status and further headers, such as `Retry-After`, of a request that this error
    /// ended before execution; `None` if the error is not the application's. The status is then that
    /// of the endpoint's own code, or 401 if the error has a code and comes from an authenticator.
    fn status_and_headers(&self, error: &ServerError) -> Option<(StatusCode, HeaderMap)> {
        let _ = error;
        None
    }

    /// Logs the cause of an error without a code, and returns the message that replaces it.
    fn mask(&self, cause: &dyn Display) -> Cow<'static, str> {
        tracing::error!(%cause, "internal error");
        "Something went wrong on our side.".into()
    }
}

impl ErrorPolicy for () {}

/// A failure before execution (GraphQL specification, section 7.1.2, "Request errors").
#[derive(Debug)]
pub(crate) struct RequestError {
    /// The HTTP status for `application/graphql-response+json`.
    pub(crate) status: StatusCode,
    /// The HTTP status for `application/json`.
    pub(crate) json_status: StatusCode,
    /// Headers that belong to the status.
    pub(crate) headers: Box<HeaderMap>,
    /// At least one.
    pub(crate) errors: Vec<ServerError>,
}

impl RequestError {
    /// Creates a rejection by the endpoint itself.
    pub(crate) fn new(code: EndpointErrorCode, message: impl Into<String>) -> Self {
        Self::from_errors(code, vec![ServerError::new(message, None)])
    }

    /// Creates the rejection of a document that breaks a rule of validation.
    pub(crate) fn invalid(message: String, pos: Pos) -> Self {
        let error = ServerError::new(message, Some(pos));
        Self::from_errors(EndpointErrorCode::GraphqlValidationFailed, vec![error])
    }

    /// Creates the rejection of a document that exceeds a limit.
    pub(crate) fn too_complex(message: &'static str) -> Self {
        Self::new(EndpointErrorCode::QueryTooComplex, message)
    }

    /// Creates a failure from several errors; those without a code get this one.
    pub(crate) fn from_errors(code: EndpointErrorCode, mut errors: Vec<ServerError>) -> Self {
        errors.truncate(MAX_ERRORS);
        for error in errors.iter_mut().filter(|error| !has_code(error)) {
            truncate(&mut error.message);
            set_code(error, code);
        }
        let status = code.http_status();
        let json_status = if code.is_document_error() { StatusCode::OK } else { status };
        let mut headers = Box::<HeaderMap>::default();
        match code {
            EndpointErrorCode::MethodNotAllowed => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            EndpointErrorCode::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => (),
        }
        Self { status, json_status, headers, errors }
    }

    /// Creates a failure from an error of an authenticator.
    pub(crate) fn from_authenticator(
        error: impl Into<async_graphql::Error>,
        policy: &dyn ErrorPolicy,
    ) -> Self {
        let mut error = error.into().into_server_error(Pos::default());
        error.locations.clear();
        let status = if has_code(&error) {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        assign_code(&mut error, policy);
        let failure = Self::from_errors(EndpointErrorCode::Internal, vec![error]);
        Self { status, json_status: status, ..failure }.with_policy(policy)
    }

    /// Creates a failure that clients learn nothing of.
    pub(crate) fn internal(cause: &dyn Display, policy: &dyn ErrorPolicy) -> Self {
        Self::new(EndpointErrorCode::Internal, policy.mask(cause))
    }

    /// Returns the failure with the status and headers of its first error that is the application's.
    pub(crate) fn with_policy(mut self, policy: &dyn ErrorPolicy) -> Self {
        if let Some((status, headers)) =
            self.errors.iter().find_map(|error| policy.status_and_headers(error))
        {
            self.headers.extend(headers);
            (self.status, self.json_status) = (status, status);
        }
        self
    }

    /// Returns whether the credentials were at fault, rather than the server unable to verify them.
    pub(crate) fn rejects_credentials(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }
}

impl From<Busy> for RequestError {
    fn from(_: Busy) -> Self {
        Self::new(EndpointErrorCode::Busy, "Too many answers and requests at once: try again.")
    }
}

impl From<AnswerTooLarge> for RequestError {
    fn from(error: AnswerTooLarge) -> Self {
        Self::new(EndpointErrorCode::QueryTooComplex, error.to_string())
    }
}

/// Gives the error of a field a code. One without is either invalid input, or internal: then its
/// message is replaced.
pub(crate) fn assign_code(error: &mut ServerError, policy: &dyn ErrorPolicy) {
    if has_code(error) {
        return;
    }
    if error.source::<AnswerTooLarge>().is_some() {
        set_code(error, EndpointErrorCode::QueryTooComplex);
    } else if messages::is_missing_entity(&error.message) {
        set_code(error, EndpointErrorCode::NotFound);
    } else if messages::is_invalid_input(&error.message) {
        truncate(&mut error.message);
        set_code(error, EndpointErrorCode::InvalidInput);
    } else {
        error.message = policy.mask(&error.message).into_owned();
        error.extensions = None;
        set_code(error, EndpointErrorCode::Internal);
    }
}

fn has_code(error: &ServerError) -> bool {
    error.extensions.as_ref().is_some_and(|all| matches!(all.get("code"), Some(Value::String(_))))
}

fn set_code(error: &mut ServerError, code: EndpointErrorCode) {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    extensions.set("code", code.as_str());
}

fn truncate(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS) {
        message.truncate(end);
        message.push('…');
    }
}

//! One error for every resolver, and the list of codes that GraphQL and REST share.
//!
//! Constructors: [`FieldErrors`](crate::FieldErrors) for input that breaks a rule of its field,
//! [`Error::new`] for a rule of the service, [`Error::internal`] for a fault of the service, which is
//! logged and hidden from the client.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{Enum, ErrorExtensionValues, Value, value};
use sea_orm::DbErr;

use crate::db_availability::{self, FailureKind};

/// The result of a resolver or a rule.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Every code that an error can carry: `extensions.code` in GraphQL, `code` in a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
        #[graphql(name = "ErrorCode")]
        pub enum ErrorCode { $($(#[doc = $doc])+ $name,)+ }

        impl ErrorCode {
            /// All codes, in the order of this list.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns the code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Returns the meaning of the code in one sentence.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

error_codes! {
    /// The request is malformed.
    BadRequest = "BAD_REQUEST",
    /// A field is missing or breaks its rule.
    InvalidInput = "INVALID_INPUT",
    /// The user of the offer does not exist.
    UserNotFound = "USER_NOT_FOUND",
    /// An access token is required.
    Unauthenticated = "UNAUTHENTICATED",
    /// The token is malformed, expired, revoked or not meant for this use.
    InvalidToken = "INVALID_TOKEN",
    /// The username or the password is wrong.
    InvalidCredentials = "INVALID_CREDENTIALS",
    /// The access token belongs to another user.
    Forbidden = "FORBIDDEN",
    /// The route or object does not exist.
    NotFound = "NOT_FOUND",
    /// The route does not support this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED",
    /// The object is not in the state that `If-Match` or `If-None-Match` requires: read it again.
    PreconditionFailed = "PRECONDITION_FAILED",
    /// None of the media types that the client accepts can be served.
    NotAcceptable = "NOT_ACCEPTABLE",
    /// The request took too long.
    Timeout = "TIMEOUT",
    /// Another user has this username.
    UsernameTaken = "USERNAME_TAKEN",
    /// Another user has this email.
    EmailTaken = "EMAIL_TAKEN",
    /// The body is larger than 256 KiB.
    PayloadTooLarge = "PAYLOAD_TOO_LARGE",
    /// The request body is not JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
    /// Too many attempts: retry after the seconds in `Retry-After`.
    TooManyRequests = "TOO_MANY_REQUESTS",
    /// The document is not GraphQL.
    GraphqlParseFailed = "GRAPHQL_PARSE_FAILED",
    /// The document or its variables do not match the schema.
    GraphqlValidationFailed = "GRAPHQL_VALIDATION_FAILED",
    /// The document exceeds a limit on depth, complexity, aliases or directives.
    QueryTooComplex = "QUERY_TOO_COMPLEX",
    /// Unknown persisted-query hash: resend with the query text.
    PersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND",
    /// Events were dropped because there were too many for the subscriber: subscribe again.
    EventsLost = "EVENTS_LOST",
    /// The Offers service cannot be reached: try again later.
    OffersUnavailable = "OFFERS_UNAVAILABLE",
    /// The public keys of the Users service cannot be fetched: try again later.
    KeysUnavailable = "KEYS_UNAVAILABLE",
    /// Too many requests of this kind are waiting, or too many bytes: try again later.
    Busy = "BUSY",
    /// The `Idempotency-Key` was used before, with another request or for an offer that was deleted.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED",
    /// The database cannot be reached: try again later.
    DatabaseUnavailable = "DATABASE_UNAVAILABLE",
    /// Internal server error.
    Internal = "INTERNAL",
}

/// A bad field of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The JSON pointer of the field (RFC 6901).
    pub pointer: String,
    /// The requirement that the field breaks.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// Returns the field and its requirement as a sentence for people.
    #[must_use]
    pub fn to_sentence(&self) -> String {
        format!("{} {}.", self.pointer.trim_start_matches('/'), self.detail)
    }
}

/// A failure as a client sees it.
///
/// It has no `Display`, so that the conversion to an error of async-graphql below, which carries the
/// code, is the only one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub code: ErrorCode,
    /// This occurrence, for people to read.
    pub detail: Cow<'static, str>,
    /// The bad fields of the input.
    pub field_errors: Vec<FieldError>,
    /// Seconds to wait before a retry.
    pub retry_after: Option<u32>,
}

impl Error {
    /// Creates a failure of this kind with a sentence for people.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), field_errors: Vec::new(), retry_after: None }
    }

    /// Creates a failure with one bad field and its requirement.
    #[must_use]
    pub fn invalid_field(code: ErrorCode, pointer: &str, detail: &'static str) -> Self {
        let field = FieldError { pointer: pointer.to_owned(), detail: detail.into() };
        Self::new(code, field.to_sentence()).with_field_errors(vec![field])
    }

    /// Adds the bad fields.
    #[must_use]
    pub fn with_field_errors(self, field_errors: Vec<FieldError>) -> Self {
        Self { field_errors, ..self }
    }

    /// Adds the seconds to wait before a retry.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// Replaces the pointer of a bad field by the one that the client knows.
    #[must_use]
    pub fn rename_field(mut self, from: &str, to: &str) -> Self {
        for field in self.field_errors.iter_mut().filter(|field| field.pointer == from) {
            let sentence = field.to_sentence();
            to.clone_into(&mut field.pointer);
            self.detail = self.detail.replace(&sentence, &field.to_sentence()).into();
        }
        self
    }

    /// Logs the cause and creates a failure that hides it from the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(ErrorCode::Internal, "Something went wrong on our side.")
    }

    /// Creates a `NOT_FOUND` failure.
    #[must_use]
    pub fn not_found(detail: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, detail)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        let detail = match db_availability::record_failure(&error) {
            FailureKind::Statement => return Self::internal(error),
            FailureKind::Unwritable => {
                tracing::error!(%error, "the database cannot store anything");
                "The database cannot store anything at the moment."
            }
            FailureKind::Overloaded | FailureKind::ServerLost => {
                tracing::warn!(%error, "database unavailable");
                "The database cannot be reached at the moment."
            }
            FailureKind::Conflict => {
                tracing::warn!(%error, "too many concurrent transactions");
                "Concurrent requests change the same rows."
            }
            FailureKind::StalePlan => {
                tracing::warn!(%error, "a table was changed: connections are replaced");
                "The tables of the database were changed just now."
            }
        };
        Self::new(ErrorCode::DatabaseUnavailable, detail).retry_after(1)
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        if !error.field_errors.is_empty() {
            let list = error.field_errors.iter().map(
                |field| value!({ "pointer": field.pointer.as_str(), "detail": &*field.detail }),
            );
            extensions.set("errors", Value::List(list.collect()));
        }
        if let Some(seconds) = error.retry_after {
            extensions.set("retryAfter", seconds);
        }
        Self {
            message: error.detail.clone().into_owned(),
            source: Some(Arc::new(error)),
            extensions: Some(extensions),
        }
    }
}

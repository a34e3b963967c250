//! One error for every resolver, and the list of codes that GraphQL and REST share.
//!
//! Which constructor when: [`FieldErrors`](crate::FieldErrors) for input that breaks a rule of its own,
//! [`Error::new`] for a rule of the service, [`Error::internal`] for what is nobody's business but
//! ours: it is logged, and the client is told nothing of it.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{Enum, ErrorExtensionValues, Value, value};
use sea_orm::DbErr;

use crate::db_availability;

/// What a resolver answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Every code that an error can carry: `extensions.code` in GraphQL, `code` in a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
        #[graphql(name = "ErrorCode")]
        pub enum ErrorCode { $($(#[doc = $doc])+ $name,)+ }

        impl ErrorCode {
            /// All codes, in the order of this list.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What the code means, in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The request is not of the form that the protocol asks for.
    BadRequest = "BAD_REQUEST",
    /// A field is missing or breaks its rule.
    InvalidInput = "INVALID_INPUT",
    /// The user that an offer names does not exist.
    UserNotFound = "USER_NOT_FOUND",
    /// An access token is needed.
    Unauthenticated = "UNAUTHENTICATED",
    /// The token is malformed, expired, revoked or not meant for this use.
    InvalidToken = "INVALID_TOKEN",
    /// The username or the password is wrong.
    InvalidCredentials = "INVALID_CREDENTIALS",
    /// The access token belongs to another user.
    Forbidden = "FORBIDDEN",
    /// There is nothing at this address, or no such object.
    NotFound = "NOT_FOUND",
    /// The address does not answer this method.
    MethodNotAllowed = "METHOD_NOT_ALLOWED",
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
    /// The body is of another media type than JSON.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE",
    /// Too many failed attempts: wait as long as `Retry-After` says.
    TooManyRequests = "TOO_MANY_REQUESTS",
    /// The document is not GraphQL.
    GraphqlParseFailed = "GRAPHQL_PARSE_FAILED",
    /// The document does not fit the schema, or its variables do not.
    GraphqlValidationFailed = "GRAPHQL_VALIDATION_FAILED",
    /// The document goes past a limit on depth, complexity, aliases or directives.
    QueryTooComplex = "QUERY_TOO_COMPLEX",
    /// No document is known for this hash: send the query along.
    PersistedQueryNotFound = "PERSISTED_QUERY_NOT_FOUND",
    /// A subscriber read too slowly, or too much happened at once: subscribe again.
    EventsLost = "EVENTS_LOST",
    /// The Offers service cannot be reached: try again later.
    OffersUnavailable = "OFFERS_UNAVAILABLE",
    /// The public keys of the Users service cannot be fetched: try again later.
    KeysUnavailable = "KEYS_UNAVAILABLE",
    /// Too much work of this kind is waiting: try again later.
    Busy = "BUSY",
    /// The `Idempotency-Key` was used before, with another request.
    IdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED",
    /// The database cannot be reached: try again later.
    DatabaseUnavailable = "DATABASE_UNAVAILABLE",
    /// Something went wrong on this side.
    Internal = "INTERNAL",
}

/// What was wrong with one field of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where the field is, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What it must be.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// The field and what it must be, for a person to read.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{} {}.", self.pointer.trim_start_matches('/'), self.detail)
    }
}

/// A failure as a client sees it.
///
/// It has no `Display`: the conversion below must be ours, so that the code travels along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which kind.
    pub code: ErrorCode,
    /// This occurrence, for a person to read.
    pub detail: Cow<'static, str>,
    /// Each bad field.
    pub fields: Vec<FieldError>,
    /// After how many seconds to try again.
    pub retry_after: Option<u32>,
}

impl Error {
    /// A failure of this kind, told in one sentence.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), fields: Vec::new(), retry_after: None }
    }

    /// One bad field, told by its pointer and what it must be.
    #[must_use]
    pub fn invalid_field(code: ErrorCode, pointer: &str, detail: &'static str) -> Self {
        let field = FieldError { pointer: pointer.to_owned(), detail: detail.into() };
        Self::new(code, field.sentence()).with_fields(vec![field])
    }

    /// The same with its bad fields named.
    #[must_use]
    pub fn with_fields(self, fields: Vec<FieldError>) -> Self {
        Self { fields, ..self }
    }

    /// The same with the time to wait, in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same with a field by the name that the client used.
    #[must_use]
    pub fn rename(mut self, from: &str, to: &str) -> Self {
        for field in self.fields.iter_mut().filter(|field| field.pointer == from) {
            to.clone_into(&mut field.pointer);
        }
        self
    }

    /// Logs what happened and tells the client nothing of it.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(ErrorCode::Internal, "Something went wrong on our side.")
    }

    /// No such object.
    #[must_use]
    pub fn not_found(what: &'static str) -> Self {
        Self::new(ErrorCode::NotFound, what)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if db_availability::notice(&error) {
            tracing::warn!(%error, "database unavailable");
            let detail = "The database cannot be reached at the moment.";
            return Self::new(ErrorCode::DatabaseUnavailable, detail).retry_after(1);
        }
        Self::internal(error)
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        if !error.fields.is_empty() {
            let list = error.fields.iter().map(
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

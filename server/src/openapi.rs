//! What both descriptions of the REST routes share.
//!
//! An operation declares how it succeeds. How it can fail is told here, from the codes.

use std::collections::BTreeMap;

use schema::{Error, ErrorCode, Security};
use utoipa::{
    Modify,
    openapi::{
        Content, Header, OpenApi, RefOr, Response, Schema,
        example::Example,
        path::{Operation, ParameterIn, PathItem},
        schema::{ObjectBuilder, Ref, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem::{self, Problem};

/// Any request can come to these.
const ANY: [ErrorCode; 5] = [
    ErrorCode::BadRequest,
    ErrorCode::InvalidToken,
    ErrorCode::DatabaseUnavailable,
    ErrorCode::Timeout,
    ErrorCode::Internal,
];
/// So can one with a body.
const BODY: [ErrorCode; 2] = [ErrorCode::PayloadTooLarge, ErrorCode::UnsupportedMediaType];

/// Declares the access token.
#[derive(Debug)]
pub struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, openapi: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The access token of `POST /user/auth/` or `POST /user/refresh/`."))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Tells how operations fail: the codes of each by its id, besides those that all share.
#[derive(Debug)]
pub struct Failures(pub &'static [(&'static str, &'static [ErrorCode])]);

impl Modify for Failures {
    fn modify(&self, openapi: &mut OpenApi) {
        for operation in openapi.paths.paths.values_mut().flat_map(operations) {
            let id = operation.operation_id.as_deref().unwrap_or_default();
            let own = self.0.iter().find(|(name, _)| *name == id).map_or(&[][..], |of| of.1);
            let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
            for code in own.iter().chain(&ANY).copied().chain(usual(operation)) {
                by_status.entry(problem::status(code).as_u16()).or_default().push(code);
            }
            for (status, codes) in by_status {
                let response = RefOr::T(failure(status, &codes));
                operation.responses.responses.insert(status.to_string(), response);
            }
        }
    }
}

/// What follows from what an operation takes.
fn usual(operation: &Operation) -> Vec<ErrorCode> {
    let body = operation.request_body.is_some();
    let mut parameters = operation.parameters.iter().flatten();
    let query = parameters
        .any(|one| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Query));
    let input = (body || query).then_some(ErrorCode::InvalidInput);
    let mut codes: Vec<_> = input.into_iter().collect();
    if body {
        codes.extend(BODY);
    }
    if operation.security.is_some() {
        codes.push(ErrorCode::Unauthenticated);
    }
    codes
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// The answer of this status, with an example of each code.
fn failure(status: u16, codes: &[ErrorCode]) -> Response {
    let lines: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.description())).collect();
    let examples = codes.iter().map(|code| {
        let problem = serde_json::to_value(Problem::from(example(*code))).unwrap_or_default();
        (code.as_str(), Example::builder().summary(code.description()).value(Some(problem)).build())
    });
    let content = Content::builder()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response = Response::new(lines.join("\n\n"));
    response.content.insert(problem::MEDIA_TYPE.to_owned(), content.into());
    let header = match status {
        401 => Some(("WWW-Authenticate", "Asks for a bearer token (RFC 6750).", Type::String)),
        429 | 503 => Some(("Retry-After", "After how many seconds to try again.", Type::Integer)),
        _ => None,
    };
    if let Some((name, words, kind)) = header {
        let mut header = Header::new(ObjectBuilder::new().schema_type(kind));
        header.description = Some(words.to_owned());
        response.headers.insert(name.to_owned(), header.into());
    }
    response
}

fn example(code: ErrorCode) -> Error {
    match code {
        ErrorCode::InvalidInput => Error::invalid_field(code, "/username", "is missing"),
        ErrorCode::UserNotFound => {
            Error::invalid_field(code, "/user_id", "names no user that exists")
        }
        ErrorCode::UsernameTaken => Error::invalid_field(code, "/username", "is taken"),
        ErrorCode::EmailTaken => Error::invalid_field(code, "/email", "is taken"),
        _ => Error::new(code, code.description()),
    }
}

/// The codes of a [`Problem`], each with its meaning.
#[must_use]
pub fn codes() -> RefOr<Schema> {
    let lines: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.description()))
        .collect();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!(
            "The kind of failure, for a program to read.\n\n{}",
            lines.join("\n")
        )))
        .enum_values(Some(ErrorCode::ALL.iter().map(|code| code.as_str())))
        .examples(["INVALID_INPUT"])
        .into()
}

/// Nothing but null.
#[must_use]
pub fn null() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Null).into()
}

/// Tells of an instance what it asks for: in strict mode the token that is optional in spec mode.
#[must_use]
pub fn of(mut openapi: OpenApi, security: Security) -> OpenApi {
    if security == Security::Strict {
        for operation in openapi.paths.paths.values_mut().flat_map(operations) {
            if let Some(ways) = &mut operation.security {
                ways.retain(|way| *way != SecurityRequirement::default());
            }
        }
    }
    openapi
}

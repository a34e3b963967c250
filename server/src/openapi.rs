//! The parts of an OpenAPI document that all services share.
//!
//! An operation declares its successful responses. [`ErrorResponses`] adds those of its error codes.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schema::{Error, ErrorCode, Security};
use utoipa::{
    Modify, PartialSchema,
    openapi::{
        Content, Header, OpenApi, RefOr, Response, Schema,
        example::Example,
        path::{Operation, Parameter, ParameterIn, PathItem},
        schema::{Object, ObjectBuilder, Ref, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::problem::{self, Problem, http_status};

/// The codes that any request can fail with.
const COMMON_CODES: [ErrorCode; 5] = [
    ErrorCode::BadRequest,
    ErrorCode::InvalidToken,
    ErrorCode::DatabaseUnavailable,
    ErrorCode::Timeout,
    ErrorCode::Internal,
];
/// The codes that any request with a body can fail with.
const BODY_CODES: [ErrorCode; 2] = [ErrorCode::PayloadTooLarge, ErrorCode::UnsupportedMediaType];

/// Adds the access token as a security scheme, with this description.
#[derive(Debug)]
pub struct BearerAuth(pub &'static str);

impl Modify for BearerAuth {
    fn modify(&self, openapi: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(self.0))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Adds the error responses of each operation.
#[derive(Debug)]
pub struct ErrorResponses {
    /// The codes of an operation by its id, besides those that follow from its parameters and body.
    pub codes: &'static [(&'static str, &'static [ErrorCode])],
    /// The field of the example of a code: its JSON pointer and the requirement that it breaks.
    pub examples: &'static [(ErrorCode, &'static str, &'static str)],
}

impl Modify for ErrorResponses {
    fn modify(&self, openapi: &mut OpenApi) {
        for operation in openapi.paths.paths.values_mut().flat_map(operations) {
            let id = operation.operation_id.as_deref().unwrap_or_default();
            let own = self.codes.iter().find(|(name, _)| *name == id).map_or(&[][..], |of| of.1);
            let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
            for code in own.iter().chain(&COMMON_CODES).copied().chain(implied_codes(operation)) {
                by_status.entry(http_status(code).as_u16()).or_default().push(code);
                if code == ErrorCode::IdempotencyKeyReused {
                    // Of the same request, whose offer was deleted.
                    by_status.entry(StatusCode::CONFLICT.as_u16()).or_default().push(code);
                }
            }
            for (status, codes) in by_status {
                let response = RefOr::T(self.response(status, &codes));
                operation.responses.responses.insert(status.to_string(), response);
            }
        }
    }
}

impl ErrorResponses {
    /// Returns the response of a status, with an example of each code.
    fn response(&self, status: u16, codes: &[ErrorCode]) -> Response {
        let lines: Vec<_> = codes
            .iter()
            .map(|code| format!("`{}`: {}", code.as_str(), code.description()))
            .collect();
        let examples = codes.iter().map(|code| (code.as_str(), self.example(status, *code)));
        let content = Content::builder()
            .schema(Some(Ref::from_schema_name("Problem")))
            .examples_from_iter(examples)
            .build();
        let mut response = Response::new(lines.join("\n\n"));
        response.content.insert(problem::MEDIA_TYPE.to_owned(), content.into());
        let header = match status {
            401 => Some(("WWW-Authenticate", "Requests a bearer token (RFC 6750).", Type::String)),
            429 | 503 => Some(("Retry-After", "Seconds to wait before a retry.", Type::Integer)),
            _ => None,
        };
        if let Some((name, description, kind)) = header {
            let mut header = Header::new(ObjectBuilder::new().schema_type(kind));
            header.description = Some(description.to_owned());
            response.headers.insert(name.to_owned(), header.into());
        }
        response
    }

    fn example(&self, status: u16, code: ErrorCode) -> Example {
        let mut examples = self.examples.iter();
        let error = match examples.find(|(of, ..)| *of == code && http_status(code) == status) {
            Some((_, pointer, detail)) => Error::invalid_field(code, pointer, detail),
            None => Error::new(code, code.description()),
        };
        let problem = serde_json::to_value(Problem::from(error)).unwrap_or_default();
        Example::builder().summary(code.description()).value(Some(problem)).build()
    }
}

/// Returns the codes that follow from the parameters, the body and the security of an operation.
fn implied_codes(operation: &Operation) -> Vec<ErrorCode> {
    let body = operation.request_body.is_some();
    let mut parameters = operation.parameters.iter().flatten();
    let query = parameters
        .any(|one| matches!(one, RefOr::T(one) if one.parameter_in == ParameterIn::Query));
    let input = (body || query).then_some(ErrorCode::InvalidInput);
    let mut codes: Vec<_> = input.into_iter().collect();
    if body {
        codes.extend(BODY_CODES);
    }
    let conditional =
        |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.name == "If-Match");
    if operation.parameters.iter().flatten().any(conditional) {
        codes.push(ErrorCode::PreconditionFailed);
    }
    if operation.security.is_some() {
        codes.push(ErrorCode::Unauthenticated);
    }
    codes
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

/// A schema that accepts `null` alone.
#[must_use]
pub fn null_schema() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::Null).into()
}

/// Returns the schema of a type that is an object, as the base of another one.
#[must_use]
pub fn object_of<T: PartialSchema>() -> Object {
    match T::schema() {
        RefOr::T(Schema::Object(object)) => object,
        _ => Object::default(),
    }
}

/// Adapts the document to the mode of an instance: in strict mode the token that is optional in spec
/// mode is required.
#[must_use]
pub fn for_mode(mut openapi: OpenApi, security: Security) -> OpenApi {
    if security == Security::Strict {
        for operation in openapi.paths.paths.values_mut().flat_map(operations) {
            if let Some(ways) = &mut operation.security {
                ways.retain(|way| *way != SecurityRequirement::default());
            }
        }
    }
    openapi
}

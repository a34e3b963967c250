//! The JSON body of a request.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use graphql_http::byte_budget::{self, BodyError};
use schema::{Error, ErrorCode, FieldError, FieldErrors, Result};
use serde_json::{Map, Value};

use crate::{
    app::MAX_BODY_BYTES,
    media_type,
    problem::{self, Problem},
};

/// A JSON object that a client sent.
#[derive(Debug)]
pub struct JsonBody {
    pub(super) object: Map<String, Value>,
    pub(super) errors: FieldErrors,
}

impl JsonBody {
    fn from_bytes(headers: &HeaderMap, bytes: &[u8]) -> Result<Self> {
        // A missing media type is taken as JSON.
        if media_type::is_json(headers) == Some(false)
            || headers.contains_key(header::CONTENT_ENCODING)
        {
            return Err(problem::error_for_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => Ok(Self { object, errors: FieldErrors::default() }),
            Ok(_) => Err(body_error("The body must be a JSON object.".to_owned())),
            Err(error) => {
                // The message of the parser names a line and a column and never the text.
                Err(body_error(format!("The body is not valid JSON: {error}.")))
            }
        }
    }

    /// Returns true if the field is present and not null.
    #[must_use]
    pub fn has_value(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// Adds an error unless the field is present and not null: for a route that requires a field that
    /// is optional in GraphQL.
    pub fn require(&mut self, name: &str) {
        if let Some(detail) = missing_reason(self.object.get(name)) {
            self.errors.push(&format!("/{name}"), detail);
        }
    }

    /// Sets a field, in place of any value that the client sent: for a value of another part of the
    /// request.
    pub fn set(&mut self, name: &str, value: Value) {
        self.object.insert(name.to_owned(), value);
    }

    /// Renames a field.
    pub fn rename(&mut self, from: &str, to: &str) {
        if let Some(value) = self.object.remove(from) {
            self.set(to, value);
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let body = byte_budget::read_request(body, MAX_BODY_BYTES).await;
        let bytes = body.map_err(|error| match error {
            BodyError::TooLarge => Problem::for_status(StatusCode::PAYLOAD_TOO_LARGE),
            BodyError::Incomplete => Problem::for_status(StatusCode::BAD_REQUEST),
            BodyError::Busy => problem::busy().into(),
        })?;
        Ok(Self::from_bytes(&head.headers, &bytes)?)
    }
}

/// Returns the requirement that a missing value breaks; `None` if there is a value.
pub(super) fn missing_reason(value: Option<&Value>) -> Option<&'static str> {
    match value {
        None => Some("is missing"),
        Some(Value::Null) => Some("must not be null"),
        Some(_) => None,
    }
}

/// An error of the body as a whole. The empty pointer is the whole document.
fn body_error(detail: String) -> Error {
    let field = FieldError { pointer: String::new(), detail: detail.clone().into() };
    Error::new(ErrorCode::BadRequest, detail).with_field_errors(vec![field])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_non_object_body() {
        for bad in ["", "[]", "1", "{", "{\"a\": \"\\ud800\"}", "nul", "\u{feff}{}"] {
            let error = JsonBody::from_bytes(&HeaderMap::new(), bad.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadRequest, "{bad}");
        }
    }
}

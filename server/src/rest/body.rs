use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use schema::{Error, ErrorCode, FieldError, FieldErrors, Result, id, validation::Validator};
use serde_json::{Map, Value};

use super::bad_request;
use crate::problem::Problem;

/// A JSON object that a client sent, read field by field; every bad one is named.
#[derive(Debug)]
pub struct Body {
    object: Map<String, Value>,
    fields: FieldErrors,
}

impl Body {
    fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Self> {
        if headers.get(header::CONTENT_TYPE).is_some_and(|value| !is_json(value.as_bytes())) {
            let detail = "The body must be application/json.";
            return Err(Error::new(ErrorCode::UnsupportedMediaType, detail));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(object)) => Ok(Self { object, fields: FieldErrors::default() }),
            Ok(_) => Err(whole("The body must be a JSON object.".to_owned())),
            Err(error) => {
                // Its words name a line and a column and never the text.
                Err(whole(format!("The body is no JSON: {error}.")))
            }
        }
    }

    /// Whether the field is there, even as null.
    #[must_use]
    pub fn names(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// Whether the field is there and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// How there is no value.
    fn absent(&self, name: &str) -> Option<&'static str> {
        match self.object.get(name) {
            None => Some("is missing"),
            Some(Value::Null) => Some("must not be null"),
            Some(_) => None,
        }
    }

    /// A text that must be there and keep the rule.
    pub fn text(&mut self, name: &str, rule: Option<Validator>) -> String {
        let absent = self.absent(name);
        let text = self.optional_text(name, rule);
        if let Some(detail) = absent {
            self.fields.push(&pointer(name), detail);
        }
        text.unwrap_or_default()
    }

    /// A text that keeps the rule if it is there.
    pub fn optional_text(&mut self, name: &str, rule: Option<Validator>) -> Option<String> {
        match self.object.get_mut(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                let text = std::mem::take(text);
                if let Some(rule) = rule {
                    self.fields.check(&pointer(name), &text, rule);
                }
                Some(text)
            }
            Some(_) => {
                self.fields.push(&pointer(name), "must be a string");
                None
            }
        }
    }

    /// An id that must be there.
    pub fn id(&mut self, name: &str) -> String {
        let number = self.object.get(name).and_then(Value::as_number);
        let text = number.map(ToString::to_string).unwrap_or_default();
        // To JSON Schema, and to JavaScript, 1.0 is an integer.
        let digits = text.strip_suffix(".0").unwrap_or(&text);
        if id::parse(digits).is_some() {
            return digits.to_owned();
        }
        let detail = self.absent(name).unwrap_or("must be a positive integer");
        self.fields.push(&pointer(name), detail);
        String::new()
    }

    /// Names a field as bad.
    pub fn wrong(&mut self, name: &str, detail: &'static str) {
        self.fields.push(&pointer(name), detail);
    }

    /// Nothing where every field was good.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad field.
    pub fn finish(self) -> Result<()> {
        self.fields.into_result()
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| {
                match rejection.into_response().status() {
                    StatusCode::PAYLOAD_TOO_LARGE => {
                        Error::new(ErrorCode::PayloadTooLarge, "The body is larger than 256 KiB.")
                    }
                    _ => bad_request("The body did not arrive whole."),
                }
            })?;
        Ok(Self::parse(&headers, &bytes)?)
    }
}

/// The whole body is wrong: the empty pointer is the whole document.
fn whole(detail: String) -> Error {
    let field = FieldError { pointer: String::new(), detail: detail.clone().into() };
    Error::new(ErrorCode::BadRequest, detail).with_field_errors(vec![field])
}

fn pointer(name: &str) -> String {
    format!("/{name}")
}

/// `application/json` or a type with the suffix `+json`, whatever its parameters.
fn is_json(media_type: &[u8]) -> bool {
    let text = String::from_utf8_lossy(media_type).to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|rest| rest.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Body {
        Body::parse(&HeaderMap::new(), body.as_bytes()).unwrap()
    }

    #[test]
    fn each_bad_field_is_named_once() {
        let mut body = read(r#"{"username": 5, "id": 1.5, "text": null}"#);
        body.text("username", None);
        body.id("id");
        body.text("text", None);
        body.text("title", None);
        let error = body.finish().unwrap_err();
        let named: Vec<_> = error
            .field_errors
            .iter()
            .map(|field| (field.pointer.as_str(), &*field.detail))
            .collect();
        assert_eq!(
            named,
            [
                ("/username", "must be a string"),
                ("/id", "must be a positive integer"),
                ("/text", "must not be null"),
                ("/title", "is missing"),
            ]
        );
    }

    #[test]
    fn an_id_is_an_integer_however_it_is_written() {
        let mut body = read(r#"{"a": 7, "b": 7.0, "c": 1e3, "d": "7", "e": -7, "f": 1e40}"#);
        let ids: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|name| body.id(name)).into();
        assert_eq!(ids, ["7", "7", "1000", "", "", ""]);
        assert_eq!(body.finish().unwrap_err().field_errors.len(), 3);
    }

    #[test]
    fn what_is_no_object_is_a_bad_request() {
        for bad in ["", "[]", "1", "{", "{\"a\": \"\\ud800\"}", "nul", "\u{feff}{}"] {
            let error = Body::parse(&HeaderMap::new(), bad.as_bytes()).unwrap_err();
            assert_eq!(error.code, ErrorCode::BadRequest, "{bad}");
        }
    }

    #[test]
    fn json_is_known_by_its_essence() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonx", "text/json", "application/xml"] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}

//! The parameters of a request, in a JSON body or a query string.

use std::collections::HashMap;

use async_graphql::{Value, Variables};
use axum::{extract::Query, http::Uri};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, value::RawValue};

use crate::{
    cost::estimated_bytes,
    error::{EndpointErrorCode, RequestError},
};

/// The well-formed parameters of a request; nothing in them is checked yet but the number of values.
#[derive(Debug, Default)]
pub(crate) struct RequestParams {
    pub(crate) query: Option<String>,
    pub(crate) operation_name: Option<String>,
    variables: Option<Variables>,
    extensions: Option<Extensions>,
}

/// A map, since serde also reads a struct from a list.
type Extensions = HashMap<String, Value>;

/// The same before variables and extensions are read, of which each value takes 30 times as many bytes
/// as its text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnreadParams<'a> {
    query: Option<String>,
    operation_name: Option<String>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
    #[serde(borrow)]
    extensions: Option<&'a RawValue>,
}

impl RequestParams {
    /// Reads the body of a `POST`.
    ///
    /// # Errors
    /// `BAD_REQUEST`, or `QUERY_TOO_COMPLEX` for more than `max_values` variables.
    pub(crate) fn from_json(body: &[u8], max_values: usize) -> Result<Self, RequestError> {
        // The first byte excludes lists, which serde would read as the fields in order.
        if body.trim_ascii_start().first() == Some(&b'{')
            && let Ok(params) = serde_json::from_slice::<UnreadParams<'_>>(body)
        {
            let UnreadParams { query, operation_name, variables, extensions } = params;
            let variables = variables.map(RawValue::get);
            let extensions = extensions.map(RawValue::get);
            check_number_of_values([variables, extensions], max_values)?;
            let variables = parse_json_param(variables, NO_VARIABLES)?;
            let extensions = parse_json_param(extensions, NO_EXTENSIONS)?;
            return Self { query, operation_name, variables, extensions }.validate();
        }
        Err(explain_malformed(body))
    }

    /// Reads the query string of a `GET`.
    ///
    /// # Errors
    /// `BAD_REQUEST`, or `QUERY_TOO_COMPLEX` for more than `max_values` variables.
    pub(crate) fn from_uri(uri: &Uri, max_values: usize) -> Result<Self, RequestError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| {
            bad_request("The query string is not of the form name=value&name=value.")
        })?;
        let mut values: HashMap<String, String> = HashMap::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if NAMES.contains(&name.as_str()) && values.insert(name, value).is_some() {
                return Err(bad_request("A parameter must not be given twice."));
            }
        }
        let value = |name| values.get(name).map(String::as_str);
        check_number_of_values([value("variables"), value("extensions")], max_values)?;
        let variables = parse_json_param(value("variables"), NO_VARIABLES)?;
        let extensions = parse_json_param(value("extensions"), NO_EXTENSIONS)?;
        let query = values.remove("query");
        let operation_name = values.remove("operationName");
        Self { query, operation_name, variables, extensions }.validate()
    }

    fn validate(mut self) -> Result<Self, RequestError> {
        if self.query.is_none() && self.persisted_query_hash()?.is_none() {
            return Err(bad_request(NO_QUERY));
        }
        self.operation_name = self.operation_name.filter(|name| !name.is_empty());
        Ok(self)
    }

    /// Returns the hash in `extensions.persistedQuery` (Apollo's automatic persisted queries); `None`
    /// if there is none.
    ///
    /// # Errors
    /// `BAD_REQUEST` if the hash is malformed or of another version.
    pub(crate) fn persisted_query_hash(&self) -> Result<Option<[u8; 32]>, RequestError> {
        let persisted = self.extensions.as_ref().and_then(|all| all.get("persistedQuery"));
        let Some(Value::Object(persisted)) = persisted else { return Ok(None) };
        if persisted.get("version") != Some(&Value::from(1)) {
            return Err(bad_request("persistedQuery.version must be 1."));
        }
        let Some(Value::String(hash)) = persisted.get("sha256Hash") else {
            return Err(bad_request(NO_HASH));
        };
        from_hex(hash).map(Some).ok_or_else(|| bad_request(NO_HASH))
    }

    /// Returns the bytes of the parameters that an operation begins with.
    pub(crate) fn text_bytes(&self) -> usize {
        let variables = self.variables.iter().flat_map(|variables| variables.values());
        self.query.as_ref().map_or(0, String::len) + variables.map(estimated_bytes).sum::<usize>()
    }

    pub(crate) fn take_variables(&mut self) -> Variables {
        self.variables.take().unwrap_or_default()
    }
}

const NAMES: [&str; 4] = ["query", "operationName", "variables", "extensions"];
const NO_QUERY: &str = "query must be a string.";
const NO_NAME: &str = "operationName must be a string or null.";
const NO_VARIABLES: &str = "variables must be an object or null.";
const NO_EXTENSIONS: &str = "extensions must be an object or null.";
const NO_HASH: &str = "persistedQuery.sha256Hash must be 64 hexadecimal digits.";

/// Parses a parameter that is JSON within the query string; `malformed` is the message of the error.
fn parse_json_param<T: DeserializeOwned>(
    text: Option<&str>,
    malformed: &'static str,
) -> Result<Option<T>, RequestError> {
    text.map_or(Ok(None), |text| serde_json::from_str(text).map_err(|_| bad_request(malformed)))
}

/// Rejects JSON texts with too many values, before any value is built.
fn check_number_of_values(texts: [Option<&str>; 2], max_values: usize) -> Result<(), RequestError> {
    if texts.into_iter().flatten().map(max_number_of_values).sum::<usize>() > max_values {
        return Err(RequestError::too_complex("The variables have too many values."));
    }
    Ok(())
}

/// Returns the number of values in a JSON text, an empty list or object counted twice: each value is
/// the first one, begins a list or an object, or follows a comma.
pub(crate) fn max_number_of_values(json: &str) -> usize {
    let (mut values, mut in_string, mut escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => (),
        }
    }
    values
}

fn bad_request(message: impl Into<String>) -> RequestError {
    RequestError::new(EndpointErrorCode::BadRequest, message)
}

/// Parses a rejected body again to find its malformed part.
fn explain_malformed(body: &[u8]) -> RequestError {
    let map = match serde_json::from_slice(body) {
        Ok(Json::Object(map)) => map,
        Ok(Json::Array(_)) => {
            return bad_request("Batches are not supported: send one request at a time.");
        }
        Ok(_) => return bad_request("The body must be a JSON object."),
        Err(_) if body.trim_ascii().is_empty() => return bad_request("The body is missing."),
        Err(error) => {
            return bad_request(format!("The body is not JSON: {error}."));
        }
    };
    let is_wrong = |name, fits: fn(&Json) -> bool| map.get(name).is_some_and(|value| !fits(value));
    let is_text = |value: &Json| value.is_string() || value.is_null();
    let is_object = |value: &Json| value.is_object() || value.is_null();
    bad_request(if is_wrong("query", is_text) {
        NO_QUERY
    } else if is_wrong("operationName", is_text) {
        NO_NAME
    } else if is_wrong("variables", is_object) {
        NO_VARIABLES
    } else if is_wrong("extensions", is_object) {
        NO_EXTENSIONS
    } else {
        "A parameter must not be given twice."
    })
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: u8| char::from(at).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_and_message(error: &RequestError) -> (String, &str) {
        let error = &error.errors[0];
        let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
        let Some(Value::String(code)) = code else { panic!("{error:?} has no code") };
        (code.clone(), &error.message)
    }

    #[test]
    fn malformed_bodies_are_400_and_explained() {
        for (body, detail) in [
            ("", "The body is missing."),
            (" ", "The body is missing."),
            ("7", "The body must be a JSON object."),
            (r#"["{ a }"]"#, "Batches are not supported: send one request at a time."),
            (r#"[{"query":"{ a }"}]"#, "Batches are not supported: send one request at a time."),
            ("{}", NO_QUERY),
            (r#"{"query":null}"#, NO_QUERY),
            (r#"{"query":7}"#, NO_QUERY),
            (r#"{"query":"{a}","operationName":[]}"#, NO_NAME),
            (r#"{"query":"{a}","variables":[]}"#, NO_VARIABLES),
            (r#"{"query":"{a}","variables":"{}"}"#, NO_VARIABLES),
            (r#"{"query":"{a}","extensions":[]}"#, NO_EXTENSIONS),
            (r#"{"query":"{a}","query":"{b}"}"#, "A parameter must not be given twice."),
            (
                r#"{"extensions":{"persistedQuery":{"version":2,"sha256Hash":""}}}"#,
                "persistedQuery.version must be 1.",
            ),
            (r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"xy"}}}"#, NO_HASH),
        ] {
            let error = RequestParams::from_json(body.as_bytes(), 100).expect_err(body);
            assert_eq!(code_and_message(&error), ("BAD_REQUEST".to_owned(), detail), "{body}");
        }
        let error = RequestParams::from_json(b"{", 100).unwrap_err();
        assert!(error.errors[0].message.starts_with("The body is not JSON: "));
    }

    #[test]
    fn values_are_counted_without_building_them() {
        for (json, values) in [("7", 1), (r#"{"a":"[,{\"","b":1}"#, 3), ("[1,[2,3],{}]", 7)] {
            assert_eq!(max_number_of_values(json), values, "{json}");
        }
        for name in ["variables", "extensions"] {
            let zeros = vec![0; 100];
            let body = serde_json::json!({ "query": "{ a }", name: { "unused": zeros } });
            let body = body.to_string();
            assert!(RequestParams::from_json(body.as_bytes(), 102).is_ok());
            let error = RequestParams::from_json(body.as_bytes(), 101).unwrap_err();
            assert_eq!(code_and_message(&error).0, "QUERY_TOO_COMPLEX");
        }
    }

    #[test]
    fn query_string_follows_the_rules_of_a_body() {
        let get = |query: &str| {
            let query = query.replace(' ', "%20").replace('{', "%7B").replace('}', "%7D");
            RequestParams::from_uri(
                &format!("/graphql?{query}").replace('"', "%22").parse().unwrap(),
                100,
            )
        };
        let mut params =
            get(r#"query={ a }&variables={"b":1}&operationName=&extensions=&other=1&other=2"#)
                .unwrap();
        assert_eq!(params.query.as_deref(), Some("{ a }"));
        assert_eq!(params.operation_name, None);
        assert_eq!(params.take_variables().into_value().to_string(), "{b: 1}");
        for (query, detail) in [
            ("", NO_QUERY),
            ("query=", NO_QUERY),
            ("query={a}&variables=[]", NO_VARIABLES),
            ("query={a}&variables={", NO_VARIABLES),
            ("query={a}&extensions=7", NO_EXTENSIONS),
            ("query={a}&query={b}", "A parameter must not be given twice."),
        ] {
            let error = get(query).expect_err(query);
            assert_eq!(code_and_message(&error), ("BAD_REQUEST".to_owned(), detail), "{query}");
        }
    }
}

//! The parameters of a request: well formed, or 400.

use std::collections::HashMap;

use async_graphql::{Value, Variables};
use axum::{extract::Query, http::Uri};
use schema::{Error, ErrorCode, Result};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value as Json;

/// What a client asks, before anything of it is looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Params {
    pub(super) query: Option<String>,
    pub(super) operation_name: Option<String>,
    variables: Option<Variables>,
    extensions: Option<Extensions>,
}

/// A map, since a struct would also be read from a list.
type Extensions = HashMap<String, Value>;

impl Params {
    /// Reads the body of a `POST`.
    pub(super) fn from_json(body: &[u8]) -> Result<Self> {
        // The first byte keeps out lists, which serde would take for the fields in order.
        if body.trim_ascii_start().first() == Some(&b'{')
            && let Ok(params) = serde_json::from_slice::<Self>(body)
        {
            return params.checked();
        }
        Err(what_is_wrong(body))
    }

    /// Reads the query string of a `GET`.
    pub(super) fn from_uri(uri: &Uri) -> Result<Self> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| bad("The query string is not of the form name=value&name=value."))?;
        let mut values: HashMap<String, String> = HashMap::new();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            if NAMES.contains(&name.as_str()) && values.insert(name, value).is_some() {
                return Err(bad("A parameter must not be given twice."));
            }
        }
        let variables = object(values.get("variables"), NO_VARIABLES)?;
        let extensions = object(values.get("extensions"), NO_EXTENSIONS)?;
        let query = values.remove("query");
        let operation_name = values.remove("operationName");
        Self { query, operation_name, variables, extensions }.checked()
    }

    fn checked(mut self) -> Result<Self> {
        if self.query.is_none() && self.hash()?.is_none() {
            return Err(bad(NO_QUERY));
        }
        self.operation_name = self.operation_name.filter(|name| !name.is_empty());
        Ok(self)
    }

    /// The hash of `extensions.persistedQuery` (Apollo's automatic persisted queries).
    pub(super) fn hash(&self) -> Result<Option<[u8; 32]>> {
        let asked = self.extensions.as_ref().and_then(|all| all.get("persistedQuery"));
        let Some(Value::Object(asked)) = asked else { return Ok(None) };
        if asked.get("version") != Some(&Value::from(1)) {
            return Err(bad("persistedQuery.version must be 1."));
        }
        let Some(Value::String(hash)) = asked.get("sha256Hash") else { return Err(bad(NO_HASH)) };
        from_hex(hash).map(Some).ok_or_else(|| bad(NO_HASH))
    }

    pub(super) fn take_variables(&mut self) -> Variables {
        self.variables.take().unwrap_or_default()
    }
}

const NAMES: [&str; 4] = ["query", "operationName", "variables", "extensions"];
const NO_QUERY: &str = "query must be a string.";
const NO_NAME: &str = "operationName must be a string or null.";
const NO_VARIABLES: &str = "variables must be an object or null.";
const NO_EXTENSIONS: &str = "extensions must be an object or null.";
const NO_HASH: &str = "persistedQuery.sha256Hash must be 64 hexadecimal digits.";

/// Reads a parameter that is JSON within the query string.
fn object<T: DeserializeOwned>(text: Option<&String>, wrong: &'static str) -> Result<Option<T>> {
    text.map_or(Ok(None), |text| serde_json::from_str(text).map_err(|_| bad(wrong)))
}

fn bad(detail: &'static str) -> Error {
    Error::new(ErrorCode::BadRequest, detail)
}

/// Reads a body once more that was refused, so that the client learns which part it was.
fn what_is_wrong(body: &[u8]) -> Error {
    let map = match serde_json::from_slice(body) {
        Ok(Json::Object(map)) => map,
        Ok(Json::Array(_)) => {
            return bad("BatchLoader are not supported: send one request at a time.");
        }
        Ok(_) => return bad("The body must be a JSON object."),
        Err(_) if body.trim_ascii().is_empty() => return bad("The body is missing."),
        Err(error) => {
            return Error::new(ErrorCode::BadRequest, format!("The body is not JSON: {error}."));
        }
    };
    let wrong = |name, fits: fn(&Json) -> bool| map.get(name).is_some_and(|value| !fits(value));
    let text = |value: &Json| value.is_string() || value.is_null();
    let object = |value: &Json| value.is_object() || value.is_null();
    if wrong("query", text) {
        bad(NO_QUERY)
    } else if wrong("operationName", text) {
        bad(NO_NAME)
    } else if wrong("variables", object) {
        bad(NO_VARIABLES)
    } else if wrong("extensions", object) {
        bad(NO_EXTENSIONS)
    } else {
        bad("A parameter must not be given twice.")
    }
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

    #[test]
    fn each_ill_formed_body_is_named() {
        for (body, detail) in [
            ("", "The body is missing."),
            (" ", "The body is missing."),
            ("7", "The body must be a JSON object."),
            (r#"["{ a }"]"#, "BatchLoader are not supported: send one request at a time."),
            (
                r#"[{"query":"{ a }"}]"#,
                "BatchLoader are not supported: send one request at a time.",
            ),
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
            let error = Params::from_json(body.as_bytes()).expect_err(body);
            assert_eq!((error.code, &*error.detail), (ErrorCode::BadRequest, detail), "{body}");
        }
        assert!(Params::from_json(b"{").unwrap_err().detail.starts_with("The body is not JSON: "));
    }

    #[test]
    fn a_query_string_says_the_same_as_a_body() {
        let get = |query: &str| {
            let query = query.replace(' ', "%20").replace('{', "%7B").replace('}', "%7D");
            Params::from_uri(&format!("/graphql?{query}").replace('"', "%22").parse().unwrap())
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
            assert_eq!(get(query).expect_err(query).detail, detail, "{query}");
        }
    }
}

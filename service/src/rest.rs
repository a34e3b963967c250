//! REST routes as adapters: each runs one GraphQL document and translates the answer.

use std::collections::HashMap;

use async_graphql::{
    Executor, Request, Response, Value, Variables,
    parser::{parse_query, types::ExecutableDocument},
};
use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response as HttpResponse},
};
use schema::{Code, Error, Result, Viewer};
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};

mod body;
mod params;

pub use body::Body;
pub use params::Params;

/// The GraphQL document of a route, parsed once.
#[derive(Debug)]
pub struct Document(ExecutableDocument);

impl Document {
    /// Parses a document that is part of the program.
    ///
    /// # Errors
    /// Says where it is no GraphQL.
    pub fn parse(source: &str) -> Result<Self, String> {
        parse_query(source).map(Self).map_err(|error| error.to_string())
    }

    /// Runs it and reads its only root field.
    ///
    /// # Errors
    /// The first error of the answer.
    pub async fn run<T: DeserializeOwned>(
        &self,
        schema: &impl Executor,
        viewer: Viewer,
        variables: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<T> {
        let mut values = Variables::default();
        for (name, value) in variables {
            values.insert(async_graphql::Name::new(name), value);
        }
        let mut request = Request::new("").variables(values).data(viewer);
        request.set_parsed_query(self.0.clone());
        only_field(schema.execute(request).await)
    }
}

fn only_field<T: DeserializeOwned>(response: Response) -> Result<T> {
    if let Some(error) = response.errors.into_iter().next() {
        return Err(match error.source::<Error>() {
            Some(error) => in_snake_case(error.clone()),
            None => Error::internal(error.message),
        });
    }
    let Value::Object(fields) = response.data else {
        return Err(Error::internal("a document answered no object"));
    };
    let field = fields.into_iter().next().map(|(_, value)| value).unwrap_or_default();
    async_graphql::from_value(field).map_err(Error::internal)
}

/// GraphQL names `newPassword` what REST names `new_password`.
fn in_snake_case(mut error: Error) -> Error {
    for field in &mut error.fields {
        let mut pointer = String::with_capacity(field.pointer.len());
        for c in field.pointer.chars() {
            if c.is_ascii_uppercase() {
                pointer.push('_');
            }
            pointer.push(c.to_ascii_lowercase());
        }
        field.pointer = pointer;
    }
    error
}

/// Checks that every document in a folder fits a schema, without running any. For tests.
///
/// # Errors
/// Names the first document that does not fit and says why.
pub async fn check(schema: &impl Executor, folder: &str) -> Result<usize, String> {
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let file = entry.map_err(|error| error.to_string())?.path();
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        // A page is weighed by its size.
        let variables = Variables::from_json(serde_json::json!({ "first": 1 }));
        let response = schema.execute(Request::new(text).variables(variables)).await;
        // The schema must allow no complexity at all, so that a valid document stops there.
        match &response.errors[..] {
            [error] if error.message == "Query is too complex." => checked += 1,
            errors => return Err(format!("{}: {errors:?}", file.display())),
        }
    }
    Ok(checked)
}

/// Reads an `ID` of GraphQL as the integer that REST shows.
///
/// # Errors
/// Where the text is no id.
pub fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    schema::id::parse(&text).ok_or_else(|| D::Error::custom("not an id"))
}

/// The `Link` to the page that follows (RFC 8288), with the parameters that it differs in.
#[must_use]
pub fn next_link(path: &str, parameters: &[(&str, i64)]) -> String {
    let query: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("<{path}?{}>; rel=\"next\"", query.join("&"))
}

/// A page as JSON, with the `Link` where others follow.
pub fn page_of(rows: impl Serialize, link: Option<String>) -> HttpResponse {
    let mut response = Json(rows).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Reads a size between 1 and the most rows of a page.
fn size(text: &str) -> Option<i32> {
    text.parse().ok().filter(|size| (1..=schema::page::MAX).contains(size))
}

/// The parameters of a query string, the last of a name counts.
type Pairs = HashMap<String, String>;

fn bad_request(detail: &'static str) -> Error {
    Error::new(Code::BadRequest, detail)
}

//! REST routes as adapters: each runs one GraphQL document and translates the answer.

use std::collections::HashMap;

use async_graphql::{
    Executor, Request, Response, Value, Variables,
    connection::CursorType,
    parser::{parse_query, types::ExecutableDocument},
};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response as HttpResponse},
};
use schema::{
    DirectJsonEnabled, Error, ErrorCode, IdFormat, JsonWriter, Result, Viewer, pagination::Cursor,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

    /// Runs it.
    ///
    /// # Errors
    /// The first error of the answer.
    pub async fn run(
        &self,
        schema: &impl Executor,
        viewer: Viewer,
        variables: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Answer> {
        let mut values = Variables::default();
        for (name, value) in variables {
            values.insert(async_graphql::Name::new(name), value);
        }
        // No document of ours selects anything twice: `check` looks.
        let at_once = DirectJsonEnabled(IdFormat::Number);
        let mut request = Request::new("").variables(values).data(viewer).data(at_once);
        request.set_parsed_query(self.0.clone());
        only_field(schema.execute(request).await)
    }
}

/// What the only root field of a document came to, as JSON. Ids are numbers: every object that the
/// documents select is [at hand](schema::at_hand).
#[derive(Debug)]
pub struct Answer(String);

impl Answer {
    /// Reads it.
    ///
    /// # Errors
    /// Where it is something else.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_str(&self.0).map_err(Error::internal)
    }
}

/// As it is.
impl IntoResponse for Answer {
    fn into_response(self) -> HttpResponse {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

fn only_field(response: Response) -> Result<Answer> {
    if let Some(error) = response.errors.into_iter().next() {
        return Err(match error.source::<Error>() {
            Some(error) => in_snake_case(error.clone()),
            None => Error::internal(error.message),
        });
    }
    let Value::Object(fields) = response.data else {
        return Err(Error::internal("a document answered no object"));
    };
    let mut json = JsonWriter::default();
    json.value(fields.first().map_or(&Value::Null, |(_, value)| value));
    String::from_utf8(json.into_bytes()).map(Answer).map_err(Error::internal)
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
        if file.extension().is_none_or(|extension| extension != "graphql") {
            continue;
        }
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        // A page is weighed by its size.
        let variables = Variables::from_json(serde_json::json!({ "first": 1 }));
        let parsed = parse_query(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        if !graphql_http::has_unique_keys(&parsed) {
            return Err(format!("{}: selects a field twice", file.display()));
        }
        let response = schema.execute(Request::new(text).variables(variables)).await;
        // The schema must allow no complexity at all, so that a valid document stops there.
        match &response.errors[..] {
            [error] if error.message == "Query is too complex." => checked += 1,
            errors => return Err(format!("{}: {errors:?}", file.display())),
        }
    }
    Ok(checked)
}

/// A page as the documents answer it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageJson<'a> {
    /// The rows, as they are to be shown.
    #[serde(borrow)]
    pub nodes: &'a RawValue,
    #[serde(borrow)]
    page_info: PageInfo<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo<'a> {
    has_next_page: bool,
    end_cursor: Option<&'a str>,
}

impl PageJson<'_> {
    /// The id of the row that the page after this one follows.
    #[must_use]
    pub fn continues(&self) -> Option<i64> {
        let end = self.page_info.end_cursor.filter(|_| self.page_info.has_next_page)?;
        Cursor::decode_cursor(end).ok().map(|cursor| cursor.0)
    }
}

/// The `Link` to the page that follows (RFC 8288), with the parameters that it differs in.
#[must_use]
pub fn next_link(path: &str, parameters: &[(&str, i64)]) -> String {
    let query: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("<{path}?{}>; rel=\"next\"", query.join("&"))
}

/// A page as JSON, with the `Link` where others follow.
pub fn page_of(rows: impl Serialize, link: Option<String>) -> HttpResponse {
    let mut response = axum::Json(rows).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// Reads a size between 1 and the most rows of a page.
fn size(text: &str) -> Option<i32> {
    text.parse().ok().filter(|size| (1..=schema::pagination::MAX_PAGE_SIZE).contains(size))
}

/// The parameters of a query string, the last of a name counts.
type Pairs = HashMap<String, String>;

fn bad_request(detail: &'static str) -> Error {
    Error::new(ErrorCode::BadRequest, detail)
}

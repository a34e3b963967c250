//! Pages: connections of GraphQL as arrays with a `Link` header.

use async_graphql::{connection::CursorType, indexmap::IndexMap};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use graphql_http::byte_budget;
use schema::{Error, Result, pagination::Cursor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::problem::{self, Problem};

/// A page as the documents answer it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageJson<'a> {
    /// The rows.
    #[serde(borrow)]
    pub nodes: &'a RawValue,
    #[serde(borrow)]
    page_info: PageInfoJson<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfoJson<'a> {
    has_next_page: bool,
    end_cursor: Option<&'a str>,
}

impl PageJson<'_> {
    /// Returns the id of the last row, for the page that follows; `None` if this page is the last.
    #[must_use]
    pub fn next_after(&self) -> Option<i64> {
        Cursor::decode_cursor(self.next_cursor()?).ok().map(|cursor| cursor.id)
    }

    /// Returns the cursor of the last row, for the page that follows; `None` if this page is the last.
    #[must_use]
    pub fn next_cursor(&self) -> Option<&str> {
        self.page_info.end_cursor.filter(|_| self.page_info.has_next_page)
    }
}

/// An object as the documents answer it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ObjectJson<'a>(#[serde(borrow)] IndexMap<&'a str, &'a RawValue>);

impl<'a> ObjectJson<'a> {
    /// Deserializes a field.
    ///
    /// # Errors
    /// `INTERNAL` if it is missing or of another type.
    pub fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<T> {
        let field = self.0.get(name).ok_or_else(|| Error::internal(format!("no field {name}")))?;
        serde_json::from_str(field.get()).map_err(Error::internal)
    }

    /// Replaces the page in a field by its rows. Returns the page.
    ///
    /// # Errors
    /// `INTERNAL` if the field is no page.
    pub fn unwrap_page(&mut self, name: &'a str) -> Result<PageJson<'a>> {
        let page: PageJson<'_> = self.get(name)?;
        self.0.insert(name, page.nodes);
        Ok(page)
    }
}

/// Returns the `Link` to the page that follows (RFC 8288), with the parameters that differ.
#[must_use]
pub fn next_link(path: &str, parameters: &[(&str, i64)]) -> String {
    let query: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("<{path}?{}>; rel=\"next\"", query.join("&"))
}

/// Returns a page as JSON, with the `Link` if another page follows, or `BUSY` if too many answers are
/// not sent yet.
pub fn page_response(rows: impl Serialize, link: Option<String>) -> Response {
    let Ok(body) = serde_json::to_vec(&rows) else {
        return Problem::from(Error::internal("a page is not JSON")).into_response();
    };
    let Ok(body) = byte_budget::hold_answer(body) else {
        return Problem::from(problem::busy()).into_response();
    };
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    insert_link(&mut response, link);
    response
}

/// Adds the `Link`, if there is one.
pub fn insert_link(response: &mut Response, link: Option<String>) {
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
}

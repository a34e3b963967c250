//! The query string of a request.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use schema::{Error, ErrorCode, FieldErrors, Result, id};

use crate::problem::Problem;

/// The parameters of a query string. Of several with a name, the last one counts.
#[derive(Debug, Default)]
pub struct QueryParams {
    pairs: Vec<(String, String)>,
    pub(super) errors: FieldErrors,
}

impl QueryParams {
    /// Returns the value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Reads the size of a page. A bad one is recorded as an error.
    pub fn page_size(&mut self, name: &str, default: i32, max: i32) -> i32 {
        let Some(text) = self.get(name) else { return default };
        let size = text.parse().ok().filter(|size| (1..=max).contains(size));
        size.unwrap_or_else(|| {
            let detail = format!("must be an integer between 1 and {max}");
            self.errors.push(&format!("/{name}"), detail);
            default
        })
    }

    /// Reads the id of the last row of the previous page; `None` for the first page. A bad one is
    /// recorded as an error.
    pub fn after(&mut self, name: &str) -> Option<i64> {
        let text = self.get(name)?;
        // Ids begin at 1, so 0 is before the first row.
        if text == "0" {
            return None;
        }
        let after = id::parse(text);
        if after.is_none() {
            self.errors.push(&format!("/{name}"), "must be an integer, the id of a row");
        }
        after
    }

    /// Returns the `Link` to this list from another position on (RFC 8288).
    #[must_use]
    pub fn link_with(&self, path: &str, name: &str, position: &str) -> String {
        let others = self.pairs.iter().filter(|(known, _)| known != name);
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(others).append_pair(name, position).finish();
        format!("<{path}?{query}>; rel=\"next\"")
    }

    /// Returns the errors of the parameters that were read.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad parameter.
    pub fn into_result(self) -> Result<()> {
        self.errors.into_result()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let detail = "The query string is malformed.";
        let query = Query::from_request_parts(parts, state).await;
        let Query(pairs) = query.map_err(|_| Error::new(ErrorCode::BadRequest, detail))?;
        Ok(Self { pairs, errors: FieldErrors::default() })
    }
}

//! The query string of a request.

use std::collections::HashMap;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use schema::{Error, ErrorCode, FieldErrors, Result, id, pagination::MAX_PAGE_SIZE};

use crate::problem::Problem;

/// The parameters of a query string: the last value of each name.
#[derive(Debug, Default)]
pub struct QueryParams {
    values: HashMap<String, String>,
    errors: FieldErrors,
}

impl QueryParams {
    /// Reads the size of a page. A bad one is recorded as an error.
    pub fn page_size(&mut self, name: &str, default: i32) -> i32 {
        let Some(text) = self.values.get(name) else { return default };
        let size = text.parse().ok().filter(|size| (1..=MAX_PAGE_SIZE).contains(size));
        size.unwrap_or_else(|| {
            let detail = format!("must be an integer between 1 and {MAX_PAGE_SIZE}");
            self.errors.push(&format!("/{name}"), detail);
            default
        })
    }

    /// Reads the id of the last row of the previous page; `None` for the first page. A bad one is
    /// recorded as an error.
    pub fn after(&mut self, name: &str) -> Option<i64> {
        let text = self.values.get(name)?;
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
        let Query(values) = query.map_err(|_| Error::new(ErrorCode::BadRequest, detail))?;
        Ok(Self { values, errors: FieldErrors::default() })
    }
}

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use schema::{FieldErrors, Result, id};

use super::{Pairs, bad_request, size};
use crate::problem::Problem;

/// The parameters of a query string, read one by one; every bad one is named.
#[derive(Debug, Default)]
pub struct Params {
    pairs: Pairs,
    fields: FieldErrors,
}

impl Params {
    /// The size of a page, 1 to 1000.
    pub fn size(&mut self, name: &str, default: i32) -> i32 {
        let Some(text) = self.pairs.get(name) else { return default };
        size(text).unwrap_or_else(|| {
            self.fields.push(&format!("/{name}"), "must be an integer between 1 and 1000");
            default
        })
    }

    /// The id of the last row of the page before.
    pub fn after(&mut self, name: &str) -> Option<i64> {
        let text = self.pairs.get(name)?;
        // Nothing comes before the first row, so 0 is where a walk starts.
        if text == "0" {
            return None;
        }
        let after = id::parse(text);
        if after.is_none() {
            self.fields.push(&format!("/{name}"), "must be an integer, the id of a row");
        }
        after
    }

    /// Nothing where every parameter was good.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad parameter.
    pub fn finish(self) -> Result<()> {
        self.fields.into_result()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::from_request_parts(parts, state)
            .await
            .map_err(|_| bad_request("The query string is not well formed."))?;
        Ok(Self { pairs, fields: FieldErrors::default() })
    }
}

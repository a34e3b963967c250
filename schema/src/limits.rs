//! Limits on documents, checked before a resolver runs.
//!
//! Source: OWASP GraphQL cheat sheet, "Query limiting (depth & amount)".

use async_graphql::SchemaBuilder;

/// Maximum levels of nesting. The introspection query of common tools has 15.
pub const MAX_DEPTH: usize = 16;
/// Maximum number of fields, each multiplied by the rows of its page.
pub const MAX_COMPLEXITY: usize = 200_000;

/// The number of rows that a list without a `first` argument counts as.
pub const UNSIZED_LIST_COST: usize = 20;

/// Sets the limits on a schema that runs documents of clients. Those that need no schema, such as the
/// number of aliases, are set where documents are parsed: `graphql_http::Limits`.
#[must_use]
pub fn apply<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S> {
    builder.limit_depth(MAX_DEPTH).limit_complexity(MAX_COMPLEXITY)
}

/// Returns the complexity of a page: its fields multiplied by its maximum number of rows.
#[must_use]
pub fn page_complexity(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first.or(last).unwrap_or(crate::pagination::DEFAULT_PAGE_SIZE);
    // A size out of range is rejected later, by `PageRequest::new`, with an error that names it.
    1 + usize::try_from(size.min(crate::pagination::MAX_PAGE_SIZE))
        .unwrap_or_default()
        .saturating_mul(child)
}

//! What a document may ask for, checked before anything is resolved.
//!
//! Source: OWASP GraphQL cheat sheet, "Query limiting (depth & amount)".

use async_graphql::SchemaBuilder;

/// Levels of nesting. An introspection query of the usual tools needs 15.
pub const DEPTH: usize = 16;
/// Fields, each counted as often as the page it stands on may repeat it.
pub const COMPLEXITY: usize = 200_000;

/// How many rows a list without a size of its own is counted as.
pub const UNSIZED_LIST_COST: usize = 20;

/// Puts the limits on a schema that outside documents reach. Those that need no schema, such as the
/// number of aliases, are set where documents are parsed: `graphql_http::Limits`.
#[must_use]
pub fn apply<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S> {
    builder.limit_depth(DEPTH).limit_complexity(COMPLEXITY)
}

/// The complexity of a page: its fields as often as the page can hold rows.
#[must_use]
pub fn page_complexity(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first.or(last).unwrap_or(crate::pagination::DEFAULT_PAGE_SIZE);
    // One that no page has is refused when the page is read, with words that name it.
    1 + usize::try_from(size.min(crate::pagination::MAX_PAGE_SIZE))
        .unwrap_or_default()
        .saturating_mul(child)
}

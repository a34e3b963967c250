//! Limits on documents, checked before a resolver runs.
//!
//! Source: OWASP GraphQL cheat sheet, "Query limiting (depth & amount)".

use async_graphql::SchemaBuilder;

/// Maximum levels of nesting. The introspection query of common tools has 15.
pub const MAX_DEPTH: usize = 16;
/// Maximum number of fields, each multiplied by the rows of its page. The full pages of 20 users with
/// all fields of their offers are within it, the texts of 40 full pages are not.
pub const MAX_COMPLEXITY: usize = 800_000;
/// Maximum number of representations in a request for entities.
pub const MAX_ENTITIES: usize = 1000;
/// Maximum complexity of entities, each counted as often as it is requested. It is larger than
/// [`MAX_COMPLEXITY`], since this is the way in which services ask each other: it has room for the
/// full pages of 100 users with all fields of their offers.
pub const MAX_ENTITIES_COMPLEXITY: usize = 4_000_000;
/// The number of fields that the text of an offer counts as.
pub const TEXT_COMPLEXITY: usize = 20;

/// Sets the limits on a schema that runs documents of clients. Those that need no schema, such as the
/// number of aliases, are set where documents are parsed: `graphql_http::Limits`.
#[must_use]
pub fn apply<Q, M, S>(builder: SchemaBuilder<Q, M, S>) -> SchemaBuilder<Q, M, S> {
    builder.limit_depth(MAX_DEPTH).limit_complexity(MAX_COMPLEXITY)
}

/// Returns the complexity of a field of an entity, as the attributes of the resolvers have it.
#[must_use]
pub fn entity_field_complexity(
    name: &str,
    first: Option<i32>,
    last: Option<i32>,
    child: usize,
) -> usize {
    match name {
        "text" => TEXT_COMPLEXITY,
        "offers" => full_page_complexity(child),
        "offersConnection" => page_complexity(first, last, child),
        _ => 1 + child,
    }
}

/// Returns the complexity of a list of maximum size, such as the offers of a user.
#[must_use]
pub fn full_page_complexity(child: usize) -> usize {
    page_complexity(Some(crate::pagination::MAX_PAGE_SIZE), None, child)
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

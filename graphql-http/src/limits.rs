//! The limits on a document, checked in time linear to its text, before anything is validated or
//! resolved.
//!
//! Depth, and complexity weighted by page sizes, are limits of the schema. The limits here keep those
//! cheap: a validator that follows fragments takes exponential time if fragments spread fragments,
//! and one that follows a cycle never returns.
//!
//! Nesting has one limit, [`Limits::max_nesting`], which holds for the text (open brackets, before
//! the parser recurses) and for the document (selections, with fragments spread). It also bounds the
//! recursion of this crate. The depth of fields is the schema's: `SchemaBuilder::limit_depth`.
//!
//! Source: OWASP GraphQL cheat sheet, "Query limiting (depth & amount)".

/// The limits on requests and documents.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body and of a WebSocket message.
    pub max_body_bytes: usize,
    /// Tokens of a document.
    pub max_tokens: usize,
    /// Levels of nesting: brackets in the text, selections once fragments are spread.
    pub max_nesting: usize,
    /// Operations and fragments.
    pub max_definitions: usize,
    /// Selections, arguments and values, counted each time that their fragment is spread.
    pub max_nodes: usize,
    /// Aliases, counted likewise.
    pub max_aliases: usize,
    /// Directives at one place.
    pub max_directives: usize,
    /// Fields at the root of an operation.
    pub max_root_fields: usize,
    /// The cost of `__schema` and `__type`: the approximate number of fields in their result. The
    /// introspection query of common tools costs a tenth of the default.
    pub max_introspection_cost: usize,
    /// Bytes of variables, counted each time that a variable is read.
    pub max_variable_bytes: usize,
    /// Bytes of parsed documents in the cache.
    pub max_cache_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 256 * 1024,
            max_tokens: 5_000,
            max_nesting: 40,
            max_definitions: 100,
            max_nodes: 10_000,
            max_aliases: 50,
            max_directives: 8,
            max_root_fields: 100,
            max_introspection_cost: 1_000_000,
            max_variable_bytes: 8 * 1024 * 1024,
            max_cache_bytes: 8 * 1024 * 1024,
        }
    }
}

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

/// A field whose cost is asked for.
#[derive(Clone, Copy, Debug)]
pub struct FieldToCost<'a> {
    /// The name of the field.
    pub name: &'a str,
    /// The arguments `first` and `last` if they are integers.
    pub first: Option<i32>,
    /// See `first`.
    pub last: Option<i32>,
    /// The cost of the fields that are selected from it.
    pub children: usize,
}

/// Returns the cost of a field with all that is selected from it.
pub type FieldCost = fn(FieldToCost<'_>) -> usize;

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
    /// Representations of entities in a request, if the schema is a subgraph of a federated graph.
    pub max_entities: usize,
    /// The sum of [`field_cost`](Self::field_cost) over all entities. async-graphql counts their
    /// selection once, however many there are.
    pub max_entities_cost: usize,
    /// Returns the cost of a field of an entity.
    pub field_cost: FieldCost,
    /// Bytes of variables, counted each time that a variable is read.
    pub max_variable_bytes: usize,
    /// Values in variables and extensions, those within lists and objects included.
    pub max_values: usize,
    /// Bytes of parsed documents in the cache.
    pub max_cache_bytes: usize,
    /// Bytes of text of a document in the cache: larger ones are parsed each time.
    pub max_cached_text_bytes: usize,
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
            max_entities: 1_000,
            max_entities_cost: 1_000_000,
            field_cost: |field| field.children + 1,
            max_variable_bytes: 8 * 1024 * 1024,
            max_values: 10_000,
            max_cache_bytes: 8 * 1024 * 1024,
            max_cached_text_bytes: 16 * 1024,
        }
    }
}

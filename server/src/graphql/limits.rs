//! What a document may ask for, checked in time linear to its text, before anything is validated
//! or resolved.
//!
//! Depth, and complexity weighted by page sizes, are limits of the schema. These here keep them
//! cheap: a validator that follows fragments takes exponential time where fragments spread
//! fragments, and one that follows a cycle takes forever.
//!
//! Source: OWASP GraphQL cheat sheet, "Query limiting (depth & amount)".

use schema::ErrorCode;

use super::answer::Refusal;

/// What a document may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Tokens of its text.
    pub tokens: usize,
    /// Brackets open at once.
    pub nesting: usize,
    /// Operations and fragments.
    pub definitions: usize,
    /// Selections, arguments and values, counted as often as their fragment is spread.
    pub size: usize,
    /// Aliases, counted likewise.
    pub aliases: usize,
    /// Directives at one place.
    pub directives: usize,
    /// Fields at the root of an operation.
    pub root_fields: usize,
    /// The weight of `__schema` and `__type`: about how many fields they answer. What the usual
    /// tools ask weighs a tenth of the default.
    pub introspection: usize,
    /// Bytes of variables, counted as often as a variable is read.
    pub variables: usize,
    /// Bytes of documents that are kept for the next time.
    pub kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tokens: 5_000,
            nesting: 40,
            definitions: 100,
            size: 10_000,
            aliases: schema::limits::MAX_ALIASES,
            directives: schema::limits::MAX_DIRECTIVES,
            root_fields: 100,
            introspection: 1_000_000,
            variables: 8 * 1024 * 1024,
            kept: 8 * 1024 * 1024,
        }
    }
}

pub(super) fn too_complex(detail: &'static str) -> Refusal {
    schema::Error::new(ErrorCode::QueryTooComplex, detail).into()
}

//! REST routes as adapters: each runs one GraphQL document and translates the answer.
//!
//! A route reads a [`JsonBody`] and [`QueryParams`], its [`RouteDocument`] checks the body against the
//! input types that it declares, and the resolvers apply the rules.

mod body;
pub mod conditional;
mod document;
mod input;
mod page;
mod params;

pub use body::JsonBody;
pub use conditional::{Preconditions, tagged_response};
pub use document::{FieldJson, RouteDocument, RouteSchema, compare_fragment};
pub use page::{ObjectJson, PageJson, insert_link, next_link, page_response};
pub use params::QueryParams;

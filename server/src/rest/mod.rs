//! REST routes as adapters: each runs one GraphQL document and translates the answer.
//!
//! A route reads a [`JsonBody`] and [`QueryParams`], its [`RouteDocument`] checks the body against the
//! input types that it declares, and the resolvers apply the rules.

mod body;
mod document;
mod input;
mod page;
mod params;

pub use body::JsonBody;
pub use document::{FieldJson, RouteDocument, RouteSchema};
pub use page::{ObjectJson, PageJson, next_link, page_response};
pub use params::QueryParams;

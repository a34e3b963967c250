//! The content of the pages.

use utoipa::openapi::OpenApi;

/// The content of the pages of a service.
#[derive(Clone)]
pub struct UiConfig {
    /// The name of the binary.
    pub service: &'static str,
    /// The heading of the start page.
    pub title: &'static str,
    /// The purpose of the service, in a sentence or two.
    pub summary: &'static str,
    /// Cards of this service alone, besides those to GraphiQL and the documentation.
    pub cards: Vec<Card>,
    /// True if `GET /graphql` serves GraphiQL.
    pub graphiql: bool,
    /// The documents of GraphiQL's first tabs. The operation name is the title of the tab.
    pub queries: &'static [&'static str],
    /// The OpenAPI document of the REST routes.
    pub openapi: OpenApi,
}

/// A card on the start page.
#[derive(Debug, Clone)]
pub struct Card {
    /// The address of the link; a card without one is plain text.
    pub href: Option<String>,
    /// The name of the link.
    pub label: &'static str,
    /// A sentence on its content.
    pub text: &'static str,
}

/// Escapes text for an element or a quoted attribute of HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

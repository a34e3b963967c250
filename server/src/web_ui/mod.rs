//! What a browser is shown: the start page, the REST documentation and GraphiQL. Everything they load comes from
//! this process, so that they work without a foreign host and under a strict content security policy.

mod assets;
mod start_page;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;

use assets::Asset;

/// What the pages say about a service.
#[derive(Clone)]
pub struct Pages {
    /// The name of the binary, as `users-api`.
    pub service: &'static str,
    /// A heading for people, as `Users`.
    pub title: &'static str,
    /// What the service is for, in a sentence or two.
    pub summary: &'static str,
    /// What to link beside the pages that every service has: the other service, the public keys.
    pub links: Vec<Link>,
    /// Whether `GET /graphql` shows GraphiQL.
    pub graphiql: bool,
    /// The documents GraphiQL starts with, a tab each. The name of the operation is the title of the tab.
    pub queries: &'static [&'static str],
    /// The description of the REST routes.
    pub openapi: OpenApi,
}

/// A card on the start page.
#[derive(Debug, Clone)]
pub struct Link {
    /// Where it leads; a card without an address is plain text.
    pub href: Option<String>,
    /// What it leads to.
    pub label: &'static str,
    /// What is found there.
    pub text: &'static str,
}

/// Only this origin may be loaded from or talked to, nothing runs or styles from within the page, and nothing
/// frames it. Swagger UI and CodeMirror draw small images from `data:` addresses.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                                img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Serves `/`, `/docs`, `/openapi.json` and what they load.
///
/// # Errors
/// Fails where the description of the REST routes cannot be written as JSON.
pub fn router(pages: &Pages) -> Result<Router, serde_json::Error> {
    let index = start_page::render(pages);
    let docs = format!(include_str!("../../assets/docs.html"), service = escape(pages.service));
    let openapi = Asset::owned("application/json", pages.openapi.to_json()?);
    let router = Router::new()
        .route("/", get(async move || page(index.clone())))
        .route("/docs", get(async move || page(docs.clone())))
        .route("/openapi.json", openapi.into_route());
    Ok(assets::all()
        .into_iter()
        .fold(router, |router, (path, asset)| router.route(path, asset.into_route())))
}

/// Answers with GraphiQL for the endpoint that was asked. It sends what its headers editor holds, also as the
/// payload of `connection_init`, and subscribes at the endpoint's own address followed by `/ws`.
#[must_use]
pub fn graphiql(pages: &Pages) -> Response {
    let queries = serde_json::Value::from(pages.queries).to_string();
    page(format!(
        include_str!("../../assets/graphiql.html"),
        service = escape(pages.service),
        queries = escape(&queries),
    ))
}

fn page(html: String) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(html)).into_response()
}

/// Makes text safe inside an element and inside a quoted attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;

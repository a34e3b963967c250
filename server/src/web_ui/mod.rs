//! The pages for browsers: the start page, the REST documentation and GraphiQL. All their files come from
//! this process, so they need no other host and fit a strict content security policy.

mod assets;
mod config;
mod start_page;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use assets::Asset;
use config::escape;
pub use config::{Card, UiConfig};

/// Allows scripts, styles and requests of this origin only, nothing inline and no frames. Swagger UI and CodeMirror
/// draw small images from `data:` URLs.
const CONTENT_SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                                img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns the routes `/`, `/docs`, `/openapi.json` and `/assets/`.
///
/// # Errors
/// If the OpenAPI document cannot be serialised.
pub fn router(ui: &UiConfig) -> Result<Router, serde_json::Error> {
    let index = start_page::render(ui);
    let docs = format!(include_str!("../../assets/docs.html"), service = escape(ui.service));
    let openapi = Asset::dynamic("application/json", ui.openapi.to_json()?);
    let router = Router::new()
        .route("/", get(async move || html_response(index.clone())))
        .route("/docs", get(async move || html_response(docs.clone())))
        .route("/openapi.json", openapi.into_route());
    Ok(assets::static_assets()
        .into_iter()
        .fold(router, |router, (path, asset)| router.route(path, asset.into_route())))
}

/// Returns GraphiQL for the endpoint at its own URL. It sends the headers of its editor, also as the payload of
/// `connection_init`, and subscribes at that URL followed by `/ws`.
#[must_use]
pub fn graphiql(ui: &UiConfig) -> Response {
    let queries = serde_json::Value::from(ui.queries).to_string();
    html_response(format!(
        include_str!("../../assets/graphiql.html"),
        service = escape(ui.service),
        queries = escape(&queries),
    ))
}

fn html_response(html: String) -> Response {
    let headers = [
        (CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, Html(html)).into_response()
}

#[cfg(test)]
mod tests;

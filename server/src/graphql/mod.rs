//! GraphQL over HTTP and over WebSocket, for any schema of async-graphql on axum.
//!
//! One [`Endpoint`] answers at two addresses:
//!
//! - `/graphql`: `POST` and `GET`, by the GraphQL-over-HTTP specification. Where its drafts differ
//!   on a status, the one that public audits and clients expect is used: 400 and 200, where the
//!   draft of 2026 prefers 422 and 294.
//! - `/graphql/ws`: the sub-protocol `graphql-transport-ws`, by the PROTOCOL.md of graphql-ws.
//!
//! The way of a request: [`accept`] picks the media type of the answer, [`params`] reads what was
//! asked, [`cache`] finds the document or [`document`] reads it within [`limits`], [`engine`] runs
//! it on a schema that [`defaults`] stands before, [`answer`] gives every error a code.

mod absent;
mod accept;
mod answer;
mod cache;
mod defaults;
mod document;
mod engine;
mod http;
mod introspection;
mod limits;
mod measure;
mod order;
mod params;
mod root;
mod scan;
mod ws;

use std::sync::Arc;

use async_graphql::Executor;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    response::Response,
    routing::{any, get},
};
use tokio::sync::watch;

use crate::auth::Authenticator;

pub use limits::Limits;
pub(crate) use root::distinct;
pub use ws::Sockets;

/// The address of queries and mutations.
pub const PATH: &str = "/graphql";
/// The address of WebSockets.
pub const SOCKET_PATH: &str = "/graphql/ws";
/// The most bytes of a body and of a WebSocket message.
pub const BODY: usize = 256 * 1024;

/// Makes the page that a browser is shown.
pub type Page = Arc<dyn Fn() -> Response + Send + Sync>;

/// The GraphQL side of a service.
///
/// The schema gets a [`Viewer`](schema::Viewer) with each request.
#[derive(Clone)]
pub struct Endpoint<E> {
    /// What answers.
    pub schema: E,
    /// How a token is told good from bad. A `Viewer` in the extensions of an HTTP request, put
    /// there by [`auth::layer`](crate::auth::layer), is taken as it is.
    pub authenticator: Authenticator,
    /// Whether `__schema` and `__type` are answered.
    pub introspection: bool,
    /// What a browser is shown that comes without a query.
    pub page: Option<Page>,
    /// What a document may ask for.
    pub limits: Limits,
    /// Root fields of which a request may hold one in all: those that check or make secrets.
    pub once: &'static [&'static str],
    /// What a WebSocket may do.
    pub sockets: Sockets,
    /// Turns true when the service ends: sockets are closed then. The sender is `closed` once the
    /// router and the last socket are gone, which is worth waiting for.
    pub shutdown: watch::Receiver<bool>,
}

impl<E> Endpoint<E> {
    /// An endpoint with introspection, without a page, that never ends.
    #[must_use]
    pub fn new(schema: E, authenticator: Authenticator) -> Self {
        Self {
            schema,
            authenticator,
            introspection: true,
            page: None,
            limits: Limits::default(),
            once: &[],
            sockets: Sockets::default(),
            shutdown: watch::channel(false).1,
        }
    }
}

/// What the handlers share.
struct Shared<E> {
    engine: engine::Engine<E>,
    authenticator: Authenticator,
    page: Option<Page>,
    sockets: Sockets,
    shutdown: watch::Receiver<bool>,
}

/// The routes [`PATH`] and [`SOCKET_PATH`].
pub fn router<E: Executor>(endpoint: Endpoint<E>) -> Router {
    let Endpoint { schema, authenticator, introspection, page, limits, once, sockets, shutdown } =
        endpoint;
    let schema = defaults::Known(schema);
    let engine = engine::Engine::new(schema, limits, once, introspection);
    routes(Arc::new(Shared { engine, authenticator, page, sockets, shutdown }))
}

fn routes<E: Executor>(shared: Arc<Shared<E>>) -> Router {
    let methods = get(http::get::<E>).post(http::post::<E>).fallback(http::not_allowed);
    Router::new()
        .route(PATH, methods.layer(DefaultBodyLimit::max(BODY)))
        .route(SOCKET_PATH, any(ws::upgrade::<E>))
        .with_state(shared)
}

#[cfg(test)]
mod tests;

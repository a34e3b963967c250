//! GraphQL over HTTP and WebSocket, for any schema of async-graphql on axum.
//!
//! One [`Endpoint`] answers at two addresses:
//!
//! - [`PATH`]: `POST` and `GET`, by the GraphQL-over-HTTP specification. Where its drafts differ on a
//!   status, the one that public audits and clients expect is used: 400 and 200, where the draft of
//!   2026 prefers 422 and 294.
//! - [`WEBSOCKET_PATH`]: the sub-protocol `graphql-transport-ws`, by the PROTOCOL.md of graphql-ws.
//!
//! An application adds its own rules at three seams: [`ClientAuthenticator`] identifies clients,
//! [`ErrorPolicy`] maps errors to HTTP, [`TaskContext`] keeps traces across tasks. `()` implements all
//! three.
//!
//! The path of a request: `negotiation` picks the media type of the response, `params` reads the
//! parameters, `cache` finds the document or `document` parses it (`syntax`) within [`Limits`] and
//! `validation` checks it, `executor` runs it on a schema behind the work-arounds of `compat`, `response`
//! gives every error a code.

mod authenticator;
pub mod byte_budget;
mod cache;
mod compat;
mod cost;
mod document;
mod error;
mod executor;
mod field_collection;
mod http;
mod limits;
mod negotiation;
mod params;
mod response;
mod root_fields;
mod syntax;
mod task_context;
mod token_limits;
mod validation;
mod ws;

use std::sync::Arc;

use async_graphql::{ObjectType, Schema, SchemaBuilder, SubscriptionType, ValidationMode};
use axum::{Router, extract::DefaultBodyLimit, response::Response, routing::get};
use tokio::sync::watch;

use cache::DocumentCache;
use error::RequestError;
use executor::DocumentExecutor;
use validation::SchemaTypes;

pub use authenticator::ClientAuthenticator;
pub use error::{EndpointErrorCode, ErrorPolicy};
pub use field_collection::has_unique_keys;
pub use limits::{FieldCost, FieldToCost, Limits};
pub use task_context::TaskContext;
pub use ws::WebSocketLimits;

/// The path of queries and mutations.
pub const PATH: &str = "/graphql";
/// The path of WebSockets.
pub const WEBSOCKET_PATH: &str = "/graphql/ws";

/// Creates the page that a browser is shown.
pub type LandingPage = Arc<dyn Fn() -> Response + Send + Sync>;

/// A GraphQL endpoint: a schema, and all that it is served with.
#[derive(Clone)]
pub struct Endpoint<E, A> {
    /// The schema, which executes without validating: the endpoint does that once a document.
    pub schema: E,
    /// Identifies clients.
    pub authenticator: Arc<A>,
    /// Maps errors to HTTP.
    pub error_policy: Arc<dyn ErrorPolicy>,
    /// Keeps the context of requests in other tasks.
    pub task_context: Arc<dyn TaskContext>,
    /// True if `__schema`, `__type` and `_service` may be selected, and errors suggest names.
    pub introspection: bool,
    /// The page for a browser that sends no query.
    pub landing_page: Option<LandingPage>,
    /// The limits on requests and documents.
    pub limits: Limits,
    /// Root fields of which an operation may select one in all: those that check or create secrets.
    pub single_use_fields: &'static [&'static str],
    /// Root fields of mutations whose clients prove their identity in another way, such as by a
    /// password. An operation of such fields alone is executed as without credentials if those of
    /// the client are rejected: it may be sent to replace them.
    pub credential_fields: &'static [&'static str],
    /// The limits on WebSockets.
    pub websocket_limits: WebSocketLimits,
    /// Becomes true when the server shuts down: WebSockets are closed then. Its sender is `closed`
    /// once the router and the last WebSocket are dropped; a graceful shutdown waits for that.
    pub shutdown: watch::Receiver<bool>,
}

impl<Q, M, S, A> Endpoint<Schema<Q, M, S>, A>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    /// Creates an endpoint with introspection, without a landing page, that never shuts down.
    #[must_use]
    pub fn new(schema: SchemaBuilder<Q, M, S>, authenticator: A) -> Self {
        Self {
            schema: schema.validation_mode(ValidationMode::Fast).finish(),
            authenticator: Arc::new(authenticator),
            error_policy: Arc::new(()),
            task_context: Arc::new(()),
            introspection: true,
            landing_page: None,
            limits: Limits::default(),
            single_use_fields: &[],
            credential_fields: &[],
            websocket_limits: WebSocketLimits::default(),
            shutdown: watch::channel(false).1,
        }
    }
}

/// The state of the handlers.
struct EndpointState<E, A> {
    executor: DocumentExecutor<E>,
    authenticator: Arc<A>,
    landing_page: Option<LandingPage>,
    websocket_limits: WebSocketLimits,
    shutdown: watch::Receiver<bool>,
}

impl<E, A> EndpointState<E, A> {
    fn authentication_error(&self, error: impl Into<async_graphql::Error>) -> RequestError {
        RequestError::from_authenticator(error, &*self.executor.error_policy)
    }
}

impl<E, A: ClientAuthenticator> EndpointState<E, A> {
    /// Identifies the client of an operation. Returns the rejection of its credentials too if an
    /// operation may need none: the viewer is then the one without credentials.
    ///
    /// # Errors
    /// The credentials are rejected, or cannot be verified.
    async fn identify(
        &self,
        credentials: Result<Option<A::Credentials>, A::Error>,
    ) -> Result<(A::Viewer, Option<RequestError>), RequestError> {
        let verified = match credentials {
            Ok(credentials) => self.authenticator.verify_credentials(credentials).await,
            Err(error) => Err(error),
        };
        let rejection = match verified {
            Ok(viewer) => return Ok((viewer, None)),
            Err(error) => self.authentication_error(error),
        };
        if self.executor.credential_fields.is_empty() || !rejection.rejects_credentials() {
            return Err(rejection);
        }
        match self.authenticator.verify_credentials(None).await {
            Ok(viewer) => Ok((viewer, Some(rejection))),
            Err(_) => Err(rejection),
        }
    }
}

/// Returns the routes [`PATH`] and [`WEBSOCKET_PATH`].
///
/// # Panics
/// If the description of the schema is malformed.
pub fn router<Q, M, S, A>(endpoint: Endpoint<Schema<Q, M, S>, A>) -> Router
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
    A: ClientAuthenticator,
{
    #[allow(clippy::expect_used, reason = "a mistake of the program, found when it starts")]
    let types = SchemaTypes::from_sdl(&endpoint.schema.sdl()).expect("the SDL of the schema");
    let max_body_bytes = endpoint.limits.max_body_bytes;
    let methods = get(http::get::<Schema<Q, M, S>, A>)
        .post(http::post::<Schema<Q, M, S>, A>)
        .fallback(http::not_allowed);
    let state = EndpointState {
        executor: DocumentExecutor {
            types,
            schema: endpoint.schema,
            documents: Arc::new(DocumentCache::new(&endpoint.limits)),
            limits: endpoint.limits,
            single_use_fields: endpoint.single_use_fields,
            credential_fields: endpoint.credential_fields,
            introspection: endpoint.introspection,
            error_policy: endpoint.error_policy,
            task_context: endpoint.task_context,
        },
        authenticator: endpoint.authenticator,
        landing_page: endpoint.landing_page,
        websocket_limits: endpoint.websocket_limits,
        shutdown: endpoint.shutdown,
    };
    Router::new()
        .route(PATH, methods.layer(DefaultBodyLimit::max(max_body_bytes)))
        .route(
            WEBSOCKET_PATH,
            get(ws::upgrade::<Schema<Q, M, S>, A>).head(ws::not_allowed).fallback(ws::not_allowed),
        )
        .with_state(Arc::new(state))
}

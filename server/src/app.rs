//! Builds a service from its routes: adds health, metrics and the middleware of every request.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, Version, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use ipnet::IpNet;
use schema::Error;
use sea_orm::{DatabaseConnection, sea_query::SelectStatement};
use tokio::sync::watch;
use tower::util::option_layer;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate, SizeAbove},
    },
    cors::{AllowOrigin, Any as AnyOf, CorsLayer},
    normalize_path::NormalizePath,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::{RequestBodyDeadlineLayer, TimeoutLayer},
    trace::{DefaultMakeSpan, DefaultOnRequest, DefaultOnResponse, TraceLayer},
};
use tracing::Level;

use crate::{
    auth::{self, Authenticator},
    client_ip,
    health::{self, Readiness},
    metrics::Metrics,
    problem::{self, Problem},
    serve::AppService,
    settings::{Origin, Settings},
    telemetry::traces,
};

/// Limit on the body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Time for the body of a request to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request, from its head to the head of its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Responses smaller than this are not worth compressing.
const MIN_COMPRESS_BYTES: u64 = 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The parts that a service is built from.
pub struct ServiceParts<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The connection pool.
    pub database: DatabaseConnection,
    /// Statements that succeed only if every table has all its columns.
    pub readiness_queries: Vec<SelectStatement>,
    /// The metrics.
    pub metrics: Metrics,
    /// Verifies access tokens.
    pub authenticator: Authenticator,
    /// Request headers that pages of other origins may send, besides `Authorization` and
    /// `Content-Type`.
    pub cors_headers: Vec<HeaderName>,
    /// Becomes true when the service shuts down.
    pub stopping: watch::Receiver<bool>,
    /// Routes that authenticate: REST and GraphQL.
    pub api: Router,
    /// Routes that do not: pages and public keys.
    pub public: Router,
}

/// Builds a service: its routes with health, metrics and the middleware of every request.
#[must_use]
pub fn build(parts: ServiceParts<'_>) -> AppService {
    let readiness = Readiness::new(parts.database, parts.stopping.clone(), parts.readiness_queries);
    let router = parts
        .api
        // A route layer: unknown paths are 404 without a look at the token.
        .route_layer(from_fn_with_state(parts.authenticator, auth::middleware))
        .merge(parts.public)
        .merge(metrics_route(parts.metrics.clone()))
        .merge(health::router(readiness));
    let state = Arc::new(RequestState {
        trusted_proxies: parts.settings.trusted_proxies.clone(),
        metrics: parts.metrics,
        stopping: parts.stopping,
    });
    // The outermost first. One stack, because a router boxes and clones the inner service for each
    // layer that is added on its own.
    let router = router.layer((
        SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid),
        PropagateRequestIdLayer::new(REQUEST_ID),
        TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(Level::DEBUG))
            .on_request(DefaultOnRequest::new().level(Level::TRACE))
            // Failures are logged where they happen, with their cause.
            .on_failure(())
            .on_response(DefaultOnResponse::new().level(Level::DEBUG)),
        option_layer(traces::is_enabled().then(|| from_fn(traces::middleware))),
        from_fn_with_state(state, request_middleware),
        CatchPanicLayer::custom(panic_response),
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT),
        CompressionLayer::new().compress_when(compressible()),
        cors(&parts.settings.cors_origins, parts.cors_headers),
        RequestBodyDeadlineLayer::new(BODY_TIMEOUT),
        DefaultBodyLimit::max(MAX_BODY_BYTES),
    ));
    NormalizePath::trim_trailing_slash(router)
}

fn metrics_route(metrics: Metrics) -> Router {
    let render = get(async |State(metrics): State<Metrics>| metrics.render());
    Router::new().route("/metrics", render).with_state(metrics)
}

/// The state of [`request_middleware`].
struct RequestState {
    trusted_proxies: Vec<IpNet>,
    metrics: Metrics,
    stopping: watch::Receiver<bool>,
}

/// The middleware of every request: client address, metrics, error format, security headers and
/// the end of connections at shutdown. A single function, because each `from_fn` layer boxes and
/// clones the inner service.
async fn request_middleware(
    State(state): State<Arc<RequestState>>,
    request: Request,
    next: Next,
) -> Response {
    let is_http1 = request.version() < Version::HTTP_2;
    let client_ip = client_ip::from_request(&request, &state.trusted_proxies);
    let timer = state.metrics.start_request(&request);
    let response = client_ip::scope(client_ip, next.run(request)).await;
    let mut response = problem::normalize_error_response(response);
    add_security_headers(&mut response);
    timer.record_response(&response);
    if is_http1 && *state.stopping.borrow() {
        request_close(&mut response);
    }
    response
}

/// Asks the client to close its connection, as the service shuts down: closing an idle connection
/// later could lose a request that is already on its way (RFC 9112, section 9.6). HTTP/2 has
/// GOAWAY for this.
fn request_close(response: &mut Response) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

fn panic_response(_: Box<dyn Any + Send>) -> Response {
    Problem::from(Error::internal("a handler panicked")).into_response()
}

/// Restrictions on what a browser does with a response, unless the response sets its own (OWASP
/// REST security cheat sheet, "Security Headers"). `Strict-Transport-Security` is left to the
/// owner of the domain: here it would lock developers out of `http://localhost`.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

fn add_security_headers(response: &mut Response) {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
}

/// Leaves responses with `Cache-Control: no-store` uncompressed: the compressed size of a secret
/// leaks it to a client that chooses a part of the same response (BREACH).
fn compressible() -> impl Predicate {
    let no_secret = |_: StatusCode, _: _, headers: &axum::http::HeaderMap, _: &_| {
        headers.get(header::CACHE_CONTROL).is_none_or(|value| value != "no-store")
    };
    SizeAbove::new(MIN_COMPRESS_BYTES)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(no_secret)
}

fn cors(origins: &[Origin], headers: Vec<HeaderName>) -> CorsLayer {
    let headers = [header::AUTHORIZATION, header::CONTENT_TYPE].into_iter().chain(headers);
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(headers.collect::<Vec<_>>())
        .expose_headers([header::LINK, header::LOCATION, header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin.0 == "*") {
        return layer.allow_origin(AnyOf);
    }
    let list = origins.iter().filter_map(|origin| HeaderValue::from_str(&origin.0).ok());
    layer.allow_origin(AllowOrigin::list(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn error_of_a_large_body_names_the_limit() {
        let response =
            problem::normalize_error_response(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let limit = format!("{} KiB", MAX_BODY_BYTES / 1024);
        assert!(String::from_utf8_lossy(&body).contains(&limit), "{body:?}");
    }
}

//! A service around its routes: health, metrics, pages and the layers that every answer passes.

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
    health::{self, Needs},
    metrics::Metrics,
    problem::{self, Problem},
    serve::App,
    settings::{Origin, Settings},
    telemetry::traces,
};

/// The most bytes of a body.
pub const BODY: usize = 256 * 1024;
/// How long the body of a request may take to come.
const BODY_READ: Duration = Duration::from_secs(10);
/// How long a request may take.
const REQUEST: Duration = Duration::from_secs(30);
/// Answers below this many bytes are not worth compressing.
const COMPRESS: u64 = 1024;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a service is made of.
pub struct Parts<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// Its pool.
    pub database: DatabaseConnection,
    /// What shows that the tables are there: each fails where one, or a column of it, is not.
    pub tables: Vec<SelectStatement>,
    /// Its figures.
    pub metrics: Metrics,
    /// How it knows who asks.
    pub authenticator: Authenticator,
    /// Turns true when the service ends.
    pub stopping: watch::Receiver<bool>,
    /// The routes that look at who asks: REST and GraphQL.
    pub api: Router,
    /// The routes that don't: pages and keys.
    pub open: Router,
}

/// Puts a service together.
#[must_use]
pub fn assemble(parts: Parts<'_>) -> App {
    let metrics = get(async |State(metrics): State<Metrics>| metrics.show());
    let metrics = Router::new().route("/metrics", metrics).with_state(parts.metrics.clone());
    let needs = Needs::new(parts.database, parts.stopping.clone(), parts.tables);
    let around = Arc::new(Around {
        proxies: parts.settings.trusted_proxies.clone(),
        metrics: parts.metrics,
        stopping: parts.stopping,
    });
    let router = parts
        .api
        // Where there is nothing, nobody is asked who they are.
        .route_layer(from_fn_with_state(parts.authenticator, auth::layer))
        .merge(parts.open)
        .merge(metrics)
        .merge(health::router(needs))
        // One stack, the outermost first: a router boxes and clones the way of a request once for
        // each layer that it is given alone.
        .layer((
            SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid),
            PropagateRequestIdLayer::new(REQUEST_ID),
            TraceLayer::new_for_http()
                .make_span_with(DefaultMakeSpan::new().level(Level::DEBUG))
                .on_request(DefaultOnRequest::new().level(Level::TRACE))
                // A failure is told where it happens, in words.
                .on_failure(())
                .on_response(DefaultOnResponse::new().level(Level::DEBUG)),
            option_layer(traces::on().then(|| from_fn(traces::layer))),
            from_fn_with_state(around, frame),
            CatchPanicLayer::custom(panicked),
            TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST),
            CompressionLayer::new().compress_when(compressible()),
            cors(&parts.settings.cors_origins),
            RequestBodyDeadlineLayer::new(BODY_READ),
            DefaultBodyLimit::max(BODY),
        ));
    NormalizePath::trim_trailing_slash(router)
}

/// What the frame of every request looks at.
struct Around {
    proxies: Vec<IpNet>,
    metrics: Metrics,
    stopping: watch::Receiver<bool>,
}

/// All that is ours around a request: where it comes from, what it counts for, how its answer
/// leaves. One function, since each costs a copy of all that is further in.
async fn frame(State(around): State<Arc<Around>>, request: Request, next: Next) -> Response {
    let plain = request.version() < Version::HTTP_2;
    let origin = client_ip::of(&request, &around.proxies);
    let count = around.metrics.begin(&request);
    let response = client_ip::serve(origin, next.run(request)).await;
    let mut response = problem::normalize_error_response(response);
    harden(&mut response);
    count.end(&response);
    if plain && *around.stopping.borrow() {
        leave(&mut response);
    }
    response
}

/// Asks the client of a service that ends to leave: an idle connection that is closed later might
/// have a request under way by then (RFC 9112, section 9.6). HTTP/2 has its own word for it.
fn leave(response: &mut Response) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::from(Error::internal("a handler panicked")).into_response()
}

/// What a browser must not do with an answer, unless the answer says otherwise (OWASP REST
/// security cheat sheet, "Security Headers"). `Strict-Transport-Security` is for who owns the name
/// to promise: here it would lock a developer out of `http://localhost`.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
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

fn harden(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
}

/// Compressed secrets leak their text to who can choose a part of the answer (BREACH), so what
/// must not be stored is not compressed either.
fn compressible() -> impl Predicate {
    let no_secret = |_: StatusCode, _: _, headers: &axum::http::HeaderMap, _: &_| {
        headers.get(header::CACHE_CONTROL).is_none_or(|value| value != "no-store")
    };
    SizeAbove::new(COMPRESS)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(no_secret)
}

fn cors(origins: &[Origin]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, IDEMPOTENCY_KEY])
        .expose_headers([header::LINK, header::LOCATION, header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin.0 == "*") {
        return layer.allow_origin(AnyOf);
    }
    let list = origins.iter().filter_map(|origin| HeaderValue::from_str(&origin.0).ok());
    layer.allow_origin(AllowOrigin::list(list))
}

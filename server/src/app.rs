//! Builds a service from its routes: adds health, metrics and the middleware of every request.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
        header::{self, Entry},
    },
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use ipnet::IpNet;
use schema::Error;
use sea_orm::{DatabaseConnection, sea_query::SelectStatement};
use tokio::sync::watch;
use tower::{
    Layer, ServiceExt,
    util::{MapResponseLayer, option_layer},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate, SizeAbove},
    },
    cors::{AllowOrigin, Any as AnyOf, CorsLayer},
    normalize_path::NormalizePath,
    request_id::{MakeRequestId, MakeRequestUuid, RequestId},
    timeout::{RequestBodyDeadlineLayer, TimeoutLayer},
    trace::TraceLayer,
};
use tracing::Span;

use crate::{
    auth::{self, Authenticator},
    client_ip,
    health::{self, Readiness},
    metrics::Metrics,
    problem::{self, Problem},
    request_checks::check_request,
    rest::conditional,
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

/// Time that a browser may keep the answer to a preflight request: the longest that Chrome accepts.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(2);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Limit on the request id of a client, in bytes; a longer one is replaced.
const MAX_REQUEST_ID_BYTES: usize = 128;

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
    /// Request headers that pages of other origins may send, besides those that every service has.
    pub cors_headers: Vec<HeaderName>,
    /// Becomes true when the service shuts down.
    pub stopping: watch::Receiver<bool>,
    /// REST routes that authenticate by access token.
    pub api: Router,
    /// REST routes whose clients prove their identity in another way, such as by a password. An
    /// invalid access token is ignored.
    pub credentials: Router,
    /// The GraphQL endpoint, which authenticates by itself.
    pub graphql: Router,
    /// Routes that do not authenticate: pages and public keys.
    pub public: Router,
}

/// Builds a service: its routes with health, metrics and the middleware of every request.
#[must_use]
pub fn build(parts: ServiceParts<'_>) -> AppService {
    let readiness = Readiness::new(parts.database, parts.stopping.clone(), parts.readiness_queries);
    let authenticator = parts.authenticator;
    let ignore_invalid_token =
        from_fn_with_state(Arc::clone(&authenticator), auth::ignore_invalid_token);
    let router = parts
        .api
        // A route layer: unknown paths are 404 without a look at the token.
        .route_layer(from_fn_with_state(authenticator, auth::require_valid_token))
        // Not a route layer, which fails for a service that has no such routes.
        .merge(parts.credentials.layer(ignore_invalid_token))
        .merge(parts.graphql)
        .route_layer(MapResponseLayer::new(mark_personal))
        .merge(parts.public)
        .merge(metrics_route(parts.metrics.clone()))
        .merge(health::router(readiness));
    let state = Arc::new(RequestState {
        trusted_proxies: parts.settings.trusted_proxies.clone(),
        cors: cors(&parts.settings.cors_origins, parts.cors_headers),
        cors_origins: parts.settings.cors_origins.clone(),
        metrics: parts.metrics,
        stopping: parts.stopping,
    });
    // The outermost first. One stack, because a router boxes and clones the inner service for each
    // layer that is added on its own.
    let router = router.layer((
        TraceLayer::new_for_http()
            .make_span_with(request_span)
            .on_request(|_: &Request, _: &Span| tracing::debug!("request"))
            .on_body_chunk(|chunk: &Bytes, _: Duration, _: &Span| {
                tracing::trace!(bytes = chunk.len(), "part of the response body");
            })
            // Failures are logged where they happen, with their cause.
            .on_failure(())
            .on_eos(())
            .on_response(|response: &Response, latency: Duration, _: &Span| {
                tracing::debug!(status = response.status().as_u16(), ?latency, "response");
            }),
        option_layer(traces::is_enabled().then(|| from_fn(traces::middleware))),
        from_fn_with_state(state, request_middleware),
        CatchPanicLayer::custom(panic_response),
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, REQUEST_TIMEOUT),
        CompressionLayer::new().compress_when(compressible()),
        RequestBodyDeadlineLayer::new(BODY_TIMEOUT),
        DefaultBodyLimit::max(MAX_BODY_BYTES),
    ));
    NormalizePath::trim_trailing_slash(router)
}

fn metrics_route(metrics: Metrics) -> Router {
    let render = get(async |State(metrics): State<Metrics>| metrics.render());
    Router::new().route("/metrics", render).with_state(metrics)
}

/// Marks a response that depends on the access token of its request. Its headers are added outside of
/// the compression, which leaves out what already has `no-store`.
#[derive(Clone, Copy)]
struct Personal;

fn mark_personal(mut response: Response) -> Response {
    response.extensions_mut().insert(Personal);
    response
}

/// Returns the span of the log lines of a request, without its address: a path may contain a name,
/// and a query string whatever a client has sent.
fn request_span(request: &Request) -> Span {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    tracing::debug_span!("request", method = %request.method(), route)
}

/// The state of [`request_middleware`].
struct RequestState {
    trusted_proxies: Vec<IpNet>,
    cors: CorsLayer,
    cors_origins: Vec<Origin>,
    metrics: Metrics,
    stopping: watch::Receiver<bool>,
}

/// The middleware of every request: its id, client address, metrics, checks, CORS, error format,
/// security and cache headers, and the end of connections at shutdown. A single function, because
/// each `from_fn` layer boxes and clones the inner service.
async fn request_middleware(
    State(state): State<Arc<RequestState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_http1 = request.version() < Version::HTTP_2;
    let request_id = request_id(&request);
    let has_token = request.headers().contains_key(header::AUTHORIZATION);
    let client_ip = client_ip::from_request(&request, &state.trusted_proxies);
    let timer = state.metrics.start_request(&request);
    drop_refusals_of_identity(request.headers_mut());
    let response = client_ip::scope(client_ip, respond(&state, request, next)).await;
    let is_personal = response.extensions().get::<Personal>().is_some();
    let mut response = problem::normalize_error_response(response);
    let headers = response.headers_mut();
    conditional::tag_coding(headers);
    headers.extend(request_id.map(|id| (REQUEST_ID, id)));
    if is_personal {
        headers.append(header::VARY, header::AUTHORIZATION.into());
        if has_token {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
    add_security_headers(&mut response);
    timer.record_response(&response);
    // After 413 the rest of the body is still on its way.
    let is_unread = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
    if is_http1 && (is_unread || *state.stopping.borrow()) {
        request_close(&mut response);
    }
    response
}

/// Checks a request and runs its route. `OPTIONS` that is no preflight request of CORS returns the
/// methods of the route.
async fn respond(state: &RequestState, request: Request, next: Next) -> Response {
    if let Err(error) = check_request(&request, &state.cors_origins) {
        return Problem::from(error).into_response();
    }
    let asks_for_methods = request.method() == Method::OPTIONS
        && !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks_for_methods {
        let Ok(response) = state.cors.layer(next).oneshot(request).await;
        return response;
    }
    let is_for_server = request.uri().path() == "*";
    let mut response = next.run(request).await;
    if is_for_server || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // The router adds Allow afterwards, unless the route has set it.
        let allow = response.headers_mut().remove(header::ALLOW);
        response = StatusCode::NO_CONTENT.into_response();
        response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    response
}

/// Returns the request id that the client sent, or a new one if it sent none of 1 to
/// [`MAX_REQUEST_ID_BYTES`] visible ASCII characters.
fn request_id(request: &Request) -> Option<HeaderValue> {
    let is_valid = |id: &&HeaderValue| {
        (1..=MAX_REQUEST_ID_BYTES).contains(&id.len())
            && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    let sent = request.headers().get(REQUEST_ID).filter(is_valid).cloned();
    sent.or_else(|| MakeRequestUuid.make_request_id(request).map(RequestId::into_header_value))
}

/// Removes refusals of the coding `identity` from `Accept-Encoding`. A response without any coding is
/// allowed despite them (RFC 9110, section 12.5.3), and better than a 406 once the work is done.
fn drop_refusals_of_identity(headers: &mut HeaderMap) {
    let Entry::Occupied(mut entry) = headers.entry(header::ACCEPT_ENCODING) else { return };
    let is_refusal = |coding: &&str| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix(['q', 'Q']).and_then(|q| q.strip_prefix('='));
        matches!(name.trim().to_ascii_lowercase().as_str(), "identity" | "*")
            && weight.is_some_and(|weight| weight.trim().parse() == Ok(0_f32))
    };
    let lists = entry.iter().filter_map(|list| list.to_str().ok());
    let codings: Vec<_> = lists.flat_map(|list| list.split(',')).collect();
    if codings.iter().any(is_refusal) {
        let kept: Vec<_> = codings.into_iter().filter(|coding| !is_refusal(coding)).collect();
        if let Ok(kept) = HeaderValue::from_str(&kept.join(",")) {
            entry.insert(kept);
        }
    }
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
pub(crate) const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
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
    let no_secret = |_: StatusCode, _: _, headers: &HeaderMap, _: &_| {
        headers.get(header::CACHE_CONTROL).is_none_or(|value| value != "no-store")
    };
    SizeAbove::new(MIN_COMPRESS_BYTES)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::SSE)
        .and(no_secret)
}

fn cors(origins: &[Origin], headers: Vec<HeaderName>) -> CorsLayer {
    let common =
        [header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH, header::IF_NONE_MATCH];
    let headers = common.into_iter().chain(headers);
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(headers.collect::<Vec<_>>())
        .max_age(PREFLIGHT_MAX_AGE)
        .expose_headers([header::ETAG, header::LINK, header::LOCATION, header::RETRY_AFTER]);
    if origins.iter().any(|origin| origin.0 == "*") {
        return layer.allow_origin(AnyOf);
    }
    let list = origins.iter().filter_map(|origin| HeaderValue::from_str(&origin.0).ok());
    layer.allow_origin(AllowOrigin::list(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_never_refused() {
        for (sent, kept) in [
            ("*;q=0", ""),
            ("identity;q=0", ""),
            ("Identity; q=0.000", ""),
            ("gzip, *;q=0", "gzip"),
            ("gzip;q=0, *;q=0", "gzip;q=0"),
            ("gzip;q=0.5, *;q=0.1", "gzip;q=0.5, *;q=0.1"),
            ("br, identity", "br, identity"),
        ] {
            let mut headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, sent.parse().unwrap())]);
            drop_refusals_of_identity(&mut headers);
            assert_eq!(headers[header::ACCEPT_ENCODING], kept, "{sent}");
        }
    }

    #[test]
    fn request_id_is_short_and_visible() {
        let request_id = |sent: &str| {
            let request = Request::builder().header(REQUEST_ID, sent);
            request_id(&request.body(axum::body::Body::empty()).unwrap()).unwrap()
        };
        let longest = "x".repeat(MAX_REQUEST_ID_BYTES);
        assert_eq!(request_id(&longest), *longest);
        for bad in [&format!("{longest}x"), "", "a b"] {
            assert_eq!(request_id(bad).len(), 36, "{bad}");
        }
    }

    #[tokio::test]
    async fn error_of_a_large_body_names_the_limit() {
        let response =
            problem::normalize_error_response(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let limit = format!("{} KiB", MAX_BODY_BYTES / 1024);
        assert!(String::from_utf8_lossy(&body).contains(&limit), "{body:?}");
    }
}

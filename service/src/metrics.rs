//! Prometheus metrics, one registry a service.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;

/// The text format that Prometheus reads.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of the latency buckets, in seconds.
const LATENCY: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

/// What a service counts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Answer, Counter>,
    latency: Family<Route, Histogram>,
    statements: Counter,
    failed_statements: Counter,
    statement_latency: Histogram,
}

impl Metrics {
    /// Counts nothing yet. `own` registers what only this service counts.
    #[must_use]
    pub fn new(own: impl FnOnce(&mut Registry)) -> Self {
        let histogram = || Histogram::new(LATENCY);
        let mut registry = Registry::default();
        let requests = Family::default();
        let latency = Family::new_with_constructor(histogram as fn() -> Histogram);
        let (statements, failed_statements) = (Counter::default(), Counter::default());
        let statement_latency = histogram();
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_duration_seconds", "Time to answer", latency.clone());
        registry.register("db_statements", "Statements sent to the database", statements.clone());
        registry.register(
            "db_statements_failed",
            "Statements that failed",
            failed_statements.clone(),
        );
        registry.register(
            "db_statement_duration_seconds",
            "Time of a statement",
            statement_latency.clone(),
        );
        own(&mut registry);
        let registry = Arc::new(registry);
        Self { registry, requests, latency, statements, failed_statements, statement_latency }
    }

    /// Counts a statement.
    pub fn statement(&self, elapsed: Duration, failed: bool) {
        self.statements.inc();
        self.statement_latency.observe(elapsed.as_secs_f64());
        if failed {
            self.failed_statements.inc();
        }
    }

    /// All figures as text.
    #[must_use]
    pub fn show(&self) -> Response {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
            Err(error) => {
                crate::problem::Problem::from(schema::Error::internal(error)).into_response()
            }
        }
    }
}

/// Counts a request by its route, never by its path: that would be a series for each user.
pub async fn layer(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let method = request.method().as_str().to_owned();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let start = Instant::now();
    let response = next.run(request).await;
    metrics
        .latency
        .get_or_create(&Route { route: route.clone() })
        .observe(start.elapsed().as_secs_f64());
    let status = response.status().as_u16();
    metrics.requests.get_or_create(&Answer { method, route, status }).inc();
    response
}

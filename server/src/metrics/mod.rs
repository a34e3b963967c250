//! Prometheus metrics, one registry a service.

mod pool;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_graphql::dataloader::DataLoader;
use axum::{
    extract::{MatchedPath, Request},
    http::{Method, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use schema::BatchLoader;
use sea_orm::DatabaseConnection;
use tokio::time::Instant;

use crate::telemetry::log_writer::DroppedLinesCollector;
use pool::PoolCollector;

/// The media type of the text format that Prometheus reads.
const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of the batch size buckets, in keys.
const BATCH_SIZE_BUCKETS: [f64; 11] =
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0];
/// Upper bounds of the latency buckets, in seconds.
pub const LATENCY_BUCKETS: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BatchLabels {
    loader: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReadLabels {
    place: &'static str,
}

/// The metrics of a pool of reads. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ReadMetrics {
    pub(crate) from_primary: Counter,
    pub(crate) from_standby: Counter,
    /// In bytes of the write-ahead log.
    pub(crate) lag: Gauge,
    /// 1 if reads go to the standby, else 0.
    pub(crate) standby_in_use: Gauge,
}

impl ReadMetrics {
    fn new(registry: &mut Registry) -> Self {
        let reads: Family<ReadLabels, Counter> = Family::default();
        let (lag, standby_in_use) = (Gauge::default(), Gauge::default());
        registry.register("db_reads", "Reads of lists, by the server they went to", reads.clone());
        registry.register(
            "db_standby_lag_bytes",
            "Write-ahead log that the standby has not replayed, in bytes",
            lag.clone(),
        );
        registry.register(
            "db_standby_in_use",
            "1 if reads of lists go to the standby, else 0",
            standby_in_use.clone(),
        );
        let from = |place| reads.get_or_create_owned(&ReadLabels { place });
        Self { from_primary: from("primary"), from_standby: from("standby"), lag, standby_in_use }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: Arc<str>,
}

/// The metrics of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram>,
    statements: Counter,
    failed_statements: Counter,
    statement_latency: Histogram,
    batches: Family<BatchLabels, Histogram>,
    pub(crate) reads: ReadMetrics,
    pool: Arc<OnceLock<DatabaseConnection>>,
}

/// Only the metrics that every service has.
impl Default for Metrics {
    fn default() -> Self {
        Self::new(|_| ()).0
    }
}

impl Metrics {
    /// Registers the metrics of every service, and with `register_more` those of one service.
    #[must_use]
    pub fn new<T>(register_more: impl FnOnce(&mut Registry) -> T) -> (Self, T) {
        let histogram = || Histogram::new(LATENCY_BUCKETS);
        let mut registry = Registry::default();
        let requests = Family::default();
        let latency = Family::new_with_constructor(histogram as fn() -> Histogram);
        let (statements, failed_statements) = (Counter::default(), Counter::default());
        let statement_latency = histogram();
        registry.register("http_requests", "HTTP requests", requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "HTTP request duration in seconds",
            latency.clone(),
        );
        registry.register("db_statements", "Database statements", statements.clone());
        registry.register(
            "db_statements_failed",
            "Failed database statements",
            failed_statements.clone(),
        );
        registry.register(
            "db_statement_duration_seconds",
            "Database statement duration in seconds",
            statement_latency.clone(),
        );
        let batches = Family::new_with_constructor(
            (|| Histogram::new(BATCH_SIZE_BUCKETS)) as fn() -> Histogram,
        );
        registry.register("batch_size", "Keys per batch", batches.clone());
        let reads = ReadMetrics::new(&mut registry);
        let pool = Arc::default();
        registry.register_collector(Box::new(PoolCollector(Arc::clone(&pool))));
        registry.register_collector(Box::new(DroppedLinesCollector));
        let more = register_more(&mut registry);
        let registry = Arc::new(registry);
        let metrics = Self {
            registry,
            requests,
            latency,
            statements,
            failed_statements,
            statement_latency,
            batches,
            reads,
            pool,
        };
        (metrics, more)
    }

    /// Counts a database statement and its duration.
    pub fn record_statement(&self, elapsed: Duration, failed: bool) {
        self.statements.inc();
        self.statement_latency.observe(elapsed.as_secs_f64());
        if failed {
            self.failed_statements.inc();
        }
    }

    /// Returns a loader that batches look-ups, and counts their sizes under the label `name`.
    pub fn batch_loader<L>(&self, name: &'static str, loader: L) -> DataLoader<BatchLoader<L>> {
        let batches = self.batches.clone();
        BatchLoader::data_loader(loader, move |keys| {
            let count = u32::try_from(keys).unwrap_or(u32::MAX);
            batches.get_or_create(&BatchLabels { loader: name }).observe(count.into());
        })
    }

    /// Starts the timer of a request. It is labelled by its route: with its path there would be a
    /// series for each object.
    pub(crate) fn start_request(&self, request: &Request) -> RequestTimer<'_> {
        let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
        RequestTimer {
            metrics: self,
            method: method_label(request.method()),
            route: route.into(),
            start: Instant::now(),
        }
    }

    /// Adds the connections of a pool to the metrics. Only the first pool is observed.
    pub(crate) fn observe_pool(&self, pool: &DatabaseConnection) {
        let _ = self.pool.set(pool.clone());
    }

    /// Renders all metrics as text.
    #[must_use]
    pub fn render(&self) -> Response {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS_TYPE)], text).into_response(),
            Err(error) => {
                crate::problem::Problem::from(schema::Error::internal(error)).into_response()
            }
        }
    }
}

/// Returns the label of a method: `other` for those that clients make up, each of which would be a
/// series.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The timer of a request.
pub(crate) struct RequestTimer<'a> {
    metrics: &'a Metrics,
    method: &'static str,
    route: Arc<str>,
    start: Instant,
}

impl RequestTimer<'_> {
    /// Counts the request with its duration and the status of the response.
    pub(crate) fn record_response(self, response: &Response) {
        let Self { metrics, method, route, start } = self;
        let elapsed = start.elapsed().as_secs_f64();
        metrics.latency.get_or_create(&RouteLabels { route: Arc::clone(&route) }).observe(elapsed);
        let status = response.status().as_u16();
        metrics.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    }
}

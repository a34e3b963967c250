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
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use schema::BatchLoader;
use sea_orm::DatabaseConnection;
use tokio::time::Instant;

use pool::Pool;

/// The text format that Prometheus reads.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper bounds of the buckets for the sizes of batches.
const KEYS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0];
/// Upper bounds of the latency buckets, in seconds.
pub const LATENCY: [f64; 12] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answer {
    method: &'static str,
    route: Arc<str>,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Batch {
    of: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: Arc<str>,
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
    batches: Family<Batch, Histogram>,
    pool: Arc<OnceLock<DatabaseConnection>>,
}

/// Nothing but what every service counts.
impl Default for Metrics {
    fn default() -> Self {
        Self::new(|_| ()).0
    }
}

impl Metrics {
    /// Counts nothing yet. `own` registers what only this service counts.
    #[must_use]
    pub fn new<T>(own: impl FnOnce(&mut Registry) -> T) -> (Self, T) {
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
        let batches = Family::new_with_constructor((|| Histogram::new(KEYS)) as fn() -> Histogram);
        registry.register("batch_keys", "Look-ups done as one", batches.clone());
        let pool = Arc::default();
        registry.register_collector(Box::new(Pool(Arc::clone(&pool))));
        let own = own(&mut registry);
        let registry = Arc::new(registry);
        let metrics = Self {
            registry,
            requests,
            latency,
            statements,
            failed_statements,
            statement_latency,
            batches,
            pool,
        };
        (metrics, own)
    }

    /// Counts a statement.
    pub fn statement(&self, elapsed: Duration, failed: bool) {
        self.statements.inc();
        self.statement_latency.observe(elapsed.as_secs_f64());
        if failed {
            self.failed_statements.inc();
        }
    }

    /// Gathers look-ups, and counts the batches under this name.
    pub fn batches<L>(&self, of: &'static str, loader: L) -> DataLoader<BatchLoader<L>> {
        let batches = self.batches.clone();
        BatchLoader::data_loader(loader, move |keys| {
            let count = u32::try_from(keys).unwrap_or(u32::MAX);
            batches.get_or_create(&Batch { of }).observe(count.into());
        })
    }

    /// Begins to count a request by its route, never by its path: that would be a series for each
    /// user.
    pub(crate) fn begin(&self, request: &Request) -> Count<'_> {
        let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
        Count {
            metrics: self,
            method: method(request.method()),
            route: route.into(),
            start: Instant::now(),
        }
    }

    /// Shows the connections of a pool, the first that is given.
    pub(crate) fn watch(&self, pool: &DatabaseConnection) {
        let _ = self.pool.set(pool.clone());
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

/// The name of a method. A client may make up others, each of which would be a series.
fn method(method: &Method) -> &'static str {
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

/// A request that is being answered.
pub(crate) struct Count<'a> {
    metrics: &'a Metrics,
    method: &'static str,
    route: Arc<str>,
    start: Instant,
}

impl Count<'_> {
    /// Counts the request with what it came to.
    pub(crate) fn end(self, response: &Response) {
        let Self { metrics, method, route, start } = self;
        let elapsed = start.elapsed().as_secs_f64();
        metrics.latency.get_or_create(&Route { route: Arc::clone(&route) }).observe(elapsed);
        let status = response.status().as_u16();
        metrics.requests.get_or_create(&Answer { method, route, status }).inc();
    }
}

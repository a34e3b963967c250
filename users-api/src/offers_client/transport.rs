//! HTTP requests to offers-api, with time-outs, one retry and a circuit breaker.
//!
//! Every request is a query, so it may be sent twice. If both attempts fail to reach offers-api, the
//! circuit opens: requests fail at once, and only a probe is sent until it succeeds and closes the
//! circuit, so that no request waits to find out.

use std::{
    fmt::Display,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use reqwest::{Client, Response, Url, header};
use schema::{Error, ErrorCode, MAX_ANSWER_BYTES, Result, text};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use server::{client, metrics::LATENCY_BUCKETS};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// Limit on the body of a response, in bytes: no answer of offers-api is larger.
const MAX_RESPONSE_BYTES: usize = MAX_ANSWER_BYTES;
/// Time between two probes while the circuit is open.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// The metrics of requests to offers-api.
#[derive(Clone, Debug)]
pub(crate) struct TransportMetrics {
    requests: Family<OutcomeLabel, Counter>,
    duration: Histogram,
    circuit_open: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl TransportMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Histogram::new(LATENCY_BUCKETS),
            circuit_open: Gauge::default(),
        };
        registry.register(
            "offers_client_requests",
            "Requests to offers-api by outcome: success, error, too complex, or rejected by the open circuit",
            metrics.requests.clone(),
        );
        registry.register(
            "offers_client_request_duration_seconds",
            "offers-api request duration in seconds",
            metrics.duration.clone(),
        );
        registry.register(
            "offers_client_circuit_open",
            "1 while the circuit to offers-api is open, else 0",
            metrics.circuit_open.clone(),
        );
        metrics
    }

    fn count(&self, outcome: &'static str) {
        self.requests.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    fn count_error(&self, cause: &dyn Display) -> Error {
        self.count("error");
        tracing::warn!(%cause, "offers-api unavailable");
        unavailable()
    }
}

/// The state of the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    /// Requests are sent.
    Closed,
    /// Requests fail at once, only the probe is sent.
    Open,
}

/// The HTTP client of offers-api. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client,
    endpoint: Arc<Url>,
    /// Time without a response until offers-api is pinged, and time-out of the ping: a slow response
    /// is awaited, a dead service is not.
    unresponsive_after: Duration,
    /// Shared by all clones, like the metrics.
    circuit: watch::Sender<Circuit>,
    metrics: TransportMetrics,
}

/// The reason why there is no response.
enum Failure {
    /// There is no response, and none to a ping.
    Unresponsive,
    /// There is no response of success.
    Http(reqwest::Error),
    /// A response has begun, but cannot be read to its end.
    Body(client::BodyError),
}

/// A response of offers-api.
pub(crate) struct GraphqlResponse {
    body: Bytes,
    metrics: TransportMetrics,
}

impl GraphqlResponse {
    /// Deserializes the data of a response without errors. Texts are slices of the body.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`, or `QUERY_TOO_COMPLEX` if offers-api has refused the query as such.
    pub(crate) fn data<T: DeserializeOwned>(&self) -> Result<T> {
        #[derive(Deserialize)]
        struct ResponseBody<T> {
            data: Option<T>,
            #[serde(default)]
            errors: Vec<Value>,
        }
        match text::from_json(&self.body) {
            Ok(ResponseBody { data: Some(data), errors }) if errors.is_empty() => {
                self.metrics.count("success");
                Ok(data)
            }
            Ok(ResponseBody { errors, .. }) if errors.iter().any(is_too_complex) => {
                self.metrics.count("too_complex");
                Err(Error::new(
                    ErrorCode::QueryTooComplex,
                    "The offers are too large: ask for less.",
                ))
            }
            Ok(ResponseBody { errors, .. }) => Err(self.unusable(&format_args!("{errors:?}"))),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    /// Returns the number of bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Counts and logs a response that cannot be used; returns `OFFERS_UNAVAILABLE`.
    pub(crate) fn unusable(&self, cause: &dyn Display) -> Error {
        self.metrics.count_error(cause)
    }
}

impl Transport {
    /// Creates a client that gives up on an unresponsive offers-api after `give_up_after`.
    pub(crate) fn new(
        client: Client,
        url: &Url,
        give_up_after: Duration,
        metrics: TransportMetrics,
    ) -> Self {
        let mut endpoint = url.clone();
        if let Ok(mut path) = endpoint.path_segments_mut() {
            path.pop_if_empty().push("graphql");
        }
        Self {
            client,
            endpoint: endpoint.into(),
            unresponsive_after: give_up_after / 2,
            circuit: watch::Sender::new(Circuit::Closed),
            metrics,
        }
    }

    /// Sends a query.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn query(
        &self,
        query: &str,
        variables: &impl Serialize,
    ) -> Result<GraphqlResponse> {
        #[derive(Serialize)]
        struct RequestBody<'a, V> {
            query: &'a str,
            variables: &'a V,
        }
        if *self.circuit.borrow() == Circuit::Open {
            self.metrics.count("rejected");
            return Err(unavailable());
        }
        let body = serde_json::to_vec(&RequestBody { query, variables });
        let body = body.map_err(Error::internal)?.into();
        let start = Instant::now();
        let response = self.send_with_retry(body).await;
        self.metrics.duration.observe(start.elapsed().as_secs_f64());
        match response {
            Ok(body) => Ok(GraphqlResponse { body, metrics: self.metrics.clone() }),
            Err(Failure::Unresponsive) => {
                self.trip();
                Err(self.metrics.count_error(&"no response, and none to a ping"))
            }
            Err(Failure::Http(error)) => {
                // An error status shows that offers-api can be reached, and one answer may be slow.
                let is_reachable = error.is_status()
                    || error.is_timeout() && !error.is_connect() && self.ping().await;
                if !is_reachable {
                    self.trip();
                }
                Err(self.metrics.count_error(&error))
            }
            Err(Failure::Body(error)) => Err(self.metrics.count_error(&error)),
        }
    }

    async fn send_with_retry(&self, body: Bytes) -> Result<Bytes, Failure> {
        match self.send_once(body.clone()).await {
            // An unresponsive service has been pinged already. Any other failure came at once: the
            // connection may have been closed by the other side at this moment, or another instance
            // behind the same address may respond.
            Err(Failure::Http(error)) if error.is_connect() || !error.is_timeout() => {
                self.send_once(body).await
            }
            Err(Failure::Body(client::BodyError::Interrupted(error))) if !error.is_timeout() => {
                self.send_once(body).await
            }
            first => first,
        }
    }

    async fn send_once(&self, body: Bytes) -> Result<Bytes, Failure> {
        let mut response = pin!(async {
            let response = self.post(body).await.and_then(Response::error_for_status);
            let response = response.map_err(Failure::Http)?;
            client::read_body(response, MAX_RESPONSE_BYTES).await.map_err(Failure::Body)
        });
        tokio::select! {
            response = &mut response => response,
            () = sleep(self.unresponsive_after) => {
                if !self.ping().await {
                    return Err(Failure::Unresponsive);
                }
                response.await
            }
        }
    }

    async fn post(&self, body: Bytes) -> Result<Response, reqwest::Error> {
        let request = self.client.post(Url::clone(&self.endpoint));
        client::send_traced(request.header(header::CONTENT_TYPE, "application/json").body(body))
            .await
    }

    /// Returns true if offers-api responds, with whatever status.
    async fn ping(&self) -> bool {
        let query = Bytes::from_static(br#"{"query":"{__typename}"}"#);
        matches!(timeout(self.unresponsive_after, self.post(query)).await, Ok(Ok(_)))
    }

    /// Opens the circuit, and starts the probe that closes it.
    fn trip(&self) {
        if self.set_circuit(Circuit::Open) == Circuit::Closed {
            tracing::warn!("circuit to offers-api opened");
            tokio::spawn(self.clone().probe_until_healthy());
        }
    }

    async fn probe_until_healthy(self) {
        loop {
            sleep(PROBE_INTERVAL).await;
            if self.ping().await {
                break;
            }
        }
        self.set_circuit(Circuit::Closed);
        tracing::info!("circuit to offers-api closed");
    }

    /// Returns the state before.
    fn set_circuit(&self, circuit: Circuit) -> Circuit {
        self.metrics.circuit_open.set((circuit == Circuit::Open).into());
        self.circuit.send_replace(circuit)
    }
}

fn is_too_complex(error: &Value) -> bool {
    error["extensions"]["code"] == ErrorCode::QueryTooComplex.as_str()
}

fn unavailable() -> Error {
    let detail = "The Offers service cannot be reached at the moment.";
    Error::new(ErrorCode::OffersUnavailable, detail).retry_after(1)
}

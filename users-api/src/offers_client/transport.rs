//! The way to offers-api: time-outs, one more try, and a circuit breaker.
//!
//! All that is asked is read, so it may be asked twice. Once offers-api is silent or refuses
//! twice, the circuit opens: requests fail at once, and only a probe looks whether it is back, so
//! that no caller waits to find out.

use std::{
    fmt::Display,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use failsafe::{Instrument, StateMachine, backoff, failure_policy};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use reqwest::{Client, Response, Url, header};
use schema::{Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server::{client, metrics::LATENCY_BUCKETS};
use tokio::time::{sleep, timeout};

/// How often a probe looks whether offers-api is back.
const PROBE: Duration = Duration::from_millis(200);

/// What is counted.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    requests: Family<Outcome, Counter>,
    latency: Histogram,
    /// 1 while the circuit is open.
    open: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Figures {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let figures = Self {
            requests: Family::default(),
            latency: Histogram::new(LATENCY_BUCKETS),
            open: Gauge::default(),
        };
        registry.register(
            "upstream_requests",
            "Requests to offers-api: answered, failed, or rejected by the open circuit",
            figures.requests.clone(),
        );
        registry.register(
            "upstream_request_duration_seconds",
            "Time of offers-api to answer",
            figures.latency.clone(),
        );
        registry.register(
            "upstream_circuit_open",
            "1 while offers-api is away and only a probe asks it",
            figures.open.clone(),
        );
        figures
    }

    fn count(&self, outcome: &'static str) {
        self.requests.get_or_create(&Outcome { outcome }).inc();
    }

    fn failed(&self, cause: &dyn Display) -> Error {
        self.count("failed");
        tracing::warn!(%cause, "offers-api unavailable");
        unavailable()
    }
}

/// Keeps the gauge, which is also what callers look at.
impl Instrument for Figures {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        self.open.set(1);
    }

    // Callers wait for the probe to say that offers-api is back.
    fn on_half_open(&self) {}

    fn on_closed(&self) {
        self.open.set(0);
    }
}

type Breaker = StateMachine<failure_policy::ConsecutiveFailures<backoff::Constant>, Figures>;

/// The client of offers-api. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client,
    endpoint: Arc<Url>,
    /// After how long without an answer offers-api is asked whether it lives, and how long that
    /// question may take. A slow answer is waited for, a dead service is not.
    silence: Duration,
    breaker: Breaker,
    figures: Figures,
}

/// Why there is no answer.
enum Failure {
    Silent,
    Http(reqwest::Error),
}

impl Failure {
    /// Whether offers-api is away, rather than there and unwell.
    fn absent(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Http(error) => !error.is_status(),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent => f.write_str("no answer, and no sign of life"),
            Self::Http(error) => error.fmt(f),
        }
    }
}

/// What offers-api said.
pub(crate) struct Answer {
    body: Bytes,
    figures: Figures,
}

impl Answer {
    /// Reads the data of an answer without errors.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) fn data<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        #[derive(Deserialize)]
        struct Said<T> {
            data: Option<T>,
            #[serde(default)]
            errors: Vec<Value>,
        }
        let text = std::str::from_utf8(&self.body).map_err(|error| self.failed(&error))?;
        match serde_json::from_str(text) {
            Ok(Said { data: Some(data), errors }) if errors.is_empty() => {
                self.figures.count("answered");
                Ok(data)
            }
            Ok(Said { errors, .. }) => Err(self.failed(&format_args!("{errors:?}"))),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// A part of it, without a copy.
    pub(crate) fn slice(&self, part: &str) -> Bytes {
        self.body.slice_ref(part.as_bytes())
    }

    /// Says that the answer is of no use.
    pub(crate) fn failed(&self, cause: &dyn Display) -> Error {
        self.figures.failed(cause)
    }
}

impl Upstream {
    /// Gives a silent offers-api up after `patience`.
    pub(crate) fn new(client: Client, url: &Url, patience: Duration, figures: Figures) -> Self {
        let policy = failure_policy::consecutive_failures(1, backoff::constant(PROBE / 2));
        let mut endpoint = url.clone();
        if let Ok(mut path) = endpoint.path_segments_mut() {
            path.pop_if_empty().push("graphql");
        }
        Self {
            client,
            endpoint: endpoint.into(),
            silence: patience / 2,
            breaker: StateMachine::new(policy, figures.clone()),
            figures,
        }
    }

    /// Runs a query.
    ///
    /// # Errors
    /// `OFFERS_UNAVAILABLE`.
    pub(crate) async fn ask(&self, query: &str, variables: &impl Serialize) -> Result<Answer> {
        #[derive(Serialize)]
        struct Question<'a, V> {
            query: &'a str,
            variables: &'a V,
        }
        if self.figures.open.get() == 1 {
            self.figures.count("rejected");
            return Err(unavailable());
        }
        let question = serde_json::to_vec(&Question { query, variables });
        let question = question.map_err(Error::internal)?.into();
        let start = Instant::now();
        let answer = self.answer(question).await;
        self.figures.latency.observe(start.elapsed().as_secs_f64());
        match answer {
            Ok(body) => Ok(Answer { body, figures: self.figures.clone() }),
            Err(error) => Err(self.figures.failed(&error)),
        }
    }

    async fn answer(&self, body: Bytes) -> Result<Bytes, String> {
        let first = self.attempt(body.clone()).await;
        let answer = match first {
            // Silence has been asked about already; all else that is no answer came at once, and
            // may have been a connection that the other side closed at this moment, or an address
            // behind which another instance answers the next one.
            Err(Failure::Http(error)) if error.is_connect() || !error.is_timeout() => {
                self.attempt(body).await
            }
            other => other,
        };
        match &answer {
            Ok(_) => self.breaker.on_success(),
            Err(failure) if failure.absent() => self.open(),
            Err(_) => (),
        }
        answer.map_err(|failure| failure.to_string())
    }

    async fn attempt(&self, body: Bytes) -> Result<Bytes, Failure> {
        let mut answer = pin!(async {
            let answer = self.send(body).await?.error_for_status()?;
            answer.bytes().await
        });
        let answer = tokio::select! {
            answer = &mut answer => answer,
            () = sleep(self.silence) => {
                if !self.lives().await {
                    return Err(Failure::Silent);
                }
                answer.await
            }
        };
        answer.map_err(Failure::Http)
    }

    async fn send(&self, body: Bytes) -> Result<Response, reqwest::Error> {
        let request = self.client.post(Url::clone(&self.endpoint));
        client::send_traced(request.header(header::CONTENT_TYPE, "application/json").body(body))
            .await
    }

    /// Whether offers-api answers anything.
    async fn lives(&self) -> bool {
        let question = Bytes::from_static(br#"{"query":"{__typename}"}"#);
        matches!(timeout(self.silence, self.send(question)).await, Ok(Ok(_)))
    }

    fn open(&self) {
        let open = self.figures.open.get() == 1;
        self.breaker.on_error();
        if !open && self.figures.open.get() == 1 {
            tracing::warn!("offers-api is away");
            tokio::spawn(self.clone().watch());
        }
    }

    /// Closes the circuit as soon as offers-api answers.
    async fn watch(self) {
        while self.figures.open.get() == 1 {
            sleep(PROBE).await;
            if !self.breaker.is_call_permitted() {
                continue;
            }
            if self.lives().await {
                self.breaker.on_success();
                tracing::info!("offers-api is back");
            } else {
                self.breaker.on_error();
            }
        }
    }
}

fn unavailable() -> Error {
    let detail = "The Offers service cannot be reached at the moment.";
    Error::new(ErrorCode::OffersUnavailable, detail).retry_after(1)
}

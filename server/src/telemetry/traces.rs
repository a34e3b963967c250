//! Traces, sent to a collector by OTLP over HTTP. They are off unless the standard variables of
//! OpenTelemetry name a collector.
//!
//! Names and attributes are those of its semantic conventions for HTTP and for databases. Requests
//! carry their trace in W3C Trace Context, from clients and between services.

use std::{env, sync::OnceLock, time::SystemTime};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use opentelemetry::{
    Context, KeyValue,
    context::FutureExt,
    propagation::TextMapPropagator,
    trace::{
        Span, SpanBuilder, SpanId, SpanKind, Status, TraceContextExt, TraceId, Tracer,
        TracerProvider,
    },
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use reqwest::StatusCode;
use sea_orm::{DbBackend, metric::Info};

/// The tracer of the process, if traces are on.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Keeps traces on; sends the last spans when dropped.
pub(super) struct TracerGuard(Option<SdkTracerProvider>);

impl TracerGuard {
    /// Starts traces if a collector is configured.
    pub(super) fn start_if_configured(name: &'static str) -> Result<Self, String> {
        if !is_configured() {
            return Ok(Self(None));
        }
        for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
            if let Some(other) = variable(name).filter(|protocol| protocol != "http/protobuf") {
                return Err(format!("{name}={other}: must be http/protobuf"));
            }
        }
        let exporter = SpanExporter::builder().with_http().build();
        let exporter = exporter.map_err(|error| format!("OTEL_EXPORTER_OTLP_*: {error}"))?;
        let resource = Resource::builder();
        let resource = if has_service_name() { resource } else { resource.with_service_name(name) };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        // A process has one tracer, the first that is set.
        let _ = TRACER.set(provider.tracer(env!("CARGO_PKG_NAME")));
        Ok(Self(Some(provider)))
    }
}

impl Drop for TracerGuard {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "failed to send the last spans");
        }
    }
}

/// Returns an environment variable; `None` if it is empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns true if the variables name a collector and do not switch traces off.
fn is_configured() -> bool {
    let collector = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    collector.into_iter().any(|name| variable(name).is_some())
        && !disabled
        && variable("OTEL_TRACES_EXPORTER").is_none_or(|exporter| exporter == "otlp")
}

/// Returns true if the variables name the service.
fn has_service_name() -> bool {
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    variable("OTEL_SERVICE_NAME").is_some()
        || attributes.split(',').any(|pair| pair.trim_start().starts_with("service.name="))
}

/// Returns true if traces are on.
pub(crate) fn is_enabled() -> bool {
    TRACER.get().is_some()
}

/// Returns the trace and span of the current task; `None` outside a trace.
pub(super) fn current_ids() -> Option<(TraceId, SpanId)> {
    TRACER.get()?;
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| (span.trace_id(), span.span_id()))
}

/// Wraps a request in a server span, in the trace of the client. Health checks and metrics, which
/// are requested every few seconds, get none.
pub(crate) async fn middleware(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_monitoring =
        route.is_some_and(|route| route.starts_with("/health/") || route == "/metrics");
    let Some(tracer) = TRACER.get().filter(|_| !is_monitoring) else {
        return next.run(request).await;
    };
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    let method = request.method().as_str();
    let mut attributes = vec![
        KeyValue::new("http.request.method", method.to_owned()),
        KeyValue::new("url.path", request.uri().path().to_owned()),
    ];
    attributes.extend(route.map(|route| KeyValue::new("http.route", route.to_owned())));
    let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
    let span = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes(attributes);
    let context = parent.with_span(span.start_with_context(tracer, &parent));
    let response = next.run(request).with_context(context.clone()).await;
    let (span, status) = (context.span(), response.status());
    span.set_attribute(status_attribute(status));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
    span.end();
    response
}

/// The span of a request to another service.
pub(crate) struct ClientSpan(<SdkTracer as Tracer>::Span);

/// Starts the span of a request to another service, and adds the trace to its headers; `None` outside
/// a trace.
pub(crate) fn start_client_span(request: &mut reqwest::Request) -> Option<ClientSpan> {
    current_ids()?;
    let (method, url) = (request.method().as_str(), request.url());
    let mut attributes = vec![
        KeyValue::new("http.request.method", method.to_owned()),
        KeyValue::new("url.full", url.as_str().to_owned()),
    ];
    attributes.extend(url.host_str().map(|host| KeyValue::new("server.address", host.to_owned())));
    let port = url.port_or_known_default();
    attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
    let span = SpanBuilder::from_name(method.to_owned()).with_kind(SpanKind::Client);
    let span = span.with_attributes(attributes).start(TRACER.get()?);
    let context = Context::new().with_remote_span_context(span.span_context().clone());
    TraceContextPropagator::new()
        .inject_context(&context, &mut HeaderInjector(request.headers_mut()));
    Some(ClientSpan(span))
}

impl ClientSpan {
    /// Ends the span with the status of the response; `None` if no response came.
    pub(crate) fn end_with_status(mut self, status: Option<StatusCode>) {
        if let Some(status) = status {
            self.0.set_attribute(status_attribute(status));
        }
        if status.is_none_or(|status| !status.is_success()) {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

fn status_attribute(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

/// Records a finished statement as a span of the current trace, without its values.
pub(crate) fn record_statement(info: &Info<'_>) {
    let Some(tracer) = TRACER.get().filter(|_| current_ids().is_some()) else { return };
    let now = SystemTime::now();
    let text = &info.statement.sql;
    let operation = text.split_whitespace().next().unwrap_or_default();
    let system = match info.statement.db_backend {
        DbBackend::Sqlite => "sqlite",
        _ => "postgresql",
    };
    let mut span = SpanBuilder::from_name(operation.to_owned())
        .with_kind(SpanKind::Client)
        .with_start_time(now.checked_sub(info.elapsed).unwrap_or(now))
        .with_attributes([
            KeyValue::new("db.system.name", system),
            KeyValue::new("db.operation.name", operation.to_owned()),
            KeyValue::new("db.query.text", text.clone()),
        ])
        .start(tracer);
    if info.failed {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(now);
}

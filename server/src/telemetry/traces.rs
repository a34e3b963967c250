//! Traces, sent to a collector by OTLP over HTTP: off unless the standard variables of
//! OpenTelemetry name one.
//!
//! Names and attributes are those of its semantic conventions for HTTP and for databases. A client
//! names the trace that a request is a part of, and one service names it to the other, by W3C Trace
//! Context.

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

/// Makes spans where traces are on. One for the process, as the log is.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends what is left at its end.
#[must_use = "traces end with it"]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Starts to trace, if that is wanted.
    pub(super) fn start(name: &'static str) -> Result<Self, String> {
        if !wanted() {
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
        let resource = if named() { resource } else { resource.with_service_name(name) };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        // Only the first of a process counts, as with logs.
        let _ = TRACER.set(provider.tracer(env!("CARGO_PKG_NAME")));
        Ok(Self(Some(provider)))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn wanted() -> bool {
    let collector = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    collector.into_iter().any(|name| variable(name).is_some())
        && !disabled
        && variable("OTEL_TRACES_EXPORTER").is_none_or(|exporter| exporter == "otlp")
}

/// Whether the operator names the service.
fn named() -> bool {
    let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    variable("OTEL_SERVICE_NAME").is_some()
        || attributes.split(',').any(|pair| pair.trim_start().starts_with("service.name="))
}

/// Whether anybody collects traces.
pub(crate) fn on() -> bool {
    TRACER.get().is_some()
}

/// The trace and the span that this task works for.
pub(super) fn under_way() -> Option<(TraceId, SpanId)> {
    TRACER.get()?;
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| (span.trace_id(), span.span_id()))
}

/// Answers a request as a span, in the trace that the client names. What looks after the service
/// every few seconds is left out.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let inside = route.is_some_and(|route| route.starts_with("/health/") || route == "/metrics");
    let Some(tracer) = TRACER.get().filter(|_| !inside) else { return next.run(request).await };
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
    span.set_attribute(answered(status));
    if status.is_server_error() {
        span.set_status(Status::error(""));
    }
    span.end();
    response
}

/// A request to the other service, under way.
pub(crate) struct Call(<SdkTracer as Tracer>::Span);

/// Makes a request to the other service a part of the trace under way, if there is one.
pub(crate) fn call(request: &mut reqwest::Request) -> Option<Call> {
    under_way()?;
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
    Some(Call(span))
}

impl Call {
    /// Ends the span with the status that came, if one came.
    pub(crate) fn answered(mut self, status: Option<StatusCode>) {
        if let Some(status) = status {
            self.0.set_attribute(answered(status));
        }
        if status.is_none_or(|status| !status.is_success()) {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

fn answered(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

/// Makes a span of a statement that is done, if a trace is under way. Its values are left out.
pub(crate) fn statement(info: &Info<'_>) {
    let Some(tracer) = TRACER.get().filter(|_| under_way().is_some()) else { return };
    let now = SystemTime::now();
    let text = &info.statement.sql;
    let word = text.split_whitespace().next().unwrap_or_default();
    let system = match info.statement.db_backend {
        DbBackend::Sqlite => "sqlite",
        _ => "postgresql",
    };
    let mut span = SpanBuilder::from_name(word.to_owned())
        .with_kind(SpanKind::Client)
        .with_start_time(now.checked_sub(info.elapsed).unwrap_or(now))
        .with_attributes([
            KeyValue::new("db.system.name", system),
            KeyValue::new("db.operation.name", word.to_owned()),
            KeyValue::new("db.query.text", text.clone()),
        ])
        .start(tracer);
    if info.failed {
        span.set_status(Status::error(""));
    }
    span.end_with_timestamp(now);
}

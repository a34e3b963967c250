//! Logs to standard error, and traces if a collector is configured.

mod log_format;
pub(crate) mod log_writer;
pub(crate) mod traces;

use std::{io::IsTerminal, panic};

use opentelemetry::context::FutureExt;
use tokio::task::JoinHandle;
use tracing::{Instrument, Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    client_ip, security_log,
    settings::{LogFormat, Settings},
};
use log_format::WithTraceIds;
use log_writer::LogGuard;
use traces::TracerGuard;

/// The targets of this workspace: its crates, and the security log. Others may log headers, bodies
/// or values, such as tokens, at levels finer than `INFO`, which are therefore dropped.
const OWN_TARGETS: [&str; 11] = [
    "certs",
    "classifieds",
    "direct_json",
    "entity",
    "graphql_http",
    "migration",
    "offers_api",
    "schema",
    "security",
    "server",
    "users_api",
];

/// Keeps logs and traces on; sends the last spans and writes the last log lines when dropped.
#[must_use = "logs and traces end when it is dropped"]
pub struct TelemetryGuard {
    // Dropped first: it may log.
    _traces: TracerGuard,
    _logs: LogGuard,
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        security_log::flush();
    }
}

/// Starts logs, and traces under the name of the service. Keep the guard until the service ends.
///
/// # Errors
/// Describes the problem with the log filter or with the settings of the collector.
pub fn init(name: &'static str, settings: &Settings) -> Result<TelemetryGuard, String> {
    let filter = EnvFilter::builder().parse(&settings.log);
    let filter = filter.map_err(|error| format!("LOG: {error}"))?;
    let ansi = std::io::stderr().is_terminal();
    let (writer, log_guard) = log_writer::start();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        // They would be printed to standard error, with a panic if it is closed.
        .log_internal_errors(false)
        .with_writer(writer);
    let started = match settings.log_format {
        LogFormat::Text => {
            let logs = logs.map_event_format(|format| WithTraceIds::text(format, ansi));
            logs.finish().with(filter_fn(may_be_logged)).try_init()
        }
        LogFormat::Json => {
            let logs = logs.json().flatten_event(true).map_event_format(WithTraceIds::json);
            logs.finish().with(filter_fn(may_be_logged)).try_init()
        }
    };
    started.map_err(|error| error.to_string())?;
    // The default hook writes to standard error by itself, where a full pipe would block the task.
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked: {}", panic.payload_as_str().unwrap_or_default());
    }));
    Ok(TelemetryGuard { _traces: TracerGuard::start_if_configured(name)?, _logs: log_guard })
}

/// Returns false for what [`OWN_TARGETS`] excludes, whatever the log filter says.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let own = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || OWN_TARGETS.contains(&own)
}

/// Wraps work that runs in another task, so that its logs and spans belong to the trace of the caller,
/// and its client address is that of the caller.
pub(crate) fn in_current_context<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let work = client_ip::scope(client_ip::current(), work);
    work.in_current_span().with_current_context()
}

/// Runs work in a task of its own, which ends even if its caller is cancelled, in the context of
/// the caller: its trace and its client address.
pub fn spawn_instrumented<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(in_current_context(work))
}

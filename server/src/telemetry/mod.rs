//! Logs to standard error, and traces if a collector is configured.

mod log_format;
pub(crate) mod log_writer;
pub(crate) mod traces;

use std::io::IsTerminal;

use opentelemetry::context::FutureExt;
use tokio::task::JoinHandle;
use tracing::Instrument;
use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::{
    client_ip,
    settings::{LogFormat, Settings},
};
use log_format::WithTraceIds;
use log_writer::LogGuard;
use traces::TracerGuard;

/// Limits on the levels of crates that log headers or values, such as tokens, at finer ones.
const LEVEL_CAPS: [&str; 4] = ["h2=info", "hyper_util=info", "reqwest=info", "sqlx=info"];

/// Keeps logs and traces on; sends the last spans and writes the last log lines when dropped.
#[must_use = "logs and traces end when it is dropped"]
pub struct TelemetryGuard {
    // Dropped first: it may log.
    _traces: TracerGuard,
    _logs: LogGuard,
}

/// Starts logs, and traces under the name of the service. Keep the guard until the service ends.
///
/// # Errors
/// Describes the problem with the log filter or with the settings of the collector.
pub fn init(name: &'static str, settings: &Settings) -> Result<TelemetryGuard, String> {
    let filter = parse_filter(&settings.log).map_err(|error| format!("LOG: {error}"))?;
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
            logs.map_event_format(|format| WithTraceIds::text(format, ansi)).try_init()
        }
        LogFormat::Json => {
            logs.json().flatten_event(true).map_event_format(WithTraceIds::json).try_init()
        }
    };
    started.map_err(|error| error.to_string())?;
    Ok(TelemetryGuard { _traces: TracerGuard::start_if_configured(name)?, _logs: log_guard })
}

fn parse_filter(text: &str) -> Result<EnvFilter, ParseError> {
    let mut filter = EnvFilter::builder().parse(text)?;
    for directive in LEVEL_CAPS {
        filter = filter.add_directive(directive.parse()?);
    }
    Ok(filter)
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

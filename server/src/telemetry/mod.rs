//! Logs on standard error, and traces where a collector is named.

mod log_format;
pub(crate) mod traces;

use std::io::IsTerminal;

use opentelemetry::context::FutureExt;
use tokio::task::JoinHandle;
use tracing::Instrument;
use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::settings::{LogFormat, Settings};
use log_format::Traced;
use traces::Traces;

/// Crates that write headers or values at their finer levels: tokens would show.
const CAPPED: [&str; 4] = ["h2=info", "hyper_util=info", "reqwest=info", "sqlx=info"];

/// Starts to log, and to trace under the name of the service. Hold what it gives to the end.
///
/// # Errors
/// Says what is wrong with the filter, or with the way to the collector.
pub fn start(name: &'static str, settings: &Settings) -> Result<Traces, String> {
    let filter = filter(&settings.log).map_err(|error| format!("LOG: {error}"))?;
    let ansi = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => logs.map_event_format(|format| Traced::text(format, ansi)).try_init(),
        LogFormat::Json => {
            logs.json().flatten_event(true).map_event_format(Traced::json).try_init()
        }
    };
    started.map_err(|error| error.to_string())?;
    Traces::start(name)
}

fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let mut filter = EnvFilter::builder().parse(text)?;
    for directive in CAPPED {
        filter = filter.add_directive(directive.parse()?);
    }
    Ok(filter)
}

/// Wraps work that runs in another task, so that its logs and traces stay with this request.
pub(crate) fn in_current_context<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.in_current_span().with_current_context()
}

/// Runs work in a task of its own, which goes on to its end also where nobody waits for it any
/// more. What it logs and does stays with the request that it is for.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(in_current_context(work))
}

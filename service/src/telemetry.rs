//! Logs on standard error.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::settings::{LogFormat, Settings};

/// Crates that write headers or values at their finer levels: tokens would show.
const CAPPED: [&str; 4] = ["h2=info", "hyper_util=info", "reqwest=info", "sqlx=info"];

/// Starts to log.
///
/// # Errors
/// Says what is wrong with the filter.
pub fn start(settings: &Settings) -> Result<(), String> {
    let filter = filter(&settings.log).map_err(|error| format!("LOG: {error}"))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => logs.try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| error.to_string())
}

fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    let mut filter = EnvFilter::builder().parse(text)?;
    for directive in CAPPED {
        filter = filter.add_directive(directive.parse()?);
    }
    Ok(filter)
}

//! The parts of an HTTP server that both services share. Nothing here knows what a service is for.

pub mod app;
pub mod auth;
pub mod client;
pub mod client_ip;
mod connection_limits;
pub mod database;
pub mod graphql_endpoint;
mod health;
mod http1_stream;
mod media_type;
pub mod metrics;
pub mod openapi;
pub mod output;
pub mod problem;
pub mod read_pool;
mod request_checks;
pub mod rest;
pub mod runtime;
pub mod security_log;
pub mod serve;
pub mod settings;
pub mod telemetry;
pub mod tls;
pub mod token;
pub mod web_ui;

use tokio::sync::watch;

use settings::{BindAddresses, Settings};

/// Runs one service: starts logs and traces, binds the listeners, builds the app and serves it
/// until a signal.
///
/// # Errors
/// Names the bad setting, or describes why a socket cannot be served.
pub async fn run(
    name: &'static str,
    addresses: BindAddresses,
    settings: &Settings,
    build: impl AsyncFnOnce(watch::Receiver<bool>) -> Result<serve::AppService, String>,
) -> Result<(), String> {
    let _telemetry = telemetry::init(name, settings)?;
    let http = ("HTTP_ADDR", addresses.http_addr);
    let https = ("HTTPS_ADDR", addresses.https_addr);
    let listeners = serve::Listeners::bind(http, https, &settings.certificate)
        .map_err(|error| error.to_string())?;
    settings.warn_if_open();
    let (stop, stopping) = watch::channel(false);
    let app = build(stopping).await?;
    listeners.print_addresses(name);
    listeners.serve(app, stop, settings.drain).await.map_err(|error| error.to_string())
}

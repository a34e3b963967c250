//! What both servers share, and no domain.

pub mod app;
pub mod auth;
pub mod client;
pub mod client_ip;
mod connection_limits;
pub mod database;
pub mod graphql_endpoint;
mod health;
pub mod metrics;
pub mod openapi;
pub mod problem;
pub mod rest;
pub mod serve;
pub mod settings;
pub mod telemetry;
pub mod tls;
pub mod token;
pub mod web_ui;

use mimalloc::MiMalloc;
use tokio::sync::watch;

use settings::{Addresses, Settings};

/// Answers are made of many small pieces: the allocator of the C library took a quarter of the
/// time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Runs one service alone, from its settings to its last answer. A problem at the start ends the
/// process with one line that names it.
pub fn run(
    name: &'static str,
    addresses: Addresses,
    settings: &Settings,
    app: impl AsyncFnOnce(watch::Receiver<bool>) -> Result<serve::App, String>,
) {
    let start = async {
        let _telemetry = telemetry::start(name, settings)?;
        let http = ("HTTP_ADDR", addresses.http_addr);
        let https = ("HTTPS_ADDR", addresses.https_addr);
        let files = tls::Files { cert: settings.tls_cert.clone(), key: settings.tls_key.clone() };
        let listeners =
            serve::Listeners::bind(http, https, &files).map_err(|error| error.to_string())?;
        settings.warn();
        let (stop, stopping) = watch::channel(false);
        let app = app(stopping).await?;
        listeners.announce(name);
        listeners.serve(app, stop, settings.drain).await.map_err(|error| error.to_string())
    };
    settings.run(start);
}

//! The settings of this service alone.

use std::path::PathBuf;

use clap::Args;
use server::settings;

/// The settings of this service alone.
#[derive(Clone, Debug, Args)]
pub struct OffersSettings {
    /// URL of the public keys of users-api
    #[arg(
        long,
        env,
        default_value = "http://127.0.0.1:8001/.well-known/jwks.json",
        value_name = "URL",
        value_parser = settings::http_url
    )]
    pub jwks_url: reqwest::Url,
    /// PEM certificates to trust for `JWKS_URL`
    #[arg(long, env, value_name = "FILE")]
    pub jwks_ca: Option<PathBuf>,
    /// Direct PostgreSQL URL for LISTEN/NOTIFY if `DATABASE_URL` is that of a connection pooler
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub database_listen_url: Option<String>,
}

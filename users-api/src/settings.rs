//! What only this service needs to know.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use server::settings;

use crate::signing_keys::{self, RotationReport};

/// What only this service needs to know.
#[derive(Clone, Debug, Args)]
pub struct Own {
    #[command(flatten)]
    pub(crate) keys: KeySettings,
    /// For how long an access token is good
    #[arg(long, env, default_value = "10m", value_name = "SPAN", value_parser = settings::span)]
    pub(crate) access_ttl: Duration,
    /// How long offers-api may show no sign of life before users are told without their offers
    #[arg(long, env, default_value = "400ms", value_name = "SPAN", value_parser = settings::moment)]
    pub(crate) offers_patience: Duration,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct KeySettings {
    /// Where the private keys are, PEM: the newest whose time has come signs, all are published;
    /// one is made if there is none
    #[arg(long, env, default_value = "data/keys", value_name = "FOLDER")]
    pub(crate) jwt_key_dir: PathBuf,
    /// For how long a refresh token is good
    #[arg(long, env, default_value = "30d", value_name = "SPAN", value_parser = settings::span)]
    pub(crate) refresh_ttl: Duration,
}

impl KeySettings {
    pub(crate) fn named(&self, error: &std::io::Error) -> String {
        format!("JWT_KEY_DIR={}: {error}", self.jwt_key_dir.display())
    }
}

/// A new key that signs tokens.
#[derive(Clone, Debug, Args)]
pub struct Rotation {
    #[command(flatten)]
    keys: KeySettings,
    /// For how long it is published before it signs: longer than anybody keeps the published keys
    #[arg(long, default_value = "10m", value_name = "SPAN", value_parser = settings::span)]
    lead: Duration,
}

impl Rotation {
    /// Makes the key, and removes those whose tokens have all expired.
    ///
    /// # Errors
    /// Where a key is waiting already for its time, or the folder cannot be written.
    pub fn run(&self) -> Result<RotationReport, String> {
        let Self { keys, lead } = self;
        signing_keys::rotate(&keys.jwt_key_dir, *lead, keys.refresh_ttl)
            .map_err(|error| keys.named(&error))
    }
}

/// How the Offers service is reached.
#[derive(Clone, Debug, Args)]
pub struct Upstream {
    /// Where offers-api answers
    #[arg(long, env, default_value = "http://127.0.0.1:8002", value_name = "URL", value_parser = settings::http_url)]
    pub offers_url: reqwest::Url,
    /// Certificates to trust at `OFFERS_URL`, PEM
    #[arg(long, env, value_name = "FILE")]
    pub offers_ca: Option<PathBuf>,
}

//! The settings of this service alone.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use schema::Security;
use server::settings;

use crate::signing_keys::{self, RotationReport};

/// The settings of this service alone.
#[derive(Clone, Debug, Args)]
pub struct UsersSettings {
    #[command(flatten)]
    pub(crate) keys: SigningKeySettings,
    /// Lifetime of an access token
    #[arg(long, env, default_value = "10m", value_name = "DURATION", value_parser = settings::parse_duration)]
    pub(crate) access_ttl: Duration,
    /// Longest life of a session, however often it is refreshed
    #[arg(long, env, default_value = "365d", value_name = "DURATION", value_parser = settings::parse_duration)]
    pub(crate) session_ttl: Duration,
    /// Maximum number of sessions of a user; one more ends the session that was used least recently
    #[arg(long, env, default_value_t = 100, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_sessions: u32,
    /// Time to wait for an unresponsive offers-api before returning users without offers
    #[arg(long, env, default_value = "400ms", value_name = "DURATION", value_parser = settings::parse_timeout)]
    pub(crate) offers_patience: Duration,
    /// Registrations from one client address, and changes to a taken name or email, before further
    /// ones are slowed; available again after 10 minutes (default: 100 in strict mode, 1000 in spec)
    #[arg(long, env, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) registration_burst: Option<u32>,
}

impl UsersSettings {
    /// Returns the registrations from one client address before further ones are slowed.
    pub(crate) fn registration_burst(&self, security: Security) -> u32 {
        self.registration_burst.unwrap_or(match security {
            Security::Spec => 1000,
            Security::Strict => 100,
        })
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SigningKeySettings {
    /// Folder of the private signing keys, PEM: the newest active one signs, all are published, and
    /// one is created if there is none
    #[arg(long, env, default_value = "data/keys", value_name = "FOLDER")]
    pub(crate) jwt_key_dir: PathBuf,
    /// Lifetime of a refresh token
    #[arg(long, env, default_value = "30d", value_name = "DURATION", value_parser = settings::parse_duration)]
    pub(crate) refresh_ttl: Duration,
}

impl SigningKeySettings {
    /// Returns the text of the error, with the name of the setting.
    pub(crate) fn with_setting_name(&self, error: &std::io::Error) -> String {
        format!("JWT_KEY_DIR={}: {error}", self.jwt_key_dir.display())
    }
}

/// The arguments of `keys rotate`.
#[derive(Clone, Debug, Args)]
pub struct RotateKeysArgs {
    #[command(flatten)]
    keys: SigningKeySettings,
    /// Time that the key is published before it signs: longer than services cache the published keys
    #[arg(long, default_value = "10m", value_name = "DURATION", value_parser = settings::parse_duration)]
    lead: Duration,
}

impl RotateKeysArgs {
    /// Creates the key, and removes those whose tokens have all expired.
    ///
    /// # Errors
    /// Where a key is waiting already for its time, or the folder cannot be written.
    pub fn run(&self) -> Result<RotationReport, String> {
        let Self { keys, lead } = self;
        signing_keys::rotate(&keys.jwt_key_dir, *lead, keys.refresh_ttl)
            .map_err(|error| keys.with_setting_name(&error))
    }
}

/// The settings of the client of offers-api.
#[derive(Clone, Debug, Args)]
pub struct OffersClientSettings {
    /// Base URL of offers-api
    #[arg(long, env, default_value = "http://127.0.0.1:8002", value_name = "URL", value_parser = settings::http_url)]
    pub offers_url: reqwest::Url,
    /// PEM certificates to trust for `OFFERS_URL`
    #[arg(long, env, value_name = "FILE")]
    pub offers_ca: Option<PathBuf>,
}

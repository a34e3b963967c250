//! Settings, as flags of the command line.
//!
//! Input: a flag or a value a line.
#![no_main]

use axum::http::HeaderValue;
use chrono::{TimeDelta, Utc};
use clap::Parser;
use libfuzzer_sys::fuzz_target;
use server::settings::{BindAddresses, Settings, http_url, network, parse_duration, parse_timeout};
use users_api::{OffersClientSettings, UsersSettings};

#[derive(Parser)]
struct All {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    addresses: BindAddresses,
    #[command(flatten)]
    own: UsersSettings,
    #[command(flatten)]
    upstream: OffersClientSettings,
}

fuzz_target!(|text: &str| {
    match All::try_parse_from(std::iter::once("users-api").chain(text.lines())) {
        Ok(All { settings, addresses, own, upstream }) => {
            let browsers = settings.cors_origins.iter();
            assert!(browsers.map(|origin| &origin.0).all(|o| HeaderValue::from_str(o).is_ok()));
            assert!(settings.database_connections > 0);
            let _ = format!("{addresses:?} {own:?} {upstream:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    for text in text.lines() {
        if let Ok(span) = parse_duration(text) {
            let span = TimeDelta::from_std(span).expect("a span fits");
            assert!(Utc::now().checked_add_signed(span).is_some(), "{text}");
        }
        if let Ok(url) = http_url(text) {
            assert!(url.has_host(), "{text}");
        }
        let _ = (parse_timeout(text), network(text));
    }
});

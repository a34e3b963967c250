//! The Users service: accounts, logins, and users with their offers.

mod accounts;
mod graphql;
mod loaders;
mod login;
mod metrics;
mod offers_client;
mod passwords;
mod rest;
mod security_log;
mod sessions;
mod settings;
mod signing_keys;
mod state;
mod throttle;
mod tokens;
mod validation;

use std::{sync::Arc, time::Duration};

use async_graphql::{SDLExportOptions, ValidationMode};
use axum::{
    Json, Router,
    http::{HeaderName, header},
    routing::get,
};
use chrono::TimeDelta;
use server::{
    app::{self, ServiceParts},
    auth::Authenticator,
    client, database, graphql_endpoint,
    metrics::Metrics,
    read_pool::ReadPool,
    serve::AppService,
    settings::Settings,
    web_ui::{self, Card, UiConfig},
};
use tokio::sync::watch;

use graphql::schema_builder;
use loaders::UserLoader;
use metrics::UsersMetrics;
use offers_client::{OffersClient, transport::Transport};
use passwords::PasswordHasher;
use sessions::Sessions;
use signing_keys::KeyStore;
use state::UsersState;
use throttle::Throttle;

pub use passwords::demo_hash;
pub use settings::{OffersClientSettings, RotateKeysArgs, UsersSettings};
pub use signing_keys::RotationReport;

/// The name of the service.
pub const NAME: &str = "users-api";
/// Time between two deletions of expired sessions.
const SWEEP_INTERVAL: Duration = Duration::from_hours(1);

/// Returns the schema as a federation subgraph, in the schema definition language.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new().federation().compose_directive();
    schema_builder().finish().sdl_with_options(options)
}

/// Builds the service and starts its background tasks.
///
/// # Errors
/// The name of an invalid setting, and the reason.
pub async fn app(
    settings: &Settings,
    own: &UsersSettings,
    upstream: &OffersClientSettings,
    stopping: watch::Receiver<bool>,
) -> Result<AppService, String> {
    let (metrics, users_metrics) = Metrics::new(UsersMetrics::new);
    let database = database::connect(settings, &metrics).await?;
    let reads = ReadPool::connect(settings, &database, &metrics).await?;
    let client = client::build(upstream.offers_ca.as_deref())
        .map_err(|error| format!("OFFERS_CA: {error}"))?;
    let UsersMetrics { hashes_queued, hashes_in_progress, offers_client } = users_metrics;
    let transport =
        Transport::new(client, &upstream.offers_url, own.offers_patience, offers_client);
    let keys = KeyStore::open(&own.keys.jwt_key_dir)
        .map_err(|error| own.keys.with_setting_name(&error))?;
    let keys = Arc::new(keys);
    let ttl = |name, ttl| TimeDelta::from_std(ttl).map_err(|error| format!("{name}: {error}"));
    let sessions = Arc::new(Sessions {
        database: database.clone(),
        keys: Arc::clone(&keys),
        access_ttl: ttl("ACCESS_TTL", own.access_ttl)?,
        refresh_ttl: ttl("REFRESH_TTL", own.keys.refresh_ttl)?,
        session_ttl: ttl("SESSION_TTL", own.session_ttl)?,
        max_per_user: own.max_sessions,
    });
    let state = Arc::new(UsersState {
        security: settings.security,
        database: database.clone(),
        reads: reads.clone(),
        user_by_id: metrics.batch_loader("user_by_id", UserLoader(database.clone())),
        user_by_username: metrics.batch_loader("user_by_username", UserLoader(database.clone())),
        user_pages: metrics.batch_loader("user_pages", UserLoader(reads.clone())),
        offers: OffersClient::new(&transport, &metrics),
        hasher: PasswordHasher::new(hashes_queued, hashes_in_progress)
            .map_err(|error| error.detail.into_owned())?,
        throttle: Throttle::new(own.registration_burst(settings.security)),
        sessions: Arc::clone(&sessions),
    });
    tokio::spawn(delete_expired_sessions(Arc::clone(&sessions)));
    let polled = Arc::clone(&keys);
    tokio::spawn(async move { polled.poll_folder().await });

    let pages = ui_config(settings);
    let open = public_routes(keys, &pages)?;
    let authenticator: Authenticator = sessions;
    let public_schema = schema_builder().data(Arc::clone(&state));
    let internal_schema =
        schema_builder().data(state).validation_mode(ValidationMode::Fast).finish();
    let graphql = graphql_http::router(graphql_http::Endpoint {
        introspection: settings.introspection,
        landing_page: settings
            .graphiql
            .then(|| Arc::new(move || web_ui::graphiql(&pages)) as graphql_http::LandingPage),
        single_use_fields: &["register", "authenticate", "refresh", "changePassword"],
        credential_fields: &["register", "authenticate", "refresh", "logout"],
        shutdown: stopping.clone(),
        ..graphql_endpoint::endpoint(public_schema, Arc::clone(&authenticator))
    });
    let rest::Routers { api, credentials } = rest::routers(internal_schema, settings.security)?;
    Ok(app::build(ServiceParts {
        settings,
        database,
        readiness_queries: vec![
            entity::readiness_query::<entity::user::Entity>(),
            entity::readiness_query::<entity::refresh_token::Entity>(),
            entity::readiness_query::<entity::write_probe::Entity>(),
        ],
        metrics,
        authenticator,
        // Clients may send it with every request, whichever service answers.
        cors_headers: vec![HeaderName::from_static("idempotency-key")],
        stopping,
        api,
        credentials,
        graphql,
        public: open,
    }))
}

/// Returns the routes without authentication: the pages, and the public keys (RFC 7517).
fn public_routes(keys: Arc<KeyStore>, pages: &UiConfig) -> Result<Router, String> {
    let jwks = get(async move || {
        ([(header::CACHE_CONTROL, "public, max-age=300")], Json(keys.current().jwks()))
    });
    let pages = web_ui::router(pages).map_err(|error| error.to_string())?;
    Ok(pages.route("/.well-known/jwks.json", jwks))
}

async fn delete_expired_sessions(sessions: Arc<Sessions>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    loop {
        interval.tick().await;
        if let Ok(deleted @ 1..) = sessions.delete_expired().await {
            tracing::info!(deleted, "deleted expired sessions");
        }
    }
}

fn ui_config(settings: &Settings) -> UiConfig {
    UiConfig {
        service: NAME,
        title: "Users",
        summary: "Accounts, logins, and users with their offers.",
        cards: vec![
            Card {
                href: Some("/.well-known/jwks.json".to_owned()),
                label: "Public keys",
                text: "The keys that verify access tokens.",
            },
            Card {
                href: None,
                label: "offers-api",
                text: "The Offers service: classified ads of users.",
            },
        ],
        graphiql: settings.graphiql,
        queries: &[
            include_str!("../graphiql/user_with_offers.graphql"),
            include_str!("../graphiql/register.graphql"),
            include_str!("../graphiql/authenticate.graphql"),
            include_str!("../graphiql/users.graphql"),
        ],
        openapi: rest::openapi(settings.security),
    }
}

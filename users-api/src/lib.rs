//! The Users service: who registers, logs in and offers.

mod accounts;
mod graphql;
mod loaders;
mod login;
mod login_throttle;
mod metrics;
mod offers_client;
mod passwords;
mod rest;
mod security_log;
mod sessions;
mod settings;
mod signing_keys;
mod tokens;
mod validation;

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Context, EmptySubscription, MergedObject, SDLExportOptions, SchemaBuilder, ValidationMode,
    dataloader::DataLoader,
};
use axum::{
    Json, Router,
    http::{HeaderName, header},
    routing::get,
};
use chrono::TimeDelta;
use schema::{BatchLoader, Security, descriptions, limits};
use sea_orm::DatabaseConnection;
use server::{
    app::{self, ServiceParts},
    auth::Authenticator,
    client, database, graphql as graphql_http,
    metrics::Metrics,
    serve::AppService,
    settings::Settings,
    web_ui::{self, Card, UiConfig},
};
use tokio::sync::watch;

use accounts::AccountMutation;
use graphql::users::{OfferConnection, UserConnection, UserQuery};
use loaders::UserLoader;
use login::LoginMutation;
use login_throttle::Throttle;
use metrics::Figures;
use offers_client::Offers;
use passwords::Hasher;
use signing_keys::Keys;

pub use passwords::demo_hash;
pub use settings::{OffersClientSettings, RotateKeysArgs, UsersSettings};
pub use signing_keys::Rotated;

/// The name of the service.
pub const NAME: &str = "users-api";
/// How often expired sessions are taken away.
const SWEEP: Duration = Duration::from_hours(1);

/// What can be done.
#[derive(MergedObject, Default)]
struct Mutation(AccountMutation, LoginMutation);

/// The GraphQL schema of this service.
type Schema = async_graphql::Schema<UserQuery, Mutation, EmptySubscription>;

/// What the resolvers work with.
struct UsersState {
    database: DatabaseConnection,
    security: Security,
    rows: DataLoader<BatchLoader<UserLoader>>,
    names: DataLoader<BatchLoader<UserLoader>>,
    pages: DataLoader<BatchLoader<UserLoader>>,
    offers: Offers,
    hasher: Hasher,
    throttle: Throttle,
    keys: Keys,
    access_ttl: TimeDelta,
    refresh_ttl: TimeDelta,
}

impl UsersState {
    fn from_ctx<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Arc<Self>>()
    }
}

fn types() -> SchemaBuilder<UserQuery, Mutation, EmptySubscription> {
    let builder = Schema::build(UserQuery, Mutation::default(), EmptySubscription)
        .enable_federation()
        .override_output_type_description::<UserConnection>("A page of users.")
        .override_output_type_description::<OfferConnection>("A page of offers.");
    descriptions::describe_shared_types(builder)
}

/// The schema as a federation subgraph, in the schema definition language.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new().federation().compose_directive();
    types().finish().sdl_with_options(options)
}

/// The whole service, ready to be served.
///
/// # Errors
/// Names a bad setting and says what is wrong with it.
pub async fn app(
    settings: &Settings,
    own: &UsersSettings,
    upstream: &OffersClientSettings,
    stopping: watch::Receiver<bool>,
) -> Result<AppService, String> {
    let (metrics, figures) = Metrics::new(Figures::register);
    let database = database::connect(settings, &metrics)
        .await
        .map_err(|error| format!("DATABASE_URL: {error}"))?;
    let users = Arc::new(users(settings, own, upstream, database.clone(), &metrics, figures)?);
    tokio::spawn(sweep(Arc::clone(&users)));
    let watched = Arc::clone(&users);
    tokio::spawn(async move { watched.keys.watch().await });

    let pages = pages(settings);
    let open = open(Arc::clone(&users), &pages)?;
    let authenticator: Authenticator = Arc::clone(&users) as _;
    let outside = limits::apply(types()).data(Arc::clone(&users)).finish();
    let trusted = types().data(users).validation_mode(ValidationMode::Fast).finish();
    let graphql = graphql_http::router(graphql_http::Endpoint {
        introspection: settings.introspection,
        page: settings
            .graphiql
            .then(|| Arc::new(move || web_ui::graphiql(&pages)) as graphql_http::Page),
        once: &["register", "authenticate", "refresh", "changePassword"],
        shutdown: stopping.clone(),
        ..graphql_http::Endpoint::new(outside, Arc::clone(&authenticator))
    });
    let api = rest::router(trusted)?.merge(graphql);
    Ok(app::build(ServiceParts {
        settings,
        database,
        readiness_queries: entity::probes(),
        metrics,
        authenticator,
        // Clients may send it with every request, whichever service answers.
        cors_headers: vec![HeaderName::from_static("idempotency-key")],
        stopping,
        api,
        public: open,
    }))
}

fn users(
    settings: &Settings,
    own: &UsersSettings,
    upstream: &OffersClientSettings,
    database: DatabaseConnection,
    metrics: &Metrics,
    figures: Figures,
) -> Result<UsersState, String> {
    let keys =
        Keys::open(&own.keys.jwt_key_dir).map_err(|error| own.keys.with_setting_name(&error))?;
    let client = client::build(upstream.offers_ca.as_deref())
        .map_err(|error| format!("OFFERS_CA: {error}"))?;
    let ttl = |name, span| TimeDelta::from_std(span).map_err(|error| format!("{name}: {error}"));
    let Figures { hashes_waiting, hashes_running, upstream: figures } = figures;
    let way = offers_client::transport::Upstream::new(
        client,
        &upstream.offers_url,
        own.offers_patience,
        figures,
    );
    Ok(UsersState {
        rows: metrics.batch_loader("user_by_id", UserLoader(database.clone())),
        names: metrics.batch_loader("user_by_username", UserLoader(database.clone())),
        pages: metrics.batch_loader("user_pages", UserLoader(database.clone())),
        database,
        security: settings.security,
        offers: Offers::new(&way, metrics),
        hasher: Hasher::new(hashes_waiting, hashes_running)
            .map_err(|error| error.detail.into_owned())?,
        throttle: Throttle::default(),
        keys,
        access_ttl: ttl("ACCESS_TTL", own.access_ttl)?,
        refresh_ttl: ttl("REFRESH_TTL", own.keys.refresh_ttl)?,
    })
}

/// The pages, and the public keys (RFC 7517).
fn open(users: Arc<UsersState>, pages: &UiConfig) -> Result<Router, String> {
    let jwks = get(async move || {
        ([(header::CACHE_CONTROL, "public, max-age=300")], Json(users.keys.ring().published()))
    });
    let pages = web_ui::router(pages).map_err(|error| error.to_string())?;
    Ok(pages.route("/.well-known/jwks.json", jwks))
}

async fn sweep(users: Arc<UsersState>) {
    let mut hours = tokio::time::interval(SWEEP);
    loop {
        hours.tick().await;
        if let Ok(swept @ 1..) = users.sweep().await {
            tracing::info!(swept, "deleted expired sessions");
        }
    }
}

fn pages(settings: &Settings) -> UiConfig {
    UiConfig {
        service: NAME,
        title: "Users",
        summary: "Who registers, logs in and offers.",
        cards: vec![
            Card {
                href: Some("/.well-known/jwks.json".to_owned()),
                label: "Public keys",
                text: "What access tokens are verified with.",
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

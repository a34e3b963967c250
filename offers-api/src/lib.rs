//! The Offers service: classified ads of users.

mod batch_insert;
mod browse;
mod graphql;
mod idempotency;
mod jwks;
mod loaders;
mod offer_events;
mod offers;
mod rest;
mod search;
mod settings;
mod validation;

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Context, SDLExportOptions, SchemaBuilder, ValidationMode, dataloader::DataLoader,
};
use axum::{Router, http::HeaderName};
use schema::{BatchLoader, Security, descriptions, prefetch::OfferConnection};
use sea_orm::DatabaseConnection;
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

use graphql::{
    offers::{Offer, OfferMutation, OfferQuery},
    subscriptions::OfferSubscription,
};
use jwks::JwksCache;
use loaders::OfferLoader;
use offer_events::Feed;

pub use settings::OffersSettings;

/// The name of the service.
pub const NAME: &str = "offers-api";
/// Interval of deleting expired idempotency keys.
const KEY_EXPIRY_INTERVAL: Duration = Duration::from_hours(1);

/// The GraphQL schema of this service.
type Schema = async_graphql::Schema<OfferQuery, OfferMutation, OfferSubscription>;

/// The state that the resolvers share.
struct OffersState {
    database: DatabaseConnection,
    security: Security,
    feed: Arc<Feed>,
    reads: ReadPool,
    offer_by_id: DataLoader<BatchLoader<OfferLoader>>,
    offer_by_key: DataLoader<BatchLoader<OfferLoader<ReadPool>>>,
    offer_pages: DataLoader<BatchLoader<OfferLoader<ReadPool>>>,
    offer_lists: DataLoader<BatchLoader<OfferLoader>>,
    searches: DataLoader<BatchLoader<OfferLoader>>,
    create_offer: DataLoader<BatchLoader<OfferLoader>>,
}

impl OffersState {
    fn new(
        database: DatabaseConnection,
        reads: ReadPool,
        security: Security,
        feed: Arc<Feed>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            offer_by_id: metrics.batch_loader("offer_by_id", OfferLoader(database.clone())),
            offer_by_key: metrics.batch_loader("offer_by_key", OfferLoader(reads.clone())),
            offer_pages: metrics.batch_loader("offer_pages", OfferLoader(reads.clone())),
            offer_lists: metrics.batch_loader("offer_lists", OfferLoader(database.clone())),
            searches: metrics.batch_loader("searches", OfferLoader(database.clone())),
            create_offer: metrics.batch_loader("create_offer", OfferLoader(database.clone())),
            database,
            reads,
            security,
            feed,
        }
    }

    fn from_ctx<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Arc<Self>>()
    }
}

fn types() -> SchemaBuilder<OfferQuery, OfferMutation, OfferSubscription> {
    let builder = Schema::build(OfferQuery, OfferMutation, OfferSubscription)
        .enable_federation()
        .enable_subscription_in_federation()
        .override_output_type_description::<OfferConnection<Offer>>("A page of offers.");
    descriptions::describe_shared_types(builder)
}

/// Returns the schema as a federation subgraph, in the schema definition language.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new().federation().compose_directive();
    types().finish().sdl_with_options(options)
}

/// Builds the service.
///
/// # Errors
/// Fails with the name and the fault of a bad setting.
pub async fn app(
    settings: &Settings,
    own: &OffersSettings,
    stopping: watch::Receiver<bool>,
) -> Result<AppService, String> {
    let metrics = Metrics::default();
    let database = database::connect(settings, &metrics).await?;
    let is_postgres = |url: &String| matches!(database::connect_options(url), Ok((_, None)));
    if own.database_listen_url.as_ref().is_some_and(|url| !is_postgres(url)) {
        return Err("DATABASE_LISTEN_URL: must be a URL such as postgres://…".to_owned());
    }
    let reads = ReadPool::connect(settings, &database, &metrics).await?;
    let listen_url = own.database_listen_url.as_ref().unwrap_or(&settings.database_url);
    let feed = Feed::start(&database, listen_url);
    let offers =
        Arc::new(OffersState::new(database.clone(), reads, settings.security, feed, &metrics));
    tokio::spawn(expire_keys(database.clone()));
    let client =
        client::build(own.jwks_ca.as_deref()).map_err(|error| format!("JWKS_CA: {error}"))?;
    let authenticator: Authenticator = Arc::new(JwksCache::new(client, own.jwks_url.to_string()));

    let outside = types().data(Arc::clone(&offers));
    let trusted = types().data(offers).validation_mode(ValidationMode::Fast).finish();
    let pages = pages(settings);
    let open = web_ui::router(&pages).map_err(|error| error.to_string())?;
    let graphql = graphql_http::router(graphql_http::Endpoint {
        introspection: settings.introspection,
        landing_page: settings
            .graphiql
            .then(|| Arc::new(move || web_ui::graphiql(&pages)) as graphql_http::LandingPage),
        shutdown: stopping.clone(),
        ..graphql_endpoint::endpoint(outside, Arc::clone(&authenticator))
    });
    Ok(app::build(ServiceParts {
        settings,
        database,
        readiness_queries: vec![
            entity::readiness_query::<entity::offer::Entity>(),
            entity::readiness_query::<entity::idempotency_key::Entity>(),
            entity::readiness_query::<entity::write_probe::Entity>(),
        ],
        metrics,
        authenticator,
        cors_headers: vec![HeaderName::from_static("idempotency-key")],
        stopping,
        api: rest::router(trusted)?,
        credentials: Router::new(),
        graphql,
        public: open,
    }))
}

/// Deletes expired idempotency keys for ever.
async fn expire_keys(database: DatabaseConnection) {
    let mut hours = tokio::time::interval(KEY_EXPIRY_INTERVAL);
    loop {
        hours.tick().await;
        if let Ok(deleted @ 1..) = idempotency::expire_keys(&database).await {
            tracing::info!(deleted, "deleted expired idempotency keys");
        }
    }
}

fn pages(settings: &Settings) -> UiConfig {
    UiConfig {
        service: NAME,
        title: "Offers",
        summary: "Creates and reads the classified ads of users.",
        cards: vec![Card {
            href: None,
            label: "users-api",
            text: "The Users service: registration, login and users with their offers.",
        }],
        graphiql: settings.graphiql,
        queries: &[
            include_str!("../graphiql/offers.graphql"),
            include_str!("../graphiql/browse.graphql"),
            include_str!("../graphiql/create.graphql"),
        ],
        openapi: rest::openapi(settings.security),
    }
}

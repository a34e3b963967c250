//! The Offers service: classified ads of users.

mod batch_insert;
mod graphql;
mod idempotency;
mod jwks;
mod loaders;
mod offer_events;
mod offers;
mod rest;
mod validation;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_graphql::{
    Context, SDLExportOptions, SchemaBuilder, ValidationMode, dataloader::DataLoader,
};
use clap::Args;
use schema::{BatchLoader, Security, descriptions, limits, prefetch::OfferConnection};
use sea_orm::DatabaseConnection;
use server::{
    app::{self, Parts},
    auth::Authenticator,
    client, database, graphql as graphql_http,
    metrics::Metrics,
    serve::App,
    settings::{self, Settings, Switch},
    web_ui::{self, Link, Pages},
};
use tokio::sync::watch;

use graphql::{
    offers::{Offer, OfferMutation, OfferQuery},
    subscriptions::OfferSubscription,
};
use jwks::JwksCache;
use loaders::OfferLoader;
use offer_events::Feed;

/// The name of the service.
pub const NAME: &str = "offers-api";
/// Interval of clearing expired idempotency keys.
const KEY_EXPIRY_INTERVAL: Duration = Duration::from_hours(1);

/// The settings of this service alone.
#[derive(Clone, Debug, Args)]
pub struct OffersSettings {
    /// URL of the public keys of the Users service
    #[arg(
        long,
        env,
        default_value = "http://127.0.0.1:8001/.well-known/jwks.json",
        value_name = "URL",
        value_parser = settings::http_url
    )]
    pub jwks_url: reqwest::Url,
    /// Certificates to trust at `JWKS_URL`, PEM
    #[arg(long, env, value_name = "FILE")]
    pub jwks_ca: Option<PathBuf>,
    /// Direct PostgreSQL URL for LISTEN, if `DATABASE_URL` leads to a pooler
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub database_listen_url: Option<String>,
}

/// The GraphQL schema of this service.
type Schema = async_graphql::Schema<OfferQuery, OfferMutation, OfferSubscription>;

/// The state that the resolvers share.
struct OffersState {
    database: DatabaseConnection,
    security: Security,
    feed: Arc<Feed>,
    offer_by_id: DataLoader<BatchLoader<OfferLoader>>,
    offer_pages: DataLoader<BatchLoader<OfferLoader>>,
    create_offer: DataLoader<BatchLoader<OfferLoader>>,
}

impl OffersState {
    fn new(
        database: DatabaseConnection,
        security: Security,
        feed: Arc<Feed>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            offer_by_id: metrics.batches("offer_by_id", OfferLoader(database.clone())),
            offer_pages: metrics.batches("offer_pages", OfferLoader(database.clone())),
            create_offer: metrics.batches("create_offer", OfferLoader(database.clone())),
            database,
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
) -> Result<App, String> {
    let metrics = Metrics::default();
    let database = database::connect(settings, &metrics)
        .await
        .map_err(|error| format!("DATABASE_URL: {error}"))?;
    let listen_url = own.database_listen_url.as_ref().unwrap_or(&settings.database_url);
    let feed = Feed::start(&database, listen_url);
    let offers = Arc::new(OffersState::new(database.clone(), settings.security, feed, &metrics));
    tokio::spawn(expire_keys(database.clone()));
    let client =
        client::new(own.jwks_ca.as_deref()).map_err(|error| format!("JWKS_CA: {error}"))?;
    let authenticator: Authenticator = Arc::new(JwksCache::new(client, own.jwks_url.to_string()));

    let outside = limits::apply(types()).data(Arc::clone(&offers)).finish();
    let trusted = types().data(offers).validation_mode(ValidationMode::Fast).finish();
    let pages = pages(settings);
    let open = web_ui::router(&pages).map_err(|error| error.to_string())?;
    let graphql = graphql_http::router(graphql_http::Endpoint {
        introspection: settings.introspection == Switch::On,
        page: (settings.graphiql == Switch::On)
            .then(|| Arc::new(move || web_ui::graphiql(&pages)) as graphql_http::Page),
        shutdown: stopping.clone(),
        ..graphql_http::Endpoint::new(outside, Arc::clone(&authenticator))
    });
    let api = rest::router(trusted)?.merge(graphql);
    let tables = entity::readiness_queries();
    let parts = Parts { settings, database, tables, metrics, authenticator, stopping, api, open };
    Ok(app::assemble(parts))
}

/// Clears expired idempotency keys for ever.
async fn expire_keys(database: DatabaseConnection) {
    let mut hours = tokio::time::interval(KEY_EXPIRY_INTERVAL);
    loop {
        hours.tick().await;
        if let Ok(cleared @ 1..) = idempotency::expire_keys(&database).await {
            tracing::info!(cleared, "cleared expired idempotency keys");
        }
    }
}

fn pages(settings: &Settings) -> Pages {
    Pages {
        service: NAME,
        title: "Offers",
        summary: "Creates and reads the classified ads of users.",
        links: vec![Link {
            href: None,
            label: "users-api",
            text: "The Users service: registration, login and users with their offers.",
        }],
        graphiql: settings.graphiql == Switch::On,
        queries: &[
            include_str!("../graphiql/offers.graphql"),
            include_str!("../graphiql/create.graphql"),
        ],
        openapi: rest::openapi(settings.security),
    }
}

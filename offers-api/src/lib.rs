//! The Offers service: classified ads of users.

mod batch_insert;
mod graphql;
mod idempotency;
mod jwks;
mod loaders;
mod offer_events;
mod rest;
mod settings;

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Context, SDLExportOptions, SchemaBuilder, ValidationMode, dataloader::DataLoader,
};
use axum::http::HeaderName;
use schema::{BatchLoader, Security, descriptions};
use sea_orm::DatabaseConnection;
use server::{
    app::{self, ServiceParts},
    auth::Authenticator,
    client, database, graphql_endpoint,
    metrics::Metrics,
    serve::AppService,
    settings::Settings,
    web_ui::{self, Card, UiConfig},
};
use tokio::sync::watch;

use graphql::offers::{OfferConnection, OfferMutation, OfferQuery};
use jwks::JwksCache;
use loaders::OfferLoader;
use offer_events::{Feed, OfferSubscription};

pub use settings::OffersSettings;

/// The name of the service.
pub const NAME: &str = "offers-api";
/// How often the keys of requests that are kept no longer are taken away.
const SWEEP: Duration = Duration::from_hours(1);

/// The GraphQL schema of this service.
type Schema = async_graphql::Schema<OfferQuery, OfferMutation, OfferSubscription>;

/// What the resolvers work with.
struct OffersState {
    database: DatabaseConnection,
    security: Security,
    feed: Arc<Feed>,
    by_id: DataLoader<BatchLoader<OfferLoader>>,
    of_user: DataLoader<BatchLoader<OfferLoader>>,
    new: DataLoader<BatchLoader<OfferLoader>>,
}

impl OffersState {
    fn new(
        database: DatabaseConnection,
        security: Security,
        feed: Arc<Feed>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            by_id: metrics.batch_loader("offer_by_id", OfferLoader(database.clone())),
            of_user: metrics.batch_loader("offer_pages", OfferLoader(database.clone())),
            new: metrics.batch_loader("create_offer", OfferLoader(database.clone())),
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
    own: &OffersSettings,
    stopping: watch::Receiver<bool>,
) -> Result<AppService, String> {
    let metrics = Metrics::default();
    let database = database::connect(settings, &metrics)
        .await
        .map_err(|error| format!("DATABASE_URL: {error}"))?;
    let listen_url = own.database_listen_url.as_ref().unwrap_or(&settings.database_url);
    let feed = Feed::start(&database, listen_url);
    let offers = Arc::new(OffersState::new(database.clone(), settings.security, feed, &metrics));
    tokio::spawn(sweep(database.clone()));
    let client =
        client::build(own.jwks_ca.as_deref()).map_err(|error| format!("JWKS_CA: {error}"))?;
    let authenticator: Authenticator = Arc::new(JwksCache::new(client, own.jwks_url.to_string()));

    let outside =
        graphql_endpoint::public_schema(types().data(Arc::clone(&offers)), settings.introspection);
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
    let api = rest::router(trusted)?.merge(graphql);
    Ok(app::build(ServiceParts {
        settings,
        database,
        readiness_queries: entity::probes(),
        metrics,
        authenticator,
        cors_headers: vec![HeaderName::from_static("idempotency-key")],
        stopping,
        api,
        public: open,
    }))
}

async fn sweep(database: DatabaseConnection) {
    let mut hours = tokio::time::interval(SWEEP);
    loop {
        hours.tick().await;
        if let Ok(swept @ 1..) = idempotency::forget(&database).await {
            tracing::info!(swept, "cleared expired idempotency keys");
        }
    }
}

fn pages(settings: &Settings) -> UiConfig {
    UiConfig {
        service: NAME,
        title: "Offers",
        summary: "Classified ads: creates and reads what users offer.",
        cards: vec![Card {
            href: None,
            label: "users-api",
            text: "The Users service: who registers, logs in and offers.",
        }],
        graphiql: settings.graphiql,
        queries: &[
            include_str!("../graphiql/offers.graphql"),
            include_str!("../graphiql/create.graphql"),
        ],
        openapi: rest::openapi(settings.security),
    }
}

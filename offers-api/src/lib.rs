//! The Offers service: classified ads of users.

mod batch_insert;
mod graphql;
mod idempotency;
mod jwks;
mod loaders;
mod offer_events;
mod rest;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_graphql::{
    Context, SDLExportOptions, SchemaBuilder, ValidationMode, dataloader::DataLoader,
};
use clap::Args;
use schema::{BatchLoader, Security, descriptions};
use sea_orm::DatabaseConnection;
use server::{
    app::{self, Parts},
    auth::Authenticator,
    client, database, graphql_endpoint,
    metrics::Metrics,
    serve::App,
    settings::{self, Settings, Switch},
    web_ui::{self, Link, Pages},
};
use tokio::sync::watch;

use graphql::offers::{OfferConnection, OfferMutation, OfferQuery};
use jwks::Jwks;
use loaders::OfferLoader;
use offer_events::{Feed, OfferSubscription};

/// The name of the service.
pub const NAME: &str = "offers-api";
/// How often the keys of requests that are kept no longer are taken away.
const SWEEP: Duration = Duration::from_hours(1);

/// What only this service needs to know.
#[derive(Clone, Debug, Args)]
pub struct Own {
    /// Where the public keys of the Users service are
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
    /// The way past a pooler that `DATABASE_URL` leads to: who listens for the offers of other
    /// instances needs a connection for itself
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub database_listen_url: Option<String>,
}

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
            by_id: metrics.batches("offers", OfferLoader(database.clone())),
            of_user: metrics.batches("pages", OfferLoader(database.clone())),
            new: metrics.batches("new", OfferLoader(database.clone())),
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
    own: &Own,
    stopping: watch::Receiver<bool>,
) -> Result<App, String> {
    let metrics = Metrics::default();
    let database = database::connect(settings, &metrics)
        .await
        .map_err(|error| format!("DATABASE_URL: {error}"))?;
    let listen_url = own.database_listen_url.as_ref().unwrap_or(&settings.database_url);
    let feed = Feed::start(&database, listen_url);
    let offers = Arc::new(OffersState::new(database.clone(), settings.security, feed, &metrics));
    tokio::spawn(sweep(database.clone()));
    let client =
        client::new(own.jwks_ca.as_deref()).map_err(|error| format!("JWKS_CA: {error}"))?;
    let authenticator: Authenticator = Arc::new(Jwks::new(client, own.jwks_url.to_string()));

    let outside =
        graphql_endpoint::public_schema(types().data(Arc::clone(&offers)), settings.introspection);
    let trusted = types().data(offers).validation_mode(ValidationMode::Fast).finish();
    let pages = pages(settings);
    let open = web_ui::router(&pages).map_err(|error| error.to_string())?;
    let graphql = graphql_http::router(graphql_http::Endpoint {
        introspection: settings.introspection == Switch::On,
        landing_page: (settings.graphiql == Switch::On)
            .then(|| Arc::new(move || web_ui::graphiql(&pages)) as graphql_http::LandingPage),
        shutdown: stopping.clone(),
        ..graphql_endpoint::endpoint(outside, Arc::clone(&authenticator))
    });
    let api = rest::router(trusted)?.merge(graphql);
    let tables = entity::probes();
    let parts = Parts { settings, database, tables, metrics, authenticator, stopping, api, open };
    Ok(app::assemble(parts))
}

async fn sweep(database: DatabaseConnection) {
    let mut hours = tokio::time::interval(SWEEP);
    loop {
        hours.tick().await;
        if let Ok(swept @ 1..) = idempotency::forget(&database).await {
            tracing::info!(swept, "keys of requests forgotten");
        }
    }
}

fn pages(settings: &Settings) -> Pages {
    Pages {
        service: NAME,
        title: "Offers",
        summary: "Classified ads: creates and reads what users offer.",
        links: vec![Link {
            href: None,
            label: "users-api",
            text: "The Users service: who registers, logs in and offers.",
        }],
        graphiql: settings.graphiql == Switch::On,
        queries: &[
            include_str!("../graphiql/offers.graphql"),
            include_str!("../graphiql/create.graphql"),
        ],
        openapi: rest::openapi(settings.security),
    }
}

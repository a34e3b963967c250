//! The Users service: who registers, logs in and offers.

mod account;
mod event;
mod figures;
mod keys;
mod load;
mod login;
mod offers;
mod password;
mod rest;
mod rules;
mod session;
mod settings;
mod throttle;
mod token;
mod upstream;
mod user;

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Context, EmptySubscription, MergedObject, SDLExportOptions, SchemaBuilder, ValidationMode,
};
use axum::{Json, Router, http::header, routing::get};
use chrono::TimeDelta;
use schema::{Batcher, Page, Security, Slice, limits, words};
use sea_orm::DatabaseConnection;
use service::{
    app::{self, Parts},
    auth::Authenticator,
    client, database, graphql,
    listen::App,
    metrics::Metrics,
    pages::{self, Link, Pages},
    settings::{Settings, Switch},
};
use tokio::sync::watch;

use account::AccountMutation;
use figures::Figures;
use keys::Keys;
use login::LoginMutation;
use offers::Offers;
use password::Hasher;
use throttle::Throttle;
use user::{OfferConnection, UserConnection, UserQuery};

pub use keys::Rotated;
pub use password::demo_hash;
pub use settings::{Own, Rotation, Upstream};

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
struct Users {
    database: DatabaseConnection,
    security: Security,
    rows: Batcher<i64, user::Row>,
    names: Batcher<String, user::Row>,
    pages: Batcher<Page, Slice<user::Row>>,
    offers: Offers,
    hasher: Hasher,
    throttle: Throttle,
    keys: Keys,
    access_ttl: TimeDelta,
    refresh_ttl: TimeDelta,
}

impl Users {
    fn of<'a>(ctx: &Context<'a>) -> &'a Self {
        ctx.data_unchecked::<Arc<Self>>()
    }
}

fn types() -> SchemaBuilder<UserQuery, Mutation, EmptySubscription> {
    let builder = Schema::build(UserQuery, Mutation::default(), EmptySubscription)
        .enable_federation()
        .override_output_type_description::<UserConnection>("A page of users.")
        .override_output_type_description::<OfferConnection>("A page of offers.");
    words::describe(builder)
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
    upstream: &Upstream,
    stopping: watch::Receiver<bool>,
) -> Result<App, String> {
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
    let graphql = graphql::router(graphql::Endpoint {
        introspection: settings.introspection == Switch::On,
        page: (settings.graphiql == Switch::On)
            .then(|| Arc::new(move || pages::graphiql(&pages)) as graphql::Page),
        once: &["register", "authenticate", "refresh", "changePassword"],
        shutdown: stopping.clone(),
        ..graphql::Endpoint::new(outside, Arc::clone(&authenticator))
    });
    let api = rest::router(trusted)?.merge(graphql);
    let tables = entity::probes();
    let parts = Parts { settings, database, tables, metrics, authenticator, stopping, api, open };
    Ok(app::assemble(parts))
}

fn users(
    settings: &Settings,
    own: &Own,
    upstream: &Upstream,
    database: DatabaseConnection,
    metrics: &Metrics,
    figures: Figures,
) -> Result<Users, String> {
    let keys = Keys::open(&own.keys.jwt_key_dir).map_err(|error| own.keys.named(&error))?;
    let client = client::new(upstream.offers_ca.as_deref())
        .map_err(|error| format!("OFFERS_CA: {error}"))?;
    let ttl = |name, span| TimeDelta::from_std(span).map_err(|error| format!("{name}: {error}"));
    let Figures { hashes_waiting, hashes_running, upstream: figures } = figures;
    let way = upstream::Upstream::new(client, &upstream.offers_url, own.offers_patience, figures);
    Ok(Users {
        rows: metrics.batcher("users", &database, load::by_id),
        names: metrics.batcher("names", &database, load::by_name),
        pages: metrics.batcher("lists", &database, load::pages),
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
fn open(users: Arc<Users>, pages: &Pages) -> Result<Router, String> {
    let jwks = get(async move || {
        ([(header::CACHE_CONTROL, "public, max-age=300")], Json(users.keys.ring().published()))
    });
    let pages = pages::router(pages).map_err(|error| error.to_string())?;
    Ok(pages.route("/.well-known/jwks.json", jwks))
}

async fn sweep(users: Arc<Users>) {
    let mut hours = tokio::time::interval(SWEEP);
    loop {
        hours.tick().await;
        if let Ok(swept @ 1..) = users.sweep().await {
            tracing::info!(swept, "expired sessions taken away");
        }
    }
}

fn pages(settings: &Settings) -> Pages {
    Pages {
        service: NAME,
        title: "Users",
        summary: "Who registers, logs in and offers.",
        links: vec![
            Link {
                href: Some("/.well-known/jwks.json".to_owned()),
                label: "Public keys",
                text: "What access tokens are verified with.",
            },
            Link {
                href: None,
                label: "offers-api",
                text: "The Offers service: classified ads of users.",
            },
        ],
        graphiql: settings.graphiql == Switch::On,
        queries: &[
            include_str!("../graphiql/me.graphql"),
            include_str!("../graphiql/register.graphql"),
            include_str!("../graphiql/authenticate.graphql"),
            include_str!("../graphiql/users.graphql"),
        ],
        openapi: rest::openapi(settings.security),
    }
}

//! Both services in one process, for trying out and developing; and demo data.
//!
//! They share nothing but the process: users-api reaches offers-api over HTTP, and offers-api
//! fetches the keys of users-api over HTTP, as they do on two machines.

mod copy;
mod seed;

use std::path::{Path, PathBuf};

use clap::{Args, Command, Parser, Subcommand};
use reqwest::Url;
use server::{
    database,
    metrics::Metrics,
    serve::Listeners,
    settings::{self, Listen, Settings, Switch},
    telemetry, tls,
};
use tokio::sync::watch;

/// The Users and Offers services in one process, on an embedded database, for trying out and
/// developing.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Task>,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    own: users_api::Own,
}

#[derive(Subcommand)]
enum Task {
    /// Fills the database with demo data: `demo1` … `demoN`, password `demo`; safe to run again
    Seed(seed::Arguments),
    /// Copies every row to an empty database, such as from SQLite to PostgreSQL
    Copy(copy::Arguments),
}

/// Where the services listen.
#[allow(clippy::struct_field_names, reason = "the names of the settings")]
#[derive(Args)]
struct Addresses {
    /// Where users-api listens for plain HTTP, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8001", value_name = "ADDRESS")]
    users_http_addr: Listen,
    /// Where users-api listens for HTTPS, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8441", value_name = "ADDRESS")]
    users_https_addr: Listen,
    /// Where offers-api listens for plain HTTP, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8002", value_name = "ADDRESS")]
    offers_http_addr: Listen,
    /// Where offers-api listens for HTTPS, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8442", value_name = "ADDRESS")]
    offers_https_addr: Listen,
}

fn main() {
    let Arguments { command, addresses, settings, own } = settings::parse(defaults);
    let task = async {
        let _telemetry = telemetry::start("classifieds", &settings)?;
        let Some(task) = command else { return serve(&addresses, &settings, &own).await };
        migrate(&settings).await?;
        match task {
            Task::Seed(arguments) => seed::run(&settings, &arguments).await,
            Task::Copy(arguments) => copy::run(&settings, &arguments).await,
        }
    };
    settings.run(task);
}

/// What differs from the services alone: everything works without a setting.
fn defaults(command: Command) -> Command {
    command
        .mut_arg("database_url", |arg| {
            arg.required(false).default_value("sqlite://data/classifieds.db?mode=rwc").global(true)
        })
        .mut_arg("security", |arg| arg.default_value("spec"))
}

async fn migrate(settings: &Settings) -> Result<(), String> {
    let named = |error| format!("DATABASE_URL: {error}");
    let database = database::connect(settings, &Metrics::default()).await.map_err(named)?;
    migration::up(&database).await.map_err(named)?;
    database.close().await.map_err(named)
}

async fn serve(
    addresses: &Addresses,
    settings: &Settings,
    own: &users_api::Own,
) -> Result<(), String> {
    let files = tls::Files { cert: settings.tls_cert.clone(), key: settings.tls_key.clone() };
    let https = [addresses.users_https_addr, addresses.offers_https_addr];
    let ca = if https.iter().any(|listen| listen.on()) { certificate(&files)? } else { None };
    let listen =
        |http, https| Listeners::bind(http, https, &files).map_err(|error| error.to_string());
    let users = listen(
        ("USERS_HTTP_ADDR", addresses.users_http_addr),
        ("USERS_HTTPS_ADDR", addresses.users_https_addr),
    )?;
    let offers = listen(
        ("OFFERS_HTTP_ADDR", addresses.offers_http_addr),
        ("OFFERS_HTTPS_ADDR", addresses.offers_https_addr),
    )?;
    migrate(settings).await?;
    settings.warn();

    let upstream = users_api::Upstream { offers_url: url(&offers, "/")?, offers_ca: ca.clone() };
    let jwks = offers_api::OffersSettings {
        jwks_url: url(&users, "/.well-known/jwks.json")?,
        jwks_ca: ca,
        database_listen_url: None,
    };
    let ((stop_users, stopping_users), (stop_offers, stopping_offers)) =
        (watch::channel(false), watch::channel(false));
    let users_app = users_api::app(settings, own, &upstream, stopping_users).await?;
    let offers_app = offers_api::app(settings, &jwks, stopping_offers).await?;

    users.announce(users_api::NAME);
    offers.announce(offers_api::NAME);
    links(&users, &offers, settings.graphiql == Switch::On);
    let served = tokio::try_join!(
        users.serve(users_app, stop_users, settings.drain),
        offers.serve(offers_app, stop_offers, settings.drain),
    );
    served.map(drop).map_err(|error| error.to_string())
}

/// The certificate authority to trust, where the certificate is one of ours; it is made if there
/// is none at the usual place.
fn certificate(files: &tls::Files) -> Result<Option<PathBuf>, String> {
    let folder = files.cert.parent().unwrap_or(Path::new("."));
    let usual = files.cert == folder.join(certs::CERT) && files.key == folder.join(certs::KEY);
    if usual {
        let made = certs::make_if_none(folder);
        if made.map_err(|error| format!("TLS_CERT: {}: {error}", folder.display()))? {
            tracing::info!(folder = %folder.display(), "certificate made");
        }
    }
    let ca = folder.join(certs::CA);
    Ok(ca.exists().then_some(ca))
}

/// Where the other service finds this one.
fn url(listeners: &Listeners, path: &str) -> Result<Url, String> {
    let base = listeners.http().or_else(|| listeners.https()).unwrap_or_default();
    Url::parse(&base).and_then(|url| url.join(path)).map_err(|error| format!("{base}: {error}"))
}

/// The links to click.
fn links(users: &Listeners, offers: &Listeners, graphiql: bool) {
    println!();
    for (title, listeners) in [("Users", users), ("Offers", offers)] {
        for base in [listeners.http(), listeners.https()].into_iter().flatten() {
            let playground =
                if graphiql { format!("GraphiQL {base}/graphql   ") } else { String::new() };
            println!("{title:<7} {base}/   {playground}REST {base}/docs");
        }
    }
}

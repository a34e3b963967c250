//! Both services in one process, for trials and development; demo data; copies of a database.
//!
//! They share only the process: users-api calls offers-api over HTTP, and offers-api fetches the
//! public keys of users-api over HTTP, as on two machines.

mod copy;
mod demo_words;
mod seed;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;
use reqwest::Url;
use server::{
    database,
    metrics::Metrics,
    output, runtime,
    serve::Listeners,
    settings::{self, BindAddress, Settings},
    telemetry,
    tls::CertificateFiles,
};
use tokio::sync::watch;

/// Responses consist of many small allocations: the allocator of the C library took a quarter of
/// the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The Users and Offers services in one process, on an embedded database, for trials and
/// development.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    addresses: Addresses,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    users_settings: users_api::UsersSettings,
}

#[derive(Subcommand)]
enum Command {
    /// Fill the database with demo data: `demo1` … `demoN`, password `demo`; safe to run again
    Seed(seed::Arguments),
    /// Copy every row to an empty database, such as from SQLite to PostgreSQL
    Copy(copy::CopyArgs),
}

/// The addresses of both services.
#[allow(clippy::struct_field_names, reason = "the names of the settings")]
#[derive(Args)]
struct Addresses {
    /// Address of users-api for plain HTTP, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8001", value_name = "ADDRESS")]
    users_http_addr: BindAddress,
    /// Address of users-api for HTTPS, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8441", value_name = "ADDRESS")]
    users_https_addr: BindAddress,
    /// Address of offers-api for plain HTTP, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8002", value_name = "ADDRESS")]
    offers_http_addr: BindAddress,
    /// Address of offers-api for HTTPS, or `off`; port 0 picks a free one
    #[arg(long, env, default_value = "127.0.0.1:8442", value_name = "ADDRESS")]
    offers_https_addr: BindAddress,
}

fn main() {
    let Cli { command, addresses, settings, users_settings } = settings::parse_args(defaults);
    let program = async {
        let _telemetry = telemetry::init("classifieds", &settings)?;
        let Some(command) = command else {
            return serve(&addresses, &settings, &users_settings).await;
        };
        migrate(&settings).await?;
        match command {
            Command::Seed(arguments) => seed::run(&settings, &arguments).await,
            Command::Copy(arguments) => copy::run(&settings, &arguments).await,
        }
    };
    runtime::block_on(settings.workers, program);
}

/// Replaces defaults of the services, so that `cargo run` needs no settings.
fn defaults(command: clap::Command) -> clap::Command {
    command
        .mut_arg("database_url", |arg| {
            arg.required(false).default_value("sqlite://data/classifieds.db?mode=rwc").global(true)
        })
        .mut_arg("security", |arg| arg.default_value("spec"))
}

async fn migrate(settings: &Settings) -> Result<(), String> {
    let database = database::connect(settings, &Metrics::default()).await?;
    migration::up(&database).await.map_err(|error| format!("DATABASE_URL: {error}"))?;
    database.close().await.map_err(|error| format!("DATABASE_URL: {error}"))
}

async fn serve(
    addresses: &Addresses,
    settings: &Settings,
    users_settings: &users_api::UsersSettings,
) -> Result<(), String> {
    let files = &settings.certificate;
    let https = [addresses.users_https_addr, addresses.offers_https_addr];
    let ca = if https.iter().any(|address| address.is_enabled()) {
        ensure_certificate(files)?
    } else {
        None
    };
    let bind = |http, https| Listeners::bind(http, https, files).map_err(|error| error.to_string());
    let users = bind(
        ("USERS_HTTP_ADDR", addresses.users_http_addr),
        ("USERS_HTTPS_ADDR", addresses.users_https_addr),
    )?;
    let offers = bind(
        ("OFFERS_HTTP_ADDR", addresses.offers_http_addr),
        ("OFFERS_HTTPS_ADDR", addresses.offers_https_addr),
    )?;
    migrate(settings).await?;
    settings.warn_if_open();

    let offers_client = users_api::OffersClientSettings {
        offers_url: url(&offers, "/", files)?,
        offers_ca: ca.clone(),
    };
    let offers_settings = offers_api::OffersSettings {
        jwks_url: url(&users, "/.well-known/jwks.json", files)?,
        jwks_ca: ca,
        database_listen_url: None,
    };
    let ((stop_users, stopping_users), (stop_offers, stopping_offers)) =
        (watch::channel(false), watch::channel(false));
    let users_app =
        users_api::app(settings, users_settings, &offers_client, stopping_users).await?;
    let offers_app = offers_api::app(settings, &offers_settings, stopping_offers).await?;

    users.print_addresses(users_api::NAME);
    offers.print_addresses(offers_api::NAME);
    print_links(&users, &offers, settings.graphiql);
    let served = tokio::try_join!(
        users.serve(users_app, stop_users, settings.drain),
        offers.serve(offers_app, stop_offers, settings.drain),
    );
    served.map(drop).map_err(|error| error.to_string())
}

/// Generates the certificate if it is missing from its default folder. Returns the certificate
/// authority to trust; `None` if there is none beside the certificate.
fn ensure_certificate(files: &CertificateFiles) -> Result<Option<PathBuf>, String> {
    let folder = files.tls_cert.parent().unwrap_or(Path::new("."));
    let is_default =
        files.tls_cert == folder.join(certs::CERT) && files.tls_key == folder.join(certs::KEY);
    if is_default {
        let generated = certs::generate_if_missing(folder);
        if generated.map_err(|error| format!("TLS_CERT: {}: {error}", folder.display()))? {
            tracing::info!(folder = %folder.display(), "certificate generated");
        }
    }
    let ca = folder.join(certs::CA);
    Ok(ca.exists().then_some(ca))
}

/// Returns the URL at which the other service reaches this one.
///
/// # Errors
/// Plain HTTP is off and the certificate is not valid for the address.
fn url(listeners: &Listeners, path: &str, files: &CertificateFiles) -> Result<Url, String> {
    let base = listeners.http().or_else(|| listeners.https()).unwrap_or_default();
    let url = Url::parse(&base).and_then(|url| url.join(path));
    let url = url.map_err(|error| format!("{base}: {error}"))?;
    if url.scheme() == "https" {
        let checked = files.check_host(url.host_str().unwrap_or_default());
        checked.map_err(|error| format!("{error}: the services call each other at {base}"))?;
    }
    Ok(url)
}

/// Prints the links of both services.
fn print_links(users: &Listeners, offers: &Listeners, graphiql: bool) {
    output::print_line("");
    for (title, listeners) in [("Users", users), ("Offers", offers)] {
        for base in [listeners.http(), listeners.https()].into_iter().flatten() {
            let playground =
                if graphiql { format!("GraphiQL {base}/graphql   ") } else { String::new() };
            let line = format!("{title:<7} {base}/   {playground}REST {base}/docs");
            output::print_line(line);
        }
    }
}

//! Both services on an embedded database with a few rows.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    reason = "a benchmark stops at what is wrong"
)]

use clap::Parser;
use entity::{PasswordHash, offer, user};
use mimalloc::MiMalloc;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    EntityTrait,
};
use server::{serve::AppService, settings::Settings};
use tempfile::TempDir;
use tokio::sync::watch;

/// The allocator of the services.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Users in the database, from id 1 on.
pub(crate) const USERS: i64 = 1000;
/// Offers of each.
pub(crate) const OFFERS: i64 = 10;

#[derive(Parser)]
struct OffersArguments {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    own: offers_api::OffersSettings,
}

#[derive(Parser)]
struct UsersArguments {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    own: users_api::UsersSettings,
    #[command(flatten)]
    upstream: users_api::OffersClientSettings,
}

/// A folder with a database in it.
pub(crate) struct Rows {
    folder: TempDir,
    url: String,
}

pub(crate) async fn rows() -> Rows {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("rows.db").display());
    let database = sea_orm::Database::connect(&url).await.unwrap();
    migration::up(&database).await.unwrap();
    let now = chrono::DateTime::UNIX_EPOCH;
    let users = (1..=USERS).map(|id| user::ActiveModel {
        id: Set(id),
        username: Set(format!("demo{id}")),
        username_key: Set(format!("demo{id}")),
        email: Set(None),
        email_key: Set(None),
        password_hash: Set(PasswordHash(String::new())),
        created_at: Set(now),
    });
    user::Entity::insert_many(users).exec(&database).await.unwrap();
    for number in 1..=OFFERS {
        let offers = (1..=USERS).map(|user| offer::ActiveModel {
            id: NotSet,
            user_id: Set(user),
            title: Set(format!("Offer {number}")),
            text: Set(format!("Something that user {user} no longer needs, number {number}.")),
            created_at: Set(now),
            price_amount: NotSet,
            price_currency: NotSet,
            status: NotSet,
            updated_at: NotSet,
        });
        offer::Entity::insert_many(offers).exec(&database).await.unwrap();
    }
    database.close().await.unwrap();
    Rows { folder, url }
}

pub(crate) async fn offers_api(rows: &Rows) -> AppService {
    let OffersArguments { settings, own } =
        OffersArguments::parse_from(["bench", "--database-url", &rows.url, "--security", "spec"]);
    offers_api::app(&settings, &own, watch::channel(false).1).await.unwrap()
}

pub(crate) async fn users_api(rows: &Rows, offers_url: &str) -> AppService {
    let keys = rows.folder.path().join("keys").display().to_string();
    let UsersArguments { settings, own, upstream } = UsersArguments::parse_from([
        "bench",
        "--database-url",
        &rows.url,
        "--security",
        "spec",
        "--jwt-key-dir",
        &keys,
        "--offers-url",
        offers_url,
    ]);
    users_api::app(&settings, &own, &upstream, watch::channel(false).1).await.unwrap()
}

/// Serves it on a free port, and gives its address.
pub(crate) async fn serve(app: AppService) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = axum::ServiceExt::<axum::extract::Request>::into_make_service(app);
    tokio::spawn(async move { axum::serve(listener, service).await });
    url
}

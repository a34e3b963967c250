//! What the services are measured against: the same routes in one process, without GraphQL.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::{DataLoader, Loader};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
    serve::ListenerExt,
};
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use entity::{offer, user};
use schema::{
    BatchLoader, Error, LoadOwned, Offer, OfferStatus, Timestamp, User, batch_loader::BatchResult,
    rows::pad_to_power_of_two,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectOptions, Database, DatabaseConnection,
    DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// How a reference answers.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Always the same text: what HTTP alone costs.
    Static,
    /// Two statements a request: what most people would write, with sea-orm's defaults.
    Direct,
    /// The same without the ping that sea-orm sends before each statement as it comes.
    Pingless,
    /// The same with our batching of both statements.
    Batched,
}

/// The most offers that are read, as the services do.
const OFFERS: u64 = 1000;

#[derive(Clone, Serialize)]
struct UserWithOffers {
    #[serde(flatten)]
    user: User,
    offers: Vec<Offer>,
}

fn with_offers(user: user::Model, offers: Vec<offer::Model>) -> Json<UserWithOffers> {
    Json(UserWithOffers { user: user.into(), offers: shown(offers) })
}

fn shown(offers: Vec<offer::Model>) -> Vec<Offer> {
    offers.into_iter().map(Offer::from).collect()
}

struct Failed;

impl From<DbErr> for Failed {
    fn from(_: DbErr) -> Self {
        Self
    }
}

impl From<schema::Error> for Failed {
    fn from(_: schema::Error) -> Self {
        Self
    }
}

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> axum::response::Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// Serves one reference on a free port, which it prints.
///
/// # Errors
/// Says what failed.
pub(crate) async fn serve(kind: Kind, url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let router = match kind {
        Kind::Static => Router::new().route("/user/{id}/", get(fixed)),
        Kind::Direct => direct(Database::connect(url).await?),
        Kind::Pingless | Kind::Batched => {
            let mut options = ConnectOptions::new(url);
            options.max_connections(16).test_before_acquire(false).sqlx_logging(false);
            let database = Database::connect(options).await?;
            if matches!(kind, Kind::Pingless) { direct(database) } else { batched(&database) }
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("reference http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await?;
    Ok(())
}

async fn fixed() -> Json<UserWithOffers> {
    let created_at = Timestamp::from(DateTime::UNIX_EPOCH);
    let offer = |id: i64| Offer {
        id: id.into(),
        user_id: 1.into(),
        title: format!("Offer {id}").into(),
        text: format!("Something that user 1 no longer needs, number {id}.").into(),
        price: None,
        status: OfferStatus::Open,
        created_at: created_at.clone(),
        updated_at: created_at.clone(),
    };
    let (username, email) = ("demo1".to_owned(), Some("demo1@example.org".to_owned()));
    let user = User { id: 1.into(), username, email, created_at: created_at.clone() };
    Json(UserWithOffers { user, offers: (1..=10).map(offer).collect() })
}

fn direct(database: DatabaseConnection) -> Router {
    Router::new()
        .route("/user/{id}/", get(read))
        .route("/offer/", post(list))
        .route("/offer/create/", post(create))
        .with_state(database)
}

async fn read(
    State(database): State<DatabaseConnection>,
    Path(id): Path<i64>,
) -> Result<Result<Json<UserWithOffers>, StatusCode>, Failed> {
    let Some(user) = user::Entity::find_by_id(id).one(&database).await? else {
        return Ok(Err(StatusCode::NOT_FOUND));
    };
    Ok(Ok(with_offers(user, offers_of(&database, id).await?)))
}

async fn offers_of(database: &DatabaseConnection, user: i64) -> Result<Vec<offer::Model>, DbErr> {
    offer::Entity::find()
        .filter(offer::Column::UserId.eq(user))
        .order_by_asc(offer::Column::Id)
        .limit(OFFERS)
        .all(database)
        .await
}

#[derive(Deserialize)]
struct Whose {
    user_id: i64,
}

async fn list(
    State(database): State<DatabaseConnection>,
    Json(whose): Json<Whose>,
) -> Result<Json<Vec<Offer>>, Failed> {
    Ok(Json(shown(offers_of(&database, whose.user_id).await?)))
}

#[derive(Deserialize)]
struct NewOffer {
    user_id: i64,
    title: String,
    text: String,
}

#[allow(clippy::disallowed_methods, reason = "what most people would write")]
async fn create(
    State(database): State<DatabaseConnection>,
    Json(new): Json<NewOffer>,
) -> Result<(StatusCode, Json<Offer>), Failed> {
    let row = offer::ActiveModel {
        user_id: Set(new.user_id),
        title: Set(new.title),
        text: Set(new.text),
        created_at: Set(Utc::now()),
        ..Default::default()
    };
    Ok((StatusCode::CREATED, Json(row.insert(&database).await?.into())))
}

struct Loaders {
    users: DataLoader<BatchLoader<UserLoader>>,
    offers: DataLoader<BatchLoader<OfferLoader>>,
}

struct UserLoader(DatabaseConnection);

impl Loader<i64> for UserLoader {
    type Value = user::Model;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, user::Model> {
        let rows =
            user::Entity::find().filter(user::Column::Id.is_in(pad_to_power_of_two(ids.to_vec())));
        Ok(rows.all(&self.0).await?.into_iter().map(|row| (row.id, row)).collect())
    }
}

struct OfferLoader(DatabaseConnection);

impl Loader<i64> for OfferLoader {
    type Value = Vec<offer::Model>;
    type Error = Error;

    async fn load(&self, users: &[i64]) -> BatchResult<i64, Vec<offer::Model>> {
        let rows = offer::Entity::find()
            .filter(offer::Column::UserId.is_in(pad_to_power_of_two(users.to_vec())))
            .order_by_asc(offer::Column::Id);
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows.all(&self.0).await? {
            found.entry(row.user_id).or_default().push(row);
        }
        Ok(found)
    }
}

fn batched(database: &DatabaseConnection) -> Router {
    let batches = Loaders {
        users: BatchLoader::data_loader(UserLoader(database.clone()), |_| ()),
        offers: BatchLoader::data_loader(OfferLoader(database.clone()), |_| ()),
    };
    Router::new().route("/user/{id}/", get(read_batched)).with_state(Arc::new(batches))
}

async fn read_batched(
    State(batches): State<Arc<Loaders>>,
    Path(id): Path<i64>,
) -> Result<Result<Json<UserWithOffers>, StatusCode>, Failed> {
    let Some(user) = batches.users.load_owned(id).await? else {
        return Ok(Err(StatusCode::NOT_FOUND));
    };
    Ok(Ok(with_offers(user, batches.offers.load_owned(id).await?.unwrap_or_default())))
}

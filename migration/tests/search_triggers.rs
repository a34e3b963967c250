//! Writes to offers that fail on SQLite after a trigger has written to the FTS5 table of the search.
#![allow(clippy::unwrap_used, reason = "a test")]

use entity::{PasswordHash, begin_write, offer, user};
use sea_orm_migration::sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait,
    PaginatorTrait,
    prelude::DateTimeUtc,
    sqlx::sqlite::SqliteJournalMode,
};

/// Connects to a database by a single connection.
async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|options| options.journal_mode(SqliteJournalMode::Wal));
    Database::connect(options).await.unwrap()
}

/// Returns two connections to a new database with the user 1.
async fn connect_twice(folder: &tempfile::TempDir) -> [DatabaseConnection; 2] {
    let file = folder.path().join("offers.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let connections = [connect(&url).await, connect(&url).await];
    migration::up(&connections[0]).await.unwrap();
    let ann = user::ActiveModel {
        id: Set(1),
        username: Set("ann".to_owned()),
        username_key: Set("ann".to_owned()),
        email: Set(None),
        email_key: Set(None),
        password_hash: Set(PasswordHash(String::new())),
        created_at: Set(DateTimeUtc::UNIX_EPOCH),
    };
    user::Entity::insert(ann).exec_without_returning(&connections[0]).await.unwrap();
    connections
}

async fn insert_offer(user_id: i64, database: &impl ConnectionTrait) -> Result<(), DbErr> {
    let offer = offer::ActiveModel {
        id: NotSet,
        user_id: Set(user_id),
        title: Set("chair".to_owned()),
        text: Set("old".to_owned()),
        created_at: Set(DateTimeUtc::UNIX_EPOCH),
        price_amount: NotSet,
        price_currency: NotSet,
        status: NotSet,
        updated_at: NotSet,
    };
    offer::Entity::insert(offer).exec_without_returning(database).await.map(drop)
}

/// Once this fails, offers can be inserted without a transaction: `insert_rows` in
/// `offers-api/src/batch_insert.rs`.
#[tokio::test]
async fn upstream_reads_old_rows_after_a_failed_statement() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = connect_twice(&folder).await;
    insert_offer(2, &one).await.unwrap_err();
    insert_offer(1, &other).await.unwrap();
    assert_eq!(offer::Entity::find().count(&one).await.unwrap(), 0, "SQLite is mended");
}

#[tokio::test]
async fn failed_transaction_leaves_no_old_rows() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = connect_twice(&folder).await;
    for offers in 1..4 {
        let transaction = begin_write(&one).await.unwrap();
        insert_offer(2, &transaction).await.unwrap_err();
        drop(transaction);
        insert_offer(1, &other).await.unwrap();
        assert_eq!(offer::Entity::find().count(&one).await.unwrap(), offers);
    }
    insert_offer(1, &one).await.unwrap();
}

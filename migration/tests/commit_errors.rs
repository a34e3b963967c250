//! Writes whose commit fails. Here, since the test needs SQL text: sea-query cannot defer a foreign
//! key.
#![allow(clippy::disallowed_methods, reason = "shows the fault of the banned methods")]
#![allow(clippy::unwrap_used, reason = "a test")]

use entity::{PasswordHash, insert_row, offer, probe_write, update_row, user, write_probe};
use sea_orm_migration::sea_orm::{
    self, ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, EntityTrait,
    PaginatorTrait, Schema,
    prelude::DateTimeUtc,
};

/// Returns an empty table whose rows have to refer to users, which is checked at the commit:
/// SQLite reports this in the same way as a full disk.
async fn database_with_failing_commits() -> DatabaseConnection {
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let database = Database::connect(options).await.unwrap();
    let schema = Schema::new(sea_orm::DbBackend::Sqlite);
    database.execute(&schema.create_table_from_entity(user::Entity)).await.unwrap();
    database.execute(&schema.create_table_from_entity(write_probe::Entity)).await.unwrap();
    let offers = "CREATE TABLE offers (id integer PRIMARY KEY, \
        user_id integer REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED, \
        title text, text text, created_at text, \
        price_amount integer, price_currency text, status integer DEFAULT 0, updated_at text)";
    database.execute_unprepared(offers).await.unwrap();
    database
}

fn offer_of(user_id: i64) -> offer::ActiveModel {
    offer::ActiveModel {
        id: NotSet,
        user_id: Set(user_id),
        title: Set("chair".to_owned()),
        text: Set("old".to_owned()),
        created_at: Set(DateTimeUtc::UNIX_EPOCH),
        price_amount: NotSet,
        price_currency: NotSet,
        status: NotSet,
        updated_at: NotSet,
    }
}

/// Once this fails, sqlx reports the error: the functions of this module and the ban of those of
/// sea-orm in `clippy.toml` can go.
#[tokio::test]
async fn upstream_loses_the_error_of_a_commit() {
    let database = database_with_failing_commits().await;
    assert!(offer_of(1).insert(&database).await.is_ok(), "sqlx issue 3430 is mended");
    assert_eq!(offer::Entity::find().count(&database).await.unwrap(), 0);
}

#[tokio::test]
async fn failed_commit_is_an_error() {
    let database = database_with_failing_commits().await;
    insert_row(offer_of(1), &database).await.unwrap_err();
    assert_eq!(offer::Entity::find().count(&database).await.unwrap(), 0);

    let ann = user::ActiveModel {
        id: Set(1),
        username: Set("ann".to_owned()),
        username_key: Set("ann".to_owned()),
        email: Set(None),
        email_key: Set(None),
        password_hash: Set(PasswordHash(String::new())),
        created_at: Set(DateTimeUtc::UNIX_EPOCH),
    };
    insert_row(ann, &database).await.unwrap();
    let chair = insert_row(offer_of(1), &database).await.unwrap();
    let to_unknown_user = offer::ActiveModel { id: Set(chair.id), user_id: Set(2), ..offer_of(2) };
    update_row(to_unknown_user, &database).await.unwrap_err();
    assert_eq!(offer::Entity::find().all(&database).await.unwrap(), [chair]);
}

#[tokio::test]
async fn update_returns_the_stored_row() {
    let database = database_with_failing_commits().await;
    probe_write(&database).await.unwrap();
    assert_eq!(write_probe::Entity::find().count(&database).await.unwrap(), 0);
    let row = |id, username: &str| user::ActiveModel {
        id: Set(id),
        username: Set(username.to_owned()),
        ..Default::default()
    };
    assert_eq!(update_row(row(7, "ann"), &database).await, Err(DbErr::RecordNotUpdated));
    let unchanged = user::ActiveModel { id: Set(7), ..Default::default() };
    assert_eq!(update_row(unchanged, &database).await, Err(DbErr::RecordNotUpdated));
    let ann = user::ActiveModel {
        username_key: Set("ann".to_owned()),
        password_hash: Set(PasswordHash(String::new())),
        created_at: Set(DateTimeUtc::UNIX_EPOCH),
        ..row(7, "ann")
    };
    let ann = insert_row(ann, &database).await.unwrap();
    let renamed = update_row(row(7, "Ann"), &database).await.unwrap();
    assert_eq!(renamed, user::Model { username: "Ann".to_owned(), ..ann });
    let unchanged = user::ActiveModel { id: Set(7), ..Default::default() };
    assert_eq!(update_row(unchanged, &database).await.unwrap(), renamed);
}

//! Statements that write a row and return it, and fail if their commit fails.
//!
//! `ActiveModelTrait::insert` and `update` of sea-orm 2.0 run `INSERT … RETURNING` by a `query_one`,
//! and that of sqlx 0.9 stops an SQLite statement at its first row. SQLite commits a statement at its
//! end, so an error of the commit (a full disk, a limit on the size of files) was lost: the row was
//! returned and not stored (sqlx issues 2099 and 3430). The functions here read to the end.
//! PostgreSQL has neither the fault nor another round trip from this. `clippy.toml` bans the methods
//! of sea-orm; all of this can go when `upstream_loses_the_error_of_a_commit` fails.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    IntoActiveModel, Iterable, PrimaryKeyToColumn, QueryFilter, TransactionTrait,
    prelude::DateTimeUtc,
};

use crate::{PasswordHash, user};

/// Inserts a row, and returns it as it is stored.
///
/// # Errors
/// Fails if the database does, also in its commit.
pub async fn insert_row<A>(
    row: A,
    database: &impl ConnectionTrait,
) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
where
    A: ActiveModelTrait,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    let rows = A::Entity::insert(row).exec_with_returning_many(database).await?;
    rows.into_iter().next().ok_or(DbErr::RecordNotInserted)
}

/// Updates the row that has the primary key of `row`, and returns it as it is stored. It is only read
/// if no other column is set.
///
/// # Errors
/// `RecordNotUpdated` if there is no such row. Fails if the database does, also in its commit.
pub async fn update_row<A>(
    mut row: A,
    database: &impl ConnectionTrait,
) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
where
    A: ActiveModelTrait,
{
    let mut has_key = Condition::all();
    for key in <A::Entity as EntityTrait>::PrimaryKey::iter() {
        let column = key.into_column();
        let value = row.take(column).into_value().ok_or(DbErr::UpdateGetPrimaryKey)?;
        has_key = has_key.add(column.eq(value));
    }
    let rows = if row.is_changed() {
        let update = A::Entity::update_many().set(row).filter(has_key);
        update.exec_with_returning(database).await?
    } else {
        A::Entity::find().filter(has_key).all(database).await?
    };
    rows.into_iter().next().ok_or(DbErr::RecordNotUpdated)
}

/// Tries whether the database can store anything, by a transaction that leaves no row behind: it
/// inserts a user with a name that is not valid, and deletes it.
///
/// # Errors
/// Fails if the database cannot store anything.
pub async fn probe_write(database: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = database.begin().await?;
    let row = user::ActiveModel {
        id: NotSet,
        username: Set(String::new()),
        username_key: Set(String::new()),
        email: Set(None),
        email_key: Set(None),
        password_hash: Set(PasswordHash(String::new())),
        created_at: Set(DateTimeUtc::UNIX_EPOCH),
    };
    let row = insert_row(row, &transaction).await?;
    user::Entity::delete_by_id(row.id).exec(&transaction).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "shows the fault of the banned methods")]

    use sea_orm::{ConnectOptions, Database, PaginatorTrait, Schema};

    use super::*;
    use crate::offer;

    /// Returns an empty table whose rows have to refer to users, which is checked at the commit:
    /// SQLite reports this in the same way as a full disk.
    async fn database_with_failing_commits() -> DatabaseConnection {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let database = Database::connect(options).await.unwrap();
        let schema = Schema::new(sea_orm::DbBackend::Sqlite);
        database.execute(&schema.create_table_from_entity(user::Entity)).await.unwrap();
        let offers = "CREATE TABLE offers (id integer PRIMARY KEY, \
            user_id integer REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED, \
            title text, text text, created_at text, idempotency_key text, fingerprint text)";
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
            idempotency_key: NotSet,
            fingerprint: NotSet,
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
        let to_unknown_user =
            offer::ActiveModel { id: Set(chair.id), user_id: Set(2), ..offer_of(2) };
        update_row(to_unknown_user, &database).await.unwrap_err();
        assert_eq!(offer::Entity::find().all(&database).await.unwrap(), [chair]);
    }

    #[tokio::test]
    async fn update_returns_the_stored_row() {
        let database = database_with_failing_commits().await;
        probe_write(&database).await.unwrap();
        assert_eq!(user::Entity::find().count(&database).await.unwrap(), 0);
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
}

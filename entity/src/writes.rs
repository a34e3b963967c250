//! Statements that write a row and return it, and fail if their commit fails.
//!
//! `ActiveModelTrait::insert` and `update` of sea-orm 2.0 run `INSERT … RETURNING` by a `query_one`,
//! and that of sqlx 0.9 stops an SQLite statement at its first row. SQLite commits a statement at its
//! end, so an error of the commit (a full disk, a limit on the size of files) was lost: the row was
//! returned and not stored (sqlx issues 2099 and 3430). The functions here read to the end.
//! PostgreSQL has neither the fault nor another round trip from this. `clippy.toml` bans the methods
//! of sea-orm; all of this can go when `upstream_loses_the_error_of_a_commit` fails
//! (`migration/tests/commit_errors.rs`).

use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, Condition, ConnectionTrait,
    DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel, Iterable,
    PrimaryKeyToColumn, QueryFilter, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};

use crate::write_probe;

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
    row: A,
    database: &impl ConnectionTrait,
) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
where
    A: ActiveModelTrait,
{
    update_row_if(row, Condition::all(), database).await
}

/// Updates a row like [`update_row`] if it meets the condition, which the same statement compares:
/// of several updates under a condition that each makes false, one succeeds.
///
/// # Errors
/// `RecordNotUpdated` if there is no such row. Fails if the database does, also in its commit.
pub async fn update_row_if<A>(
    mut row: A,
    condition: Condition,
    database: &impl ConnectionTrait,
) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
where
    A: ActiveModelTrait,
{
    let mut has_key = condition;
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

/// Begins a transaction that writes.
///
/// On SQLite it takes the lock on writes at once and waits for it: a transaction that takes the lock
/// at its first write fails without a wait if another one came first (`SQLITE_BUSY_SNAPSHOT`).
///
/// # Errors
/// Fails if the database does.
pub async fn begin_write(database: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    database.begin_with_options(options).await
}

/// Tries whether the database can store anything, by a transaction that inserts a row and deletes it.
///
/// # Errors
/// Fails if the database cannot store anything.
pub async fn probe_write(database: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin_write(database).await?;
    let row = insert_row(write_probe::ActiveModel { id: NotSet }, &transaction).await?;
    write_probe::Entity::delete_by_id(row.id).exec(&transaction).await?;
    transaction.commit().await
}

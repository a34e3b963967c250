//! Migrations. Raw SQL is allowed only here: see `disallowed-methods` in `clippy.toml`.

mod m20261121_000001_tables;
mod m20261122_000001_idempotency_keys;
mod m20261126_000001_prices_and_status;
mod m20261126_000002_browsing_and_search;
mod m20261126_000003_username_keys;
mod m20261126_000004_idempotency_keys_table;
mod m20261126_000005_session_start;
mod m20261126_000006_write_probes;
mod roles;

use std::time::Duration;

use sea_orm_migration::MigrationStatus;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbBackend,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

pub use roles::Roles;

/// Interval of trying to get the lock.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Every migration, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_tables::Migration),
            Box::new(m20261122_000001_idempotency_keys::Migration),
            Box::new(m20261126_000001_prices_and_status::Migration),
            Box::new(m20261126_000002_browsing_and_search::Migration),
            Box::new(m20261126_000003_username_keys::Migration),
            Box::new(m20261126_000004_idempotency_keys_table::Migration),
            Box::new(m20261126_000005_session_start::Migration),
            Box::new(m20261126_000006_write_probes::Migration),
        ]
    }
}

/// Applies every pending migration.
///
/// # Errors
/// The error of the database. On PostgreSQL, the migrations before the one that failed are applied,
/// on SQLite none.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = begin_locked(db).await?;
    Migrator::up(executor(db, &lock), None).await?;
    lock.commit().await
}

/// Reverts the newest migration.
///
/// # Errors
/// The error of the database.
pub async fn down(db: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = begin_locked(db).await?;
    Migrator::down(executor(db, &lock), Some(1)).await?;
    lock.commit().await
}

/// Drops every table and applies every migration.
///
/// # Errors
/// The error of the database.
pub async fn fresh(db: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = begin_locked(db).await?;
    if lock.get_database_backend() == DbBackend::Sqlite {
        // It consists of tables that cannot be dropped alone.
        m20261126_000002_browsing_and_search::drop_sqlite_search(&lock).await?;
    }
    Migrator::fresh(executor(db, &lock)).await?;
    lock.commit().await
}

/// Returns the names of the migrations, with true for those that are applied.
///
/// # Errors
/// The error of the database.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, DbErr> {
    let mut rows = Vec::new();
    let lock = begin_locked(db).await?;
    for migration in Migrator::get_migration_with_status(&lock).await? {
        let applied = migration.status() == MigrationStatus::Applied;
        rows.push((migration.name().to_owned(), applied));
    }
    lock.commit().await?;
    Ok(rows)
}

/// Begins a transaction that excludes other runs: sea-orm has no lock of its own, so two runs at once
/// could apply a migration twice.
///
/// On PostgreSQL the migrations run beside it, each in a transaction of its own or in none: an index
/// that is built while rows are written waits for every statement under way. So this does not wait
/// for the lock in a statement, nor does it time out while it has nothing else to do.
#[allow(clippy::disallowed_methods, reason = "raw SQL is allowed in migrations")]
async fn begin_locked(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if transaction.get_database_backend() != DbBackend::Postgres {
        return Ok(transaction);
    }
    transaction.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await?;
    let try_lock = Statement::from_string(
        DbBackend::Postgres,
        "SELECT pg_try_advisory_xact_lock(hashtext('classifieds.migration'))",
    );
    loop {
        let row = transaction.query_one_raw(try_lock.clone()).await?;
        if row.is_some_and(|row| row.try_get_by_index(0).unwrap_or_default()) {
            return Ok(transaction);
        }
        tokio::time::sleep(LOCK_POLL_INTERVAL).await;
    }
}

/// Returns the connection that migrations run on.
fn executor<'a>(db: &'a DatabaseConnection, lock: &'a DatabaseTransaction) -> DatabaseExecutor<'a> {
    match db.get_database_backend() {
        DbBackend::Postgres => db.into(),
        _ => lock.into(),
    }
}

//! Migrations. Raw SQL is allowed only here: see `disallowed-methods` in `clippy.toml`.

mod m20261121_000001_tables;
mod m20261122_000001_idempotency_keys;
mod m20261126_000001_prices_and_status;
mod m20261126_000003_username_keys;
mod m20261126_000004_idempotency_keys_table;
mod m20261126_000005_session_start;
mod m20261126_000006_write_probes;
mod roles;

use sea_orm_migration::MigrationStatus;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

pub use roles::Roles;

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
/// The error of the database. Nothing is applied then.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin_locked(db).await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await
}

/// Reverts the newest migration.
///
/// # Errors
/// The error of the database. Nothing is reverted then.
pub async fn down(db: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin_locked(db).await?;
    Migrator::down(&transaction, Some(1)).await?;
    transaction.commit().await
}

/// Drops every table and applies every migration.
///
/// # Errors
/// The error of the database. Nothing is changed then.
pub async fn fresh(db: &DatabaseConnection) -> Result<(), DbErr> {
    let transaction = begin_locked(db).await?;
    Migrator::fresh(&transaction).await?;
    transaction.commit().await
}

/// Returns the names of the migrations, with true for those that are applied.
///
/// # Errors
/// The error of the database.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, DbErr> {
    let mut rows = Vec::new();
    let transaction = begin_locked(db).await?;
    for migration in Migrator::get_migration_with_status(&transaction).await? {
        let applied = migration.status() == MigrationStatus::Applied;
        rows.push((migration.name().to_owned(), applied));
    }
    transaction.commit().await?;
    Ok(rows)
}

/// Begins a transaction that excludes other runs: sea-orm has no lock of its own, so two runs at once
/// could apply a migration twice.
#[allow(clippy::disallowed_methods, reason = "raw SQL is allowed in migrations")]
async fn begin_locked(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction
            .execute_unprepared("SELECT pg_advisory_xact_lock(hashtext('classifieds.migration'))")
            .await?;
    }
    Ok(transaction)
}

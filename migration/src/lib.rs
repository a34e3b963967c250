//! The history of the tables. The one place where SQL text may stand.

mod m20261121_000001_tables;
mod m20261122_000001_idempotency_keys;

use sea_orm_migration::MigrationStatus;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode,
    TransactionOptions, TransactionTrait,
};

/// Every migration, oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_tables::Migration),
            Box::new(m20261122_000001_idempotency_keys::Migration),
        ]
    }
}

/// Applies every migration that is still to come.
///
/// # Errors
/// What the database says. Nothing is applied then.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = lock(db).await?;
    Migrator::up(&lock, None).await?;
    lock.commit().await
}

/// Takes back the newest migration.
///
/// # Errors
/// What the database says. Nothing is taken back then.
pub async fn down(db: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = lock(db).await?;
    Migrator::down(&lock, Some(1)).await?;
    lock.commit().await
}

/// Drops every table and applies every migration.
///
/// # Errors
/// What the database says. Nothing is changed then.
pub async fn fresh(db: &DatabaseConnection) -> Result<(), DbErr> {
    let lock = lock(db).await?;
    Migrator::fresh(&lock).await?;
    lock.commit().await
}

/// The migrations and whether each is applied.
///
/// # Errors
/// What the database says.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, DbErr> {
    let mut rows = Vec::new();
    let lock = lock(db).await?;
    for migration in Migrator::get_migration_with_status(&lock).await? {
        let applied = migration.status() == MigrationStatus::Applied;
        rows.push((migration.name().to_owned(), applied));
    }
    lock.commit().await?;
    Ok(rows)
}

/// sea-orm takes no lock of its own: two runs at once would apply a migration twice.
async fn lock(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
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

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_null;

/// Idempotency keys of offers, so that repeating a request creates no second offer.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Offers {
    Table,
    UserId,
    CreatedAt,
    IdempotencyKey,
    Fingerprint,
}

const UNIQUE_KEY_INDEX: &str = "offers_user_id_idempotency_key_key";
const EXPIRY_INDEX: &str = "offers_created_at_idempotency_key_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column in each statement.
        for column in [Offers::IdempotencyKey, Offers::Fingerprint] {
            let table =
                Table::alter().table(Offers::Table).add_column(string_null(column)).to_owned();
            manager.alter_table(table).await?;
        }
        let keyed = || Expr::col(Offers::IdempotencyKey).is_not_null();
        let unique = Index::create()
            .name(UNIQUE_KEY_INDEX)
            .table(Offers::Table)
            .col(Offers::UserId)
            .col(Offers::IdempotencyKey)
            .unique()
            .and_where(keyed())
            .to_owned();
        manager.create_index(unique).await?;
        // The deletion of expired keys.
        let sweep = Index::create()
            .name(EXPIRY_INDEX)
            .table(Offers::Table)
            .col(Offers::CreatedAt)
            .and_where(keyed())
            .to_owned();
        manager.create_index(sweep).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [EXPIRY_INDEX, UNIQUE_KEY_INDEX] {
            manager.drop_index(Index::drop().name(name).table(Offers::Table).to_owned()).await?;
        }
        for column in [Offers::Fingerprint, Offers::IdempotencyKey] {
            let table = Table::alter().table(Offers::Table).drop_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

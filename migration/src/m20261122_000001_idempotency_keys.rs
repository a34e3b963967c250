use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::string_null;

/// The key of a request that created an offer, so that its repetition creates no second one.
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

const UNIQUE: &str = "offers_user_id_idempotency_key_key";
const SWEEP: &str = "offers_created_at_idempotency_key_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column a statement.
        for column in [Offers::IdempotencyKey, Offers::Fingerprint] {
            let table =
                Table::alter().table(Offers::Table).add_column(string_null(column)).to_owned();
            manager.alter_table(table).await?;
        }
        let keyed = || Expr::col(Offers::IdempotencyKey).is_not_null();
        let unique = Index::create()
            .name(UNIQUE)
            .table(Offers::Table)
            .col(Offers::UserId)
            .col(Offers::IdempotencyKey)
            .unique()
            .and_where(keyed())
            .to_owned();
        manager.create_index(unique).await?;
        // The sweep of keys that are kept no longer.
        let sweep = Index::create()
            .name(SWEEP)
            .table(Offers::Table)
            .col(Offers::CreatedAt)
            .and_where(keyed())
            .to_owned();
        manager.create_index(sweep).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [SWEEP, UNIQUE] {
            manager.drop_index(Index::drop().name(name).table(Offers::Table).to_owned()).await?;
        }
        for column in [Offers::Fingerprint, Offers::IdempotencyKey] {
            let table = Table::alter().table(Offers::Table).drop_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, string, timestamp_with_time_zone};

/// Keeps idempotency keys in a table of their own, so that they outlive the offers. The columns in
/// `offers` stay, for instances of the version before.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum IdempotencyKeys {
    Table,
    UserId,
    Key,
    Fingerprint,
    OfferId,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Offers {
    Table,
    Id,
    UserId,
    IdempotencyKey,
    Fingerprint,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(table()).await?;
        // The deletion of expired keys.
        let sweep = Index::create()
            .name("idempotency_keys_created_at_idx")
            .table(IdempotencyKeys::Table)
            .col(IdempotencyKeys::CreatedAt)
            .to_owned();
        manager.create_index(sweep).await?;
        let keys_of_offers = Query::select()
            .columns([
                Offers::UserId,
                Offers::IdempotencyKey,
                Offers::Fingerprint,
                Offers::Id,
                Offers::CreatedAt,
            ])
            .from(Offers::Table)
            .and_where(Expr::col(Offers::IdempotencyKey).is_not_null())
            .and_where(Expr::col(Offers::Fingerprint).is_not_null())
            .to_owned();
        let mut copy = Query::insert();
        copy.into_table(IdempotencyKeys::Table)
            .columns([
                IdempotencyKeys::UserId,
                IdempotencyKeys::Key,
                IdempotencyKeys::Fingerprint,
                IdempotencyKeys::OfferId,
                IdempotencyKeys::CreatedAt,
            ])
            .select_from(keys_of_offers)
            .map_err(|error| DbErr::Migration(error.to_string()))?;
        manager.execute(copy).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(IdempotencyKeys::Table).to_owned()).await
    }
}

fn table() -> TableCreateStatement {
    Table::create()
        .table(IdempotencyKeys::Table)
        .col(big_integer(IdempotencyKeys::UserId))
        .col(string(IdempotencyKeys::Key))
        .col(string(IdempotencyKeys::Fingerprint))
        // Not a foreign key: it also names an offer that was deleted.
        .col(big_integer(IdempotencyKeys::OfferId))
        .col(timestamp_with_time_zone(IdempotencyKeys::CreatedAt))
        .primary_key(Index::create().col(IdempotencyKeys::UserId).col(IdempotencyKeys::Key))
        .foreign_key(
            ForeignKey::create()
                .name("idempotency_keys_user_id_fkey")
                .from(IdempotencyKeys::Table, IdempotencyKeys::UserId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

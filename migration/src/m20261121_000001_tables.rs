use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, pk_auto, string, string_null, string_uniq, text, timestamp_with_time_zone, uuid,
};

/// Users, their offers and their sessions.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
    Username,
    UsernameKey,
    Email,
    EmailKey,
    PasswordHash,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Offers {
    Table,
    Id,
    UserId,
    Title,
    Text,
    CreatedAt,
}

#[derive(DeriveIden)]
enum RefreshTokens {
    Table,
    Id,
    UserId,
    Generation,
    KeyId,
    IssuedAt,
    ExpiresAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(users_table()).await?;
        manager.create_table(offers_table()).await?;
        manager.create_table(refresh_tokens_table()).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            RefreshTokens::Table.into_table_ref(),
            Offers::Table.into_table_ref(),
            Users::Table.into_table_ref(),
        ] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn users_table() -> TableCreateStatement {
    Table::create()
        .table(Users::Table)
        .col(pk_auto(Users::Id).big_integer())
        .col(string(Users::Username))
        .col(string_uniq(Users::UsernameKey))
        .col(string_null(Users::Email))
        .col(string_null(Users::EmailKey).unique_key())
        .col(string(Users::PasswordHash))
        .col(timestamp_with_time_zone(Users::CreatedAt))
        .to_owned()
}

fn offers_table() -> TableCreateStatement {
    Table::create()
        .table(Offers::Table)
        .col(pk_auto(Offers::Id).big_integer())
        .col(big_integer(Offers::UserId))
        .col(string(Offers::Title))
        .col(text(Offers::Text))
        .col(timestamp_with_time_zone(Offers::CreatedAt))
        .foreign_key(
            ForeignKey::create()
                .name("offers_user_id_fkey")
                .from(Offers::Table, Offers::UserId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn refresh_tokens_table() -> TableCreateStatement {
    Table::create()
        .table(RefreshTokens::Table)
        .col(uuid(RefreshTokens::Id).primary_key())
        .col(big_integer(RefreshTokens::UserId))
        .col(big_integer(RefreshTokens::Generation))
        .col(string(RefreshTokens::KeyId))
        .col(timestamp_with_time_zone(RefreshTokens::IssuedAt))
        .col(timestamp_with_time_zone(RefreshTokens::ExpiresAt))
        .foreign_key(
            ForeignKey::create()
                .name("refresh_tokens_user_id_fkey")
                .from(RefreshTokens::Table, RefreshTokens::UserId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn indexes() -> [IndexCreateStatement; 3] {
    [
        // A user's offers in the order they are paged, and the cascade from users.
        Index::create()
            .name("offers_user_id_id_idx")
            .table(Offers::Table)
            .col(Offers::UserId)
            .col(Offers::Id)
            .to_owned(),
        // The cascade from users, and the deletion of all sessions of a user.
        Index::create()
            .name("refresh_tokens_user_id_idx")
            .table(RefreshTokens::Table)
            .col(RefreshTokens::UserId)
            .to_owned(),
        // The deletion of expired sessions.
        Index::create()
            .name("refresh_tokens_expires_at_idx")
            .table(RefreshTokens::Table)
            .col(RefreshTokens::ExpiresAt)
            .to_owned(),
    ]
}

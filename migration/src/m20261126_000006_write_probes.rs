use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::pk_auto;

/// A table in which a service tries whether the database can store anything. It has no rows.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum WriteProbes {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let id = pk_auto(WriteProbes::Id).big_integer().to_owned();
        manager.create_table(Table::create().table(WriteProbes::Table).col(id).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(WriteProbes::Table).to_owned()).await
    }
}

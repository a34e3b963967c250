use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer_null, small_integer, string_len_null, timestamp_with_time_zone_null,
};

/// Prices, the status and the time of the last change of offers.
///
/// Rows that exist are not touched: the new columns are null in them, or have a constant default,
/// which PostgreSQL keeps outside of the rows. Binaries that do not know the columns go on working.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Offers {
    Table,
    PriceAmount,
    PriceCurrency,
    Status,
    UpdatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column in each statement.
        for column in [
            big_integer_null(Offers::PriceAmount),
            string_len_null(Offers::PriceCurrency, 3),
            small_integer(Offers::Status).default(0).take(),
            timestamp_with_time_zone_null(Offers::UpdatedAt),
        ] {
            let table = Table::alter().table(Offers::Table).add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in
            [Offers::UpdatedAt, Offers::Status, Offers::PriceCurrency, Offers::PriceAmount]
        {
            let table = Table::alter().table(Offers::Table).drop_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

//! Batched reads: one statement for many look-ups.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::user::{Column, Entity};
use futures_util::future::{try_join, try_join_all};
use schema::{
    Error, Page, PageRequest, Result,
    batch_loader::BatchResult,
    batch_sql::{self, pad_to_power_of_two},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, QueryFilter,
    QueryResult, TryGetableMany,
    sea_query::{Expr, ExprTrait, SelectStatement},
};

use crate::graphql::users::Row;

/// About how many rows one statement reads for pages of many requests.
const ROWS: usize = 5000;

/// Loads users.
pub(crate) struct UserLoader(pub(crate) DatabaseConnection);

/// Users by their ids, one statement for all.
impl Loader<i64> for UserLoader {
    type Value = Row;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, Row> {
        let rows = Entity::find().filter(Column::Id.is_in(pad_to_power_of_two(ids.to_vec())));
        let rows = rows.into_partial_model::<Row>().all(&self.0).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// Users by their names with the case folded, one statement for all.
impl Loader<String> for UserLoader {
    type Value = Row;
    type Error = Error;

    async fn load(&self, names: &[String]) -> BatchResult<String, Row> {
        let rows =
            Entity::find().filter(Column::UsernameKey.is_in(pad_to_power_of_two(names.to_vec())));
        let rows = rows.into_partial_model::<Row>().all(&self.0).await?;
        Ok(rows.into_iter().map(|row| (row.username_key.clone(), row)).collect())
    }
}

/// Pages of users.
impl Loader<PageRequest> for UserLoader {
    type Value = Page<Row>;
    type Error = Error;

    async fn load(&self, keys: &[PageRequest]) -> BatchResult<PageRequest, Page<Row>> {
        pages(&self.0, keys).await
    }
}

async fn pages(
    database: &DatabaseConnection,
    pages: &[PageRequest],
) -> BatchResult<PageRequest, Page<Row>> {
    let postgres = database.get_database_backend() == DbBackend::Postgres;
    // Pages that differ in where they start, and in nothing else.
    let mut alike: HashMap<PageRequest, Vec<i64>> = HashMap::new();
    let mut alone = Vec::new();
    for page in pages.iter().copied() {
        match page {
            PageRequest { after: Some(after), before: None, last: false, .. } if postgres => {
                alike.entry(PageRequest { after: None, ..page }).or_default().push(after);
            }
            _ => alone.push(page),
        }
    }
    let mut statements = Vec::new();
    for (page, starts) in &alike {
        let most = ROWS.checked_div(page.size.unsigned_abs() as usize).unwrap_or(1);
        statements.extend(starts.chunks(most).map(|starts| starting(database, *page, starts)));
    }
    let alone = try_join_all(alone.into_iter().map(|page| one(database, page)));
    let (alone, alike) = try_join(alone, try_join_all(statements)).await?;
    Ok(alone.into_iter().chain(alike.into_iter().flatten()).collect())
}

async fn one(database: &DatabaseConnection, page: PageRequest) -> Result<(PageRequest, Page<Row>)> {
    let rows = page.select(Entity::find(), Column::Id);
    Ok((page, page.cut(rows.into_partial_model().all(database).await?)))
}

/// Pages by a look into the index for each.
async fn starting(
    database: &DatabaseConnection,
    page: PageRequest,
    starts: &[i64],
) -> Result<Vec<(PageRequest, Page<Row>)>> {
    let mut found: HashMap<_, Vec<_>> = starts.iter().map(|start| (*start, Vec::new())).collect();
    for row in database.query_all(&lateral(page, starts)).await? {
        let (start, row) = read(&row)?;
        found.entry(start).or_default().push(row);
    }
    let pages = found.into_iter().map(|(start, mut rows)| {
        rows.sort_unstable_by_key(|row| row.id);
        let page = PageRequest { after: Some(start), ..page };
        (page, page.cut(rows))
    });
    Ok(pages.collect())
}

fn read(row: &QueryResult) -> Result<(i64, Row), DbErr> {
    let (start, id, username, username_key, email, created_at) =
        TryGetableMany::try_get_many_by_index(row)?;
    Ok((start, Row { id, username, username_key, email, created_at }))
}

fn lateral(page: PageRequest, starts: &[i64]) -> SelectStatement {
    let rows = Entity::find().filter(Expr::col(Column::Id).gt(batch_sql::lateral_key()));
    let mut pages = batch_sql::lateral_join(starts.to_vec(), page.select(rows, Column::Id));
    let columns =
        [Column::Id, Column::Username, Column::UsernameKey, Column::Email, Column::CreatedAt];
    pages.expr(batch_sql::lateral_key()).columns(columns.map(|column| (Entity, column)));
    pages
}

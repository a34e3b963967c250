//! Batched reads: one statement for many look-ups.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::{
    lookup_key,
    user::{self, Column, Entity},
};
use futures_util::future::{try_join, try_join_all};
use schema::{
    Error, Page, PageRequest, Result, User,
    batch_loader::BatchResult,
    rows::{SelectRows, lateral_key, pad_to_power_of_two},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use server::read_pool::ReadPool;

/// Approximate number of rows that one statement reads for pages of several requests.
const ROWS_PER_STATEMENT: usize = 5000;

/// Loads users from the primary, or from a pool of reads.
pub(crate) struct UserLoader<C = DatabaseConnection>(pub(crate) C);

/// Loads users by their ids, with one statement.
impl Loader<i64> for UserLoader {
    type Value = User;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, User> {
        let rows = Entity::find().filter(Column::Id.is_in(pad_to_power_of_two(ids.to_vec())));
        let users: Vec<User> = SelectRows::new(rows).all(&self.0).await?;
        Ok(users.into_iter().map(|user| (user.id.0, user)).collect())
    }
}

/// Loads users by their usernames, with one statement.
impl Loader<String> for UserLoader {
    type Value = User;
    type Error = Error;

    async fn load(&self, names: &[String]) -> BatchResult<String, User> {
        let keys = names.iter().flat_map(|name| user::name_keys(name)).collect();
        let rows = Entity::find().filter(Column::UsernameKey.is_in(pad_to_power_of_two(keys)));
        let users: Vec<User> = SelectRows::new(rows).all(&self.0).await?;
        let mut by_key: HashMap<String, Vec<User>> = HashMap::new();
        for user in users {
            by_key.entry(lookup_key(&user.username)).or_default().push(user);
        }
        let found = names.iter().filter_map(|name| {
            let users = by_key.get(&lookup_key(name))?;
            let user = user::choose_by_name(name, users, |user| &user.username)?;
            Some((name.clone(), user.clone()))
        });
        Ok(found.collect())
    }
}

/// Loads pages of users.
impl Loader<PageRequest> for UserLoader<ReadPool> {
    type Value = Page<User>;
    type Error = Error;

    async fn load(&self, pages: &[PageRequest]) -> BatchResult<PageRequest, Page<User>> {
        let database = &self.0;
        let postgres = database.get_database_backend() == DbBackend::Postgres;
        // The starts of pages that are the same otherwise.
        let mut same_shape: HashMap<PageRequest, Vec<i64>> = HashMap::new();
        let mut individual = Vec::new();
        for page in pages.iter().copied() {
            match page {
                PageRequest { after: Some(after), before: None, from_end: false, .. }
                    if postgres =>
                {
                    let shape = PageRequest { after: None, ..page };
                    same_shape.entry(shape).or_default().push(after);
                }
                _ => individual.push(page),
            }
        }
        let mut statements = Vec::new();
        for (page, starts) in &same_shape {
            let rows_per_page = page.limit.unsigned_abs() as usize;
            let most = ROWS_PER_STATEMENT.checked_div(rows_per_page).unwrap_or(1);
            statements
                .extend(starts.chunks(most).map(|starts| pages_after(database, *page, starts)));
        }
        let individual = individual.into_iter().map(|page| load_page(database, page));
        let (individual, same_shape) =
            try_join(try_join_all(individual), try_join_all(statements)).await?;
        Ok(individual.into_iter().chain(same_shape.into_iter().flatten()).collect())
    }
}

async fn load_page(database: &ReadPool, page: PageRequest) -> Result<(PageRequest, Page<User>)> {
    let rows = SelectRows::new(page.apply(Entity::find(), Column::Id));
    Ok((page, page.into_page(rows.all(database).await?, |_| 0)))
}

/// Loads the pages that start after these ids, with one look into the index per page.
async fn pages_after(
    database: &ReadPool,
    page: PageRequest,
    starts: &[i64],
) -> Result<Vec<(PageRequest, Page<User>)>> {
    let rows = Entity::find().filter(Expr::col(Column::Id).gt(lateral_key()));
    let rows = SelectRows::lateral(starts.to_vec(), page.apply(rows, Column::Id));
    let mut found: HashMap<_, Vec<User>> =
        starts.iter().map(|start| (*start, Vec::new())).collect();
    for (start, user) in rows.all_with_key(database).await? {
        found.entry(start).or_default().push(user);
    }
    let pages = found.into_iter().map(|(start, mut users)| {
        users.sort_unstable_by_key(|user| user.id);
        let page = PageRequest { after: Some(start), ..page };
        (page, page.into_page(users, |_| 0))
    });
    Ok(pages.collect())
}

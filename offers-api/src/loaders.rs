//! Batched reads: one statement for many look-ups.
//!
//! A batch is bounded by rows and by bytes. Its first statement reads short texts along with their
//! rows, and only the size of long ones; a second one reads those that have room. Keys without room
//! are left out, for [`LoadWithinBudget`](schema::LoadWithinBudget) to load by the next batch.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::{offer, user};
use schema::{
    Error, Offer, Page, PageRequest, Result,
    batch_loader::BatchResult,
    rows::{SelectRows, lateral_key, pad_to_power_of_two},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter, Select,
    sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SelectStatement, SimpleExpr},
};
use server::read_pool::ReadPool;
use tokio::sync::Semaphore;

/// Maximum number of rows that one statement reads: the full pages of four users.
const MAX_STATEMENT_ROWS: u64 = 4096;
/// Bytes of text after which a batch reads no more.
const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// The batches that read at the same time, over all loaders: several may be slow, and together they
/// hold a few times as many bytes as one.
static READING: Semaphore = Semaphore::const_new(6);

/// Loads offers from the primary, or from a pool of reads. Only the primary creates them.
pub(crate) struct OfferLoader<C = DatabaseConnection>(pub(crate) C);

/// Loads offers by their ids; `None` for one that does not exist.
impl<C: ConnectionTrait + Send + 'static> Loader<i64> for OfferLoader<C> {
    type Value = Option<Offer>;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, Option<Offer>> {
        let _reading = READING.acquire().await.map_err(Error::internal)?;
        let rows = ids.len() as u64;
        let short_bytes = short_text_bytes(rows);
        let select = select_by_ids(ids.to_vec());
        let rows = select.all_with_bytes(offer::Column::Text, short_bytes, rows, &self.0).await?;
        let mut found: HashMap<_, _> = ids.iter().map(|id| (*id, None)).collect();
        let (mut long, mut batch_bytes) = (Vec::new(), 0);
        for (offer, bytes) in rows {
            let id = offer.id.0;
            if bytes <= short_bytes {
                found.insert(id, Some(offer));
                continue;
            }
            found.remove(&id);
            if batch_bytes < MAX_BATCH_BYTES {
                batch_bytes += bytes;
                long.push(id);
            }
        }
        let long = load_whole(&self.0, long).await?;
        found.extend(long.into_iter().map(|(id, offer)| (id, Some(offer))));
        Ok(found)
    }
}

/// Loads pages of offers by their users, with one statement for all users with the same page.
impl Loader<(i64, PageRequest)> for OfferLoader<ReadPool> {
    type Value = Page<Offer>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[(i64, PageRequest)],
    ) -> BatchResult<(i64, PageRequest), Page<Offer>> {
        let _reading = READING.acquire().await.map_err(Error::internal)?;
        let mut users: HashMap<PageRequest, Vec<i64>> = HashMap::new();
        for (user, page) in keys {
            users.entry(*page).or_default().push(*user);
        }
        let (mut found, mut batch_bytes) = (HashMap::new(), 0);
        for (page, users) in users {
            if batch_bytes < MAX_BATCH_BYTES {
                let pages = load_pages(&self.0, page, users, &mut batch_bytes).await?;
                found.extend(pages.into_iter().map(|(user, rows)| ((user, page), rows)));
            }
        }
        Ok(found)
    }
}

/// Loads the same page of several users, and adds the bytes of their texts to `batch_bytes`. Users
/// are left out if there are too many rows or bytes for one batch.
async fn load_pages(
    database: &ReadPool,
    page: PageRequest,
    users: Vec<i64>,
    batch_bytes: &mut usize,
) -> Result<HashMap<i64, Page<Offer>>> {
    // SQLite reads the row past each page in any case.
    let all_rows = users.len() as u64 * (u64::from(page.limit.unsigned_abs()) + 1);
    let max_rows = all_rows.clamp(1, MAX_STATEMENT_ROWS);
    let short_bytes = short_text_bytes(max_rows);
    let mut found: HashMap<_, _> = users.iter().map(|user| (*user, Vec::new())).collect();
    let select = match users[..] {
        [user] => {
            let rows = offer::Entity::find().filter(offer::Column::UserId.eq(user));
            SelectRows::new(page.apply(rows, offer::Column::Id))
        }
        _ if database.get_database_backend() == DbBackend::Postgres => lateral(page, users),
        _ => SelectRows::new(sqlite_pages(page, users)),
    };
    let rows = select.all_with_bytes(offer::Column::Text, short_bytes, max_rows, database).await?;
    let is_cut = max_rows < all_rows && rows.len() as u64 == max_rows;
    let last_user = rows.last().map(|(offer, _)| offer.user_id.0);
    for row in rows {
        found.entry(row.0.user_id.0).or_default().push(row);
    }
    if is_cut {
        // The rows come user by user: those of the last one and of all that follow are missing.
        found.retain(|user, rows| !rows.is_empty() && Some(*user) != last_user);
    }
    let mut pages = HashMap::with_capacity(found.len());
    let mut long = Vec::new();
    for (user, mut rows) in found {
        rows.sort_unstable_by_key(
            |(offer, _)| if page.from_end { -offer.id.0 } else { offer.id.0 },
        );
        let rows = page.into_page(rows, |(_, bytes)| *bytes);
        let long_before = long.len();
        let is_long =
            |(offer, bytes): &(Offer, usize)| (*bytes > short_bytes).then_some(offer.id.0);
        long.extend(rows.rows.iter().filter_map(is_long));
        if long.len() > long_before && *batch_bytes >= MAX_BATCH_BYTES {
            long.truncate(long_before);
            continue;
        }
        *batch_bytes += rows.rows.iter().map(|(_, bytes)| bytes).sum::<usize>();
        pages.insert(user, rows);
    }
    let mut long = load_whole(database, long).await?;
    let with_texts = pages.into_iter().filter_map(|(user, page)| {
        let Page { rows, has_previous, has_next } = page;
        let rows = rows.into_iter().map(|(offer, bytes)| {
            if bytes > short_bytes { long.remove(&offer.id.0) } else { Some(offer) }
        });
        // A page whose offer was deleted meanwhile is left to the next batch.
        Some((user, Page { rows: rows.collect::<Option<_>>()?, has_previous, has_next }))
    });
    Ok(with_texts.collect())
}

/// Returns the bytes up to which a text is read along with its row, if there may be this many rows.
fn short_text_bytes(rows: u64) -> usize {
    MAX_BATCH_BYTES / usize::try_from(rows).unwrap_or(usize::MAX)
}

fn select_by_ids(ids: Vec<i64>) -> SelectRows<Offer> {
    SelectRows::new(offer::Entity::find().filter(offer::Column::Id.is_in(pad_to_power_of_two(ids))))
}

/// Loads offers by their ids, texts of any size included.
pub(crate) async fn load_whole(
    database: &impl ConnectionTrait,
    ids: Vec<i64>,
) -> Result<HashMap<i64, Offer>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let offers = select_by_ids(ids).all(database).await?;
    Ok(offers.into_iter().map(|offer| (offer.id.0, offer)).collect())
}

/// Selects the page of each user, with one look into the index per user.
fn lateral(page: PageRequest, users: Vec<i64>) -> SelectRows<Offer> {
    let user_id = Expr::col((offer::Entity, offer::Column::UserId));
    let rows = offer::Entity::find().filter(user_id.eq(lateral_key()));
    SelectRows::lateral(users, page.apply(rows, offer::Column::Id))
}

/// Selects the page of each user in SQLite, which has no LATERAL. The end of a page is looked up in
/// the index once per user, so that no offers past it are read.
fn sqlite_pages(page: PageRequest, users: Vec<i64>) -> Select<offer::Entity> {
    let id = Expr::col((offer::Entity, offer::Column::Id));
    let end = SimpleExpr::SubQuery(None, Box::new(page_end(page).into()));
    let within = if page.from_end {
        id.gte(Func::coalesce([end, Expr::val(0_i64)]))
    } else {
        id.lte(Func::coalesce([end, Expr::val(i64::MAX)]))
    };
    let rows = offer::Entity::find()
        .inner_join(user::Entity)
        .filter(user::Column::Id.is_in(pad_to_power_of_two(users)));
    page.filter_by_cursors(rows.filter(within), offer::Column::Id)
}

/// Selects the first id past the page of the user in the outer statement.
fn page_end(page: PageRequest) -> SelectStatement {
    let other = Alias::new("other");
    let column = |column| Expr::col((other.clone(), column));
    let mut select = Query::select();
    select
        .expr(column(offer::Column::Id))
        .from_as(offer::Entity, other.clone())
        .and_where(column(offer::Column::UserId).equals((user::Entity, user::Column::Id)))
        .order_by(
            (other.clone(), offer::Column::Id),
            if page.from_end { Order::Desc } else { Order::Asc },
        )
        .limit(1)
        .offset(u64::from(page.limit.unsigned_abs()));
    if let Some(after) = page.after {
        select.and_where(column(offer::Column::Id).gt(after));
    }
    if let Some(before) = page.before {
        select.and_where(column(offer::Column::Id).lt(before));
    }
    select
}

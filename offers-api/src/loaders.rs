//! Batched reads: one statement for many look-ups.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::{offer, user};
use schema::{
    Error, Offer, Page, PageRequest, Result,
    batch_loader::BatchResult,
    rows::{SelectRows, lateral_key, pad_to_power_of_two},
};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter, Select,
    sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SelectStatement, SimpleExpr},
};

/// Loads offers.
pub(crate) struct OfferLoader(pub(crate) DatabaseConnection);

/// Loads offers by their ids.
impl Loader<i64> for OfferLoader {
    type Value = Offer;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, Offer> {
        let rows = offer::Entity::find()
            .filter(offer::Column::Id.is_in(pad_to_power_of_two(ids.to_vec())));
        let offers: Vec<Offer> = SelectRows::new(rows).all(&self.0).await?;
        Ok(offers.into_iter().map(|offer| (offer.id.0, offer)).collect())
    }
}

/// Loads pages of offers by their users, with one statement for all users with the same page.
impl Loader<(i64, PageRequest)> for OfferLoader {
    type Value = Page<Offer>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[(i64, PageRequest)],
    ) -> BatchResult<(i64, PageRequest), Page<Offer>> {
        let mut users: HashMap<PageRequest, Vec<i64>> = HashMap::new();
        for (user, page) in keys {
            users.entry(*page).or_default().push(*user);
        }
        let mut found = HashMap::new();
        for (page, users) in users {
            for (user, rows) in load_pages(&self.0, page, users).await? {
                found.insert((user, page), page.into_page(rows));
            }
        }
        Ok(found)
    }
}

async fn load_pages(
    database: &DatabaseConnection,
    page: PageRequest,
    users: Vec<i64>,
) -> Result<HashMap<i64, Vec<Offer>>> {
    let rows = match users[..] {
        [user] => {
            let rows = offer::Entity::find().filter(offer::Column::UserId.eq(user));
            SelectRows::new(page.apply(rows, offer::Column::Id))
        }
        _ if database.get_database_backend() == DbBackend::Postgres => lateral(page, users),
        _ => SelectRows::new(sqlite_pages(page, users)),
    };
    let mut found: HashMap<_, Vec<Offer>> = HashMap::new();
    for offer in rows.all(database).await? {
        found.entry(offer.user_id.0).or_default().push(offer);
    }
    for offers in found.values_mut() {
        offers.sort_unstable_by_key(|offer| if page.from_end { -offer.id.0 } else { offer.id.0 });
    }
    Ok(found)
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

//! Batched reads: one statement for many look-ups.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use entity::{offer, user};
use schema::{
    Error, Page, PageRequest, Result,
    batch_loader::BatchResult,
    batch_sql::{self, pad_to_power_of_two},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait, Iterable,
    QueryFilter, QueryResult, QueryTrait, Select, TryGetableMany,
    sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SelectStatement, SimpleExpr},
};

/// Loads offers.
pub(crate) struct OfferLoader(pub(crate) DatabaseConnection);

/// Offers by their ids.
impl Loader<i64> for OfferLoader {
    type Value = offer::Model;
    type Error = Error;

    async fn load(&self, ids: &[i64]) -> BatchResult<i64, offer::Model> {
        let rows = offer::Entity::find()
            .filter(offer::Column::Id.is_in(pad_to_power_of_two(ids.to_vec())));
        Ok(rows.all(&self.0).await?.into_iter().map(|row| (row.id, row)).collect())
    }
}

/// Pages of offers by their users: one statement for all users who are asked for the same page.
impl Loader<(i64, PageRequest)> for OfferLoader {
    type Value = Page<offer::Model>;
    type Error = Error;

    async fn load(
        &self,
        keys: &[(i64, PageRequest)],
    ) -> BatchResult<(i64, PageRequest), Page<offer::Model>> {
        let mut users: HashMap<PageRequest, Vec<i64>> = HashMap::new();
        for (user, page) in keys {
            users.entry(*page).or_default().push(*user);
        }
        let mut found = HashMap::new();
        for (page, users) in users {
            for (user, rows) in pages(&self.0, page, users).await? {
                found.insert((user, page), page.cut(rows));
            }
        }
        Ok(found)
    }
}

async fn pages(
    database: &DatabaseConnection,
    page: PageRequest,
    users: Vec<i64>,
) -> Result<HashMap<i64, Vec<offer::Model>>> {
    let statement = match users[..] {
        [user] => {
            let rows = offer::Entity::find().filter(offer::Column::UserId.eq(user));
            page.select(rows, offer::Column::Id).into_query()
        }
        _ if database.get_database_backend() == DbBackend::Postgres => lateral(page, users),
        _ => bounded(page, users).into_query(),
    };
    let mut found: HashMap<_, Vec<_>> = HashMap::new();
    for row in database.query_all(&statement).await? {
        let row = read(&row)?;
        found.entry(row.user_id).or_default().push(row);
    }
    for rows in found.values_mut() {
        rows.sort_unstable_by_key(|row| if page.last { -row.id } else { row.id });
    }
    Ok(found)
}

/// Reads the columns by their place, which takes less than by their names.
fn read(row: &QueryResult) -> Result<offer::Model, DbErr> {
    let (id, user_id, title, text, created_at) = TryGetableMany::try_get_many_by_index(row)?;
    Ok(offer::Model { id, user_id, title, text, created_at })
}

/// The rows of the page for each of the users, by a look into the index for each.
fn lateral(page: PageRequest, users: Vec<i64>) -> SelectStatement {
    let whose = Expr::col((offer::Entity, offer::Column::UserId));
    let theirs = offer::Entity::find().filter(whose.eq(batch_sql::lateral_key()));
    let mut rows = batch_sql::lateral_join(users, page.select(theirs, offer::Column::Id));
    rows.columns(offer::Column::iter().map(|column| (offer::Entity, column)));
    rows
}

/// The same for SQLite, which has no LATERAL. Where their page ends is looked up in the index once
/// a user, so nobody's other offers are read, however many there are.
fn bounded(page: PageRequest, users: Vec<i64>) -> Select<offer::Entity> {
    let id = Expr::col((offer::Entity, offer::Column::Id));
    let end = SimpleExpr::SubQuery(None, Box::new(end(page).into()));
    let within = if page.last {
        id.gte(Func::coalesce([end, Expr::val(0_i64)]))
    } else {
        id.lte(Func::coalesce([end, Expr::val(i64::MAX)]))
    };
    let rows = offer::Entity::find()
        .inner_join(user::Entity)
        .filter(user::Column::Id.is_in(pad_to_power_of_two(users)));
    page.narrow(rows.filter(within), offer::Column::Id)
}

/// The first id past the page of the user in the outer statement.
fn end(page: PageRequest) -> SelectStatement {
    let other = Alias::new("other");
    let column = |column| Expr::col((other.clone(), column));
    let mut select = Query::select();
    select
        .expr(column(offer::Column::Id))
        .from_as(offer::Entity, other.clone())
        .and_where(column(offer::Column::UserId).equals((user::Entity, user::Column::Id)))
        .order_by(
            (other.clone(), offer::Column::Id),
            if page.last { Order::Desc } else { Order::Asc },
        )
        .limit(1)
        .offset(u64::from(page.size.unsigned_abs()));
    if let Some(after) = page.after {
        select.and_where(column(offer::Column::Id).gt(after));
    }
    if let Some(before) = page.before {
        select.and_where(column(offer::Column::Id).lt(before));
    }
    select
}

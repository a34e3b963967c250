//! Lists of offers: their filters and orders, and the statements that read a page of one.
//!
//! Each statement walks along an index in the order of the list, so that it reads little more than
//! its page. The plans do not depend on values (see `server::database`), so statements are written
//! such that only the intended index fits:
//!
//! - A list in the order of creation is ordered by `0 - id`, as two indexes are; the primary key
//!   would fit `id`, and a scan of it does not end where the offers of a status or currency do.
//! - A search or a range of prices, of which the order says nothing, is looked for in a window of
//!   that index first. Only if the window has too few offers, the index of the search or of the
//!   prices is used, and what it finds is sorted: then it is rare.
//!
//! These statements select positions and lengths. The offers of the page are loaded by their ids, as
//! all others, so that their text is bounded.

use std::{collections::HashMap, iter, ops::RangeInclusive};

use async_graphql::{ID, InputObject, Lookahead, dataloader::Loader};
use entity::offer::{self, Column, CurrencyCode, Status};
use futures_util::future::join_all;
use schema::{
    AnswerBudget, BigInt, Error, ErrorCode, FieldErrors, LoadOwned, LoadWithinBudget, Offer,
    OfferStatus, Page, PageRequest, Result,
    batch_loader::BatchResult,
    pagination::{Cursor, OfferOrder, PageArguments},
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, IntoSimpleExpr,
    QueryResult, TransactionTrait,
    sea_query::{
        Asterisk, Condition, Expr, ExprTrait, Func, IntoCondition, Order, Query, SelectStatement,
        WindowStatement,
    },
};

use crate::{OffersState, loaders::OfferLoader, search::Search, validation};

/// Number of offers at the start of a list that are compared with a search one by one. A word of
/// which these have a page is too common for its index.
const COMPARED_OFFERS: u64 = 200;
/// Maximum length of the text of these offers, in bytes: comparing takes 0.1 µs each.
const MAX_COMPARED_BYTES: usize = 128 * 1024;
/// Number of offers of a list among which a search or a range of prices is looked for first.
const WINDOW_OFFERS: u64 = 5000;
/// Time for a statement of a search, of which there are at most four.
const SEARCH_TIMEOUT: &str = "400ms";

/// The ids that an offer may have.
const ALL_IDS: RangeInclusive<i64> = 1..=i64::MAX;

/// Restricts a list of offers. Omitted fields do not restrict it.
#[derive(Debug, Default, InputObject)]
pub(crate) struct OfferFilter {
    /// A full-text query over title and text, up to 200 characters: words, of which every one
    /// must match, "phrases", `-not` and `or`. PostgreSQL compares stems of words, SQLite their
    /// beginnings.
    search: Option<String>,
    /// The status; by default `OPEN`, and any status in the list of a user.
    status: Option<OfferStatus>,
    /// The currency of the price. With an order by price, offers without a price are included.
    currency: Option<String>,
    /// The minimum amount of the price. Requires a currency.
    min_price: Option<BigInt>,
    /// The maximum amount of the price. Requires a currency.
    max_price: Option<BigInt>,
}

/// A page of a list of offers, with valid filters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OfferList {
    user_id: Option<i64>,
    search: Option<Search>,
    status: Option<Status>,
    currency: Option<CurrencyCode>,
    min_price: Option<i64>,
    max_price: Option<i64>,
    order: OfferOrder,
    page: PageRequest<Cursor>,
}

impl OfferList {
    /// Validates the arguments of a list.
    ///
    /// # Errors
    /// `INVALID_INPUT` with each bad argument.
    pub(crate) fn validate(
        user_id: Option<&ID>,
        filter: Option<OfferFilter>,
        order: OfferOrder,
        page: PageArguments<'_>,
    ) -> Result<Self> {
        let OfferFilter { search, status, currency, min_price, max_price } =
            filter.unwrap_or_default();
        let mut fields = FieldErrors::default();
        let user_id = user_id.map(|id| fields.id("/userId", id));
        let search = Search::parse(search.as_deref().unwrap_or_default());
        let search = search.unwrap_or_else(|detail| {
            fields.push("/filter/search", detail);
            None
        });
        let status = status.map(Status::from);
        match &currency {
            Some(code) => fields.check("/filter/currency", code, validation::currency),
            None if min_price.is_some() || max_price.is_some() || order.is_by_price() => {
                fields.push("/filter/currency", "is required to filter or sort by price");
            }
            None => (),
        }
        let prices = [("/filter/minPrice", min_price), ("/filter/maxPrice", max_price)];
        for (pointer, amount) in prices {
            if let Some(detail) = amount.and_then(validation::amount) {
                fields.push(pointer, detail);
            }
        }
        let page = page.parse(order, &mut fields);
        fields.into_result()?;
        Ok(Self {
            user_id,
            search,
            status: if user_id.is_some() { status } else { status.or(Some(Status::Open)) },
            currency: currency.and_then(|code| code.parse().ok()),
            min_price: min_price.map(|price| price.0),
            max_price: max_price.map(|price| price.0),
            order,
            page,
        })
    }

    /// Skips the extra row of the page unless the connection selects `pageInfo`.
    pub(crate) fn for_selection(self, connection: &Lookahead<'_>) -> Self {
        Self { page: self.page.for_selection(connection), ..self }
    }

    /// Returns the user if the list is that of all offers of a user, oldest first.
    fn only_user(&self) -> Option<i64> {
        let Self { user_id, search, status, currency, min_price: _, max_price: _, order, page: _ } =
            self;
        // A range of prices has a currency.
        let is_whole = search.is_none() && status.is_none() && currency.is_none();
        user_id.filter(|_| is_whole && *order == OfferOrder::Oldest)
    }

    fn has_price_range(&self) -> bool {
        self.min_price.is_some() || self.max_price.is_some()
    }

    /// Returns true if the statement reads rows in ascending order.
    fn reads_ascending(&self) -> bool {
        self.order.is_ascending() != self.page.from_end
    }

    /// Returns the sections of the list in the order of reading.
    fn sections(&self) -> Vec<Section<'_>> {
        let PageRequest { after, before, from_end, .. } = self.page;
        let section = |is_unpriced| Section { list: self, is_unpriced };
        if !self.order.is_by_price() {
            return vec![section(false)];
        }
        let mut sections = Vec::with_capacity(2);
        if after.is_none_or(|cursor| cursor.price.is_some()) {
            sections.push(section(false));
        }
        if !self.has_price_range() && before.is_none_or(|cursor| cursor.price.is_none()) {
            sections.push(section(true));
        }
        if from_end {
            sections.reverse();
        }
        sections
    }

    async fn load(&self, database: &DatabaseConnection) -> Result<Page<ListedOffer>> {
        let rows = if self.search.is_some() {
            let transaction = database.begin().await?;
            if transaction.get_database_backend() == DbBackend::Postgres {
                transaction.query_one(&search_settings()).await?;
            }
            let rows = self.read(&transaction).await.map_err(search_error)?;
            transaction.commit().await?;
            rows
        } else {
            self.read(database).await?
        };
        Ok(self.page.into_page(rows, |offer| offer.text_bytes))
    }

    async fn read(&self, database: &impl ConnectionTrait) -> Result<Vec<ListedOffer>, DbErr> {
        let max_rows = self.page.max_rows();
        let mut rows = Vec::new();
        for section in self.sections() {
            let missing = max_rows.saturating_sub(rows.len() as u64);
            if missing > 0 {
                rows.extend(section.read(database, missing).await?);
            }
        }
        Ok(rows)
    }
}

/// Sets the limits of a search in its transaction: an expensive query is cancelled. No processes are
/// started and no code is compiled for it, which takes longer than most searches.
fn search_settings() -> SelectStatement {
    let mut statement = Query::select();
    let settings = [
        ("statement_timeout", SEARCH_TIMEOUT),
        ("max_parallel_workers_per_gather", "0"),
        ("jit", "off"),
    ];
    for (name, value) in settings {
        let is_local = Expr::val(true);
        statement.expr(Func::cust("set_config").args([name.into(), value.into(), is_local]));
    }
    statement
}

fn search_error(error: DbErr) -> Error {
    if schema::db_availability::is_timeout(&error) {
        let detail = "matches too many offers to compare: use rarer words";
        return Error::invalid_field(ErrorCode::InvalidInput, "/filter/search", detail);
    }
    error.into()
}

/// The position of an offer in a list, and the length of its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListedOffer {
    cursor: Cursor,
    text_bytes: usize,
}

/// A part of a list whose rows are neighbours in an index: an order by price has those with and those
/// without a price.
#[derive(Clone, Copy)]
struct Section<'a> {
    list: &'a OfferList,
    is_unpriced: bool,
}

/// The side of a position in the order of reading.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    After,
    Before,
    UpTo,
}

impl Section<'_> {
    /// Returns the filters but for the search and, in the order of creation, the range of prices:
    /// those by which the index selects.
    fn index_filter(&self) -> Condition {
        let OfferList { user_id, status, currency, order, .. } = self.list;
        let mut filter = Condition::all()
            .add_option(user_id.map(|id| Column::UserId.eq(id)))
            .add_option(status.map(|status| Column::Status.eq(status)));
        if self.is_unpriced {
            filter = filter.add(Column::PriceCurrency.is_null()).add(Column::PriceAmount.is_null());
        } else {
            let currency = currency.map(|currency| Column::PriceCurrency.eq(currency));
            filter = filter.add_option(currency);
        }
        if order.is_by_price() { filter.add(self.price_range()) } else { filter }
    }

    /// Returns the condition that the price is in the range of the filter.
    fn price_range(&self) -> Condition {
        let OfferList { min_price, max_price, .. } = self.list;
        Condition::all()
            .add_option(min_price.map(|amount| Column::PriceAmount.gte(amount)))
            .add_option(max_price.map(|amount| Column::PriceAmount.lte(amount)))
    }

    /// Returns true if the order is that of `0 - id`.
    fn is_by_negated_id(&self) -> bool {
        self.list.user_id.is_none() && !self.list.order.is_by_price()
    }

    /// Returns true if rows are read in ascending order of their keys.
    fn reads_up(&self) -> bool {
        self.list.reads_ascending() != self.is_by_negated_id()
    }

    /// Returns the condition that rows are on this side of a position.
    fn is_on(&self, side: Side, position: Cursor) -> Expr {
        let id = Column::Id.into_simple_expr();
        let by_price = self.list.order.is_by_price() && !self.is_unpriced;
        let (key, value) = match position.price {
            Some(price) if by_price => (
                Expr::tuple([Column::PriceAmount.into_simple_expr(), id]),
                Expr::tuple([price.into(), position.id.into()]),
            ),
            _ if self.is_by_negated_id() => (negated_id(), Expr::val(-position.id)),
            _ => (id, Expr::val(position.id)),
        };
        match (side, self.reads_up()) {
            (Side::After, true) | (Side::Before, false) => key.gt(value),
            (Side::After, false) | (Side::Before, true) => key.lt(value),
            (Side::UpTo, true) => key.lte(value),
            (Side::UpTo, false) => key.gte(value),
        }
    }

    /// Returns the position before which reading begins or, with `Side::Before`, after which it ends.
    fn limit(&self, side: Side) -> Option<Cursor> {
        let PageRequest { after, before, from_end, .. } = self.list.page;
        let limit = if (side == Side::After) == from_end { before } else { after };
        let by_price = self.list.order.is_by_price();
        limit.filter(|cursor| !by_price || cursor.price.is_none() == self.is_unpriced)
    }

    /// Selects the rows from `start` to the end of the list by [`Self::index_filter`].
    fn rows_after(&self, start: Option<Cursor>) -> Condition {
        let end = self.limit(Side::Before);
        self.index_filter()
            .add_option(start.map(|start| self.is_on(Side::After, start)))
            .add_option(end.map(|end| self.is_on(Side::Before, end)))
    }

    /// Orders rows by their keys. An index orders those without a price by two constants first.
    fn order(&self, statement: &mut SelectStatement, ascending: bool, limit: u64) {
        let keys = if self.list.order.is_by_price() {
            [Column::PriceCurrency, Column::PriceAmount, Column::Id]
                .map(IntoSimpleExpr::into_simple_expr)
                .into()
        } else if self.is_by_negated_id() {
            vec![negated_id()]
        } else {
            vec![Column::Id.into_simple_expr()]
        };
        for key in keys {
            statement.order_by_expr(key, if ascending { Order::Asc } else { Order::Desc });
        }
        statement.limit(limit);
    }

    /// Reads rows in the order of the list.
    async fn read(
        &self,
        database: &impl ConnectionTrait,
        max_rows: u64,
    ) -> Result<Vec<ListedOffer>, DbErr> {
        let backend = database.get_database_backend();
        let OfferList { search, order, .. } = self.list;
        let mut start = self.limit(Side::After);
        let fetch = async |statement: SelectStatement, found: &[ListedOffer]| {
            self.fetch(statement, max_rows - found.len() as u64, database).await
        };
        let is_selective = search.is_some() || self.list.has_price_range() && !order.is_by_price();
        if !is_selective {
            return fetch(select_from_offers(self.rows_after(start)), &[]).await;
        }
        let mut found = Vec::new();
        if let Some(search) = search
            && backend == DbBackend::Postgres
        {
            let rows = select_from_offers(self.rows_after(start));
            let first = self.fetch(rows, COMPARED_OFFERS, database).await?;
            let mut bytes = 0;
            let is_short = |offer: &&ListedOffer| {
                bytes += offer.text_bytes;
                bytes <= MAX_COMPARED_BYTES
            };
            let compared: Vec<_> = first.iter().take_while(is_short).collect();
            let ids = compared.iter().map(|offer| offer.cursor.id);
            let chosen = select_from_offers(Column::Id.is_in(ids).into_condition());
            let mut matches = isolated(chosen, backend);
            matches.cond_where(self.price_range());
            matches.and_where(search.condition(backend, ALL_IDS));
            found = fetch(matches, &found).await?;
            let are_all = compared.len() == first.len() && (first.len() as u64) < COMPARED_OFFERS;
            if are_all || found.len() as u64 == max_rows {
                return Ok(found);
            }
            start = compared.last().map(|offer| offer.cursor).or(start);
        }
        let end = self.window_end(start, database).await?;
        let window = end.map(|end| self.is_on(Side::UpTo, end));
        let mut rows = select_from_offers(self.rows_after(start).add_option(window));
        rows.cond_where(self.price_range());
        if let Some(search) = search {
            rows.and_where(search.condition(backend, self.ids_between(start, end)));
            rows = isolated(rows, backend);
        }
        let matches = fetch(rows, &found).await?;
        found.extend(matches);
        if end.is_none() || found.len() as u64 == max_rows {
            return Ok(found);
        }
        let selective = match search {
            Some(search) => search.condition(backend, ALL_IDS).into_condition(),
            None => self.index_filter().add(self.price_range()),
        };
        let mut rest = isolated(select_from_offers(selective), backend);
        rest.cond_where(self.rows_after(end)).cond_where(self.price_range());
        let matches = fetch(rest, &found).await?;
        found.extend(matches);
        Ok(found)
    }

    /// Reads the first rows of a statement in the order of the list.
    async fn fetch(
        &self,
        mut statement: SelectStatement,
        max_rows: u64,
        database: &impl ConnectionTrait,
    ) -> Result<Vec<ListedOffer>, DbErr> {
        let text_bytes = Func::cust("octet_length").arg(Column::Text.into_simple_expr());
        statement.columns([Column::Id, Column::PriceAmount]).expr(text_bytes);
        self.order(&mut statement, self.reads_up(), max_rows);
        let rows = database.query_all(&statement).await?;
        let read = |row: &QueryResult| {
            let text_bytes: i32 = row.try_get_by_index(2)?;
            let cursor = self.cursor(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
            Ok(ListedOffer { cursor, text_bytes: usize::try_from(text_bytes).unwrap_or_default() })
        };
        rows.iter().map(read).collect()
    }

    /// Returns the position of the row at the end of a window, or `None` if the list ends in it.
    async fn window_end(
        &self,
        start: Option<Cursor>,
        database: &impl ConnectionTrait,
    ) -> Result<Option<Cursor>, DbErr> {
        let mut window = select_from_offers(self.rows_after(start));
        self.order(&mut window, self.reads_up(), WINDOW_OFFERS);
        // No OFFSET: without its value, PostgreSQL prepares for a large one.
        let mut last = isolated(window, database.get_database_backend());
        let count = Func::count(Expr::col(Asterisk));
        last.columns([Column::Id, Column::PriceAmount]).expr_window(count, WindowStatement::new());
        self.order(&mut last, !self.reads_up(), 1);
        let Some(row) = database.query_one(&last).await? else { return Ok(None) };
        let count: i64 = row.try_get_by_index(2)?;
        let end = self.cursor(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        Ok((count.unsigned_abs() == WINDOW_OFFERS).then_some(end))
    }

    /// Returns the ids that rows between two positions may have.
    fn ids_between(&self, start: Option<Cursor>, end: Option<Cursor>) -> RangeInclusive<i64> {
        if self.list.order.is_by_price() {
            return ALL_IDS;
        }
        let [start, end] = [start, end].map(|position| position.map(|cursor| cursor.id));
        let (first, last) = if self.list.reads_ascending() { (start, end) } else { (end, start) };
        first.unwrap_or(*ALL_IDS.start())..=last.unwrap_or(*ALL_IDS.end())
    }

    fn cursor(&self, id: i64, price: Option<i64>) -> Cursor {
        let order = self.list.order;
        Cursor { order, price: price.filter(|_| order.is_by_price()), id }
    }
}

fn negated_id() -> Expr {
    Expr::Constant(0.into()).sub(Column::Id.into_simple_expr())
}

fn select_from_offers(condition: Condition) -> SelectStatement {
    let mut statement = Query::select();
    statement.from(offer::Entity).cond_where(condition);
    statement
}

/// Selects from the rows of a statement. For PostgreSQL, the offset keeps it apart: conditions and
/// orders of the outer statement have no part in the choice of its index.
fn isolated(mut rows: SelectStatement, backend: DbBackend) -> SelectStatement {
    rows.column(Asterisk);
    if backend == DbBackend::Postgres {
        rows.offset(0);
    }
    let mut statement = Query::select();
    statement.from_subquery(rows, offer::Entity);
    statement
}

/// Loads pages of lists. Each has a result of its own.
impl Loader<OfferList> for OfferLoader {
    type Value = Result<Page<ListedOffer>>;
    type Error = Error;

    async fn load(&self, lists: &[OfferList]) -> BatchResult<OfferList, Self::Value> {
        let pages = join_all(lists.iter().map(|list| list.load(&self.0))).await;
        Ok(iter::zip(lists.iter().cloned(), pages).collect::<HashMap<_, _>>())
    }
}

impl OffersState {
    /// Loads a page of a list of offers within the budget of the answer, each with its position.
    ///
    /// # Errors
    /// `INVALID_INPUT` if a search matches too much, `QUERY_TOO_COMPLEX` if the answer is too large.
    pub(crate) async fn browse(
        &self,
        budget: Option<&AnswerBudget>,
        list: OfferList,
    ) -> Result<Page<(Cursor, Offer)>> {
        if let Some(user_id) = list.only_user() {
            let key = (user_id, list.page.by_id());
            let page = self.offer_pages.load_within_budget(budget, key).await?;
            return Ok(page.map(|offer| Some((Cursor::oldest(offer.id.0), offer))));
        }
        let loader = if list.search.is_some() { &self.searches } else { &self.offer_lists };
        let page = loader.load_owned(list).await?;
        let page = page.ok_or_else(|| Error::internal("a list was not loaded"))??;
        let ids = page.rows.iter().map(|offer| offer.cursor.id).collect();
        let mut offers = self.offer_by_id.load_all_within_budget(budget, ids).await?.into_iter();
        // An offer that was deleted meanwhile is left out.
        Ok(page.map(|listed| Some((listed.cursor, offers.next()??))))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_graphql::connection::CursorType;
    use sea_orm::{ConnectOptions, Database, Statement};

    use super::*;

    fn list(user_id: Option<i64>, filter: OfferFilter, order: OfferOrder) -> OfferList {
        let cursor = Cursor { order, price: order.is_by_price().then_some(5), id: 7 };
        let after = cursor.encode_cursor();
        let page = PageArguments { first: Some(20), after: Some(&after), last: None, before: None };
        let user_id = user_id.map(ID::from);
        OfferList::validate(user_id.as_ref(), Some(filter), order, page).unwrap()
    }

    /// Returns each list without a search or a range of prices that its order says nothing of.
    fn lists() -> Vec<OfferList> {
        let mut lists = Vec::new();
        for user_id in [None, Some(1)] {
            for status in [None, Some(OfferStatus::Open)] {
                for (currency, price) in [(None, None), (Some("EUR"), None), (Some("EUR"), Some(3))]
                {
                    for order in [
                        OfferOrder::Oldest,
                        OfferOrder::Newest,
                        OfferOrder::PriceAsc,
                        OfferOrder::PriceDesc,
                    ] {
                        let by_price = order.is_by_price();
                        if if currency.is_none() { by_price } else { price.is_some() && !by_price }
                        {
                            continue;
                        }
                        let filter = OfferFilter {
                            search: None,
                            status,
                            currency: currency.map(str::to_owned),
                            min_price: price.map(BigInt),
                            max_price: None,
                        };
                        lists.push(list(user_id, filter, order));
                    }
                }
            }
        }
        lists
    }

    #[tokio::test]
    #[allow(clippy::disallowed_methods, reason = "sea-orm cannot explain a statement")]
    async fn sqlite_reads_each_list_in_the_order_of_an_index() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1).sqlx_logging(false);
        let mut database = Database::connect(options).await.unwrap();
        migration::up(&database).await.unwrap();
        let statements = Arc::new(Mutex::new(Vec::new()));
        let run = Arc::clone(&statements);
        database.set_metric_callback(move |info| run.lock().unwrap().push(info.statement.clone()));
        for list in lists() {
            list.load(&database).await.unwrap();
            let run: Vec<Statement> = std::mem::take(&mut *statements.lock().unwrap());
            assert!(!run.is_empty());
            for statement in run {
                let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
                let values = statement.values.unwrap();
                let explain = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
                for row in database.query_all_raw(explain).await.unwrap() {
                    let step: String = row.try_get("", "detail").unwrap();
                    assert!(step.starts_with("SEARCH offers USING INDEX"), "{list:?}: {step}");
                }
            }
            statements.lock().unwrap().clear();
        }
    }
}

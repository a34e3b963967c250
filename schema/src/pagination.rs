//! Keyset pagination, as in Relay's cursor connections specification.
//!
//! A cursor holds the sort keys of a row, so a page stays the same when other rows are inserted or
//! deleted, and costs the same wherever it starts.

use std::hash::{Hash, Hasher};

use async_graphql::{
    Enum, Lookahead, OutputType,
    connection::{Connection, CursorType, Edge, EmptyFields},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::{FieldErrors, ReadBytes, Result};

/// Maximum number of rows on a page.
pub const MAX_PAGE_SIZE: i32 = 1000;
/// Number of rows on a page without `first` and `last`.
pub const DEFAULT_PAGE_SIZE: i32 = 100;

/// Bytes of text after which a page ends before its number of rows is reached. A page has at least one
/// row, so it is larger by less than a row.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The order of a list of offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum OfferOrder {
    /// In the order of creation.
    Oldest,
    /// In the reverse order of creation.
    Newest,
    /// The cheapest first, and those without a price last. Requires a currency.
    PriceAsc,
    /// The most expensive first, and those without a price last. Requires a currency.
    PriceDesc,
}

impl OfferOrder {
    /// Each order with its name in cursors.
    const NAMES: [(Self, &str); 4] = [
        (Self::Oldest, "id"),
        (Self::Newest, "newest"),
        (Self::PriceAsc, "price_asc"),
        (Self::PriceDesc, "price_desc"),
    ];

    /// Returns true if offers are compared by their price first.
    #[must_use]
    pub fn is_by_price(self) -> bool {
        matches!(self, Self::PriceAsc | Self::PriceDesc)
    }

    /// Returns true if ids, and prices if they are compared, ascend.
    #[must_use]
    pub fn is_ascending(self) -> bool {
        matches!(self, Self::Oldest | Self::PriceAsc)
    }
}

/// The position of a row in a list, opaque to clients. Lists of users are in the order `Oldest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The order of the list.
    pub order: OfferOrder,
    /// The amount of the price, in an order by price.
    pub price: Option<i64>,
    /// The id of the row.
    pub id: i64,
}

impl Cursor {
    /// Returns the position of the row with this id in a list in the order of creation.
    #[must_use]
    pub const fn oldest(id: i64) -> Self {
        Self { order: OfferOrder::Oldest, price: None, id }
    }

    fn parse(text: &str) -> Option<Self> {
        let (name, position) = text.split_once(':')?;
        let (order, _) = *OfferOrder::NAMES.iter().find(|(_, known)| *known == name)?;
        let (price, id) = match position.split_once(':') {
            Some((price, id)) if order.is_by_price() => {
                let amount = |price: &str| price.parse().ok().filter(|amount| *amount >= 0);
                (if price.is_empty() { None } else { Some(amount(price)?) }, id)
            }
            None if !order.is_by_price() => (None, position),
            _ => return None,
        };
        Some(Self { order, price, id: crate::id::parse(id)? })
    }
}

impl CursorType for Cursor {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        const INVALID: &str = "is not a valid cursor";
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| INVALID)?;
        str::from_utf8(&bytes).ok().and_then(Self::parse).ok_or(INVALID)
    }

    fn encode_cursor(&self) -> String {
        let Self { order, price, id } = self;
        let name = OfferOrder::NAMES.iter().find(|(named, _)| named == order);
        let name = name.map_or("", |(_, name)| name);
        BASE64_URL_SAFE_NO_PAD.encode(match price {
            Some(amount) => format!("{name}:{amount}:{id}"),
            None if order.is_by_price() => format!("{name}::{id}"),
            None => format!("{name}:{id}"),
        })
    }
}

/// Returns the cursor of the row with this id, in a list in the order of creation.
#[must_use]
pub fn encode_cursor(id: Option<i64>) -> Option<String> {
    id.map(|id| Cursor::oldest(id).encode_cursor())
}

/// The rows that a client requests, of a list by id or, with cursors, of one in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageRequest<P = i64> {
    /// Maximum number of rows, 0 to [`MAX_PAGE_SIZE`].
    pub limit: i32,
    /// Excludes rows up to this one.
    pub after: Option<P>,
    /// Excludes rows from this one on.
    pub before: Option<P>,
    /// Counts rows from the end.
    pub from_end: bool,
    /// Selects one row more, which shows if others follow in this direction.
    pub probe_next: bool,
}

/// Hashes few words, since a loader hashes its keys often.
impl<P: Hash> Hash for PageRequest<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i32(if self.from_end { -self.limit } else { self.limit });
        for end in self.after.iter().chain(&self.before) {
            end.hash(state);
        }
    }
}

impl PageRequest {
    /// The first page of maximum size.
    pub const FIRST_MAX: Self = Self {
        limit: MAX_PAGE_SIZE,
        after: None,
        before: None,
        from_end: false,
        probe_next: false,
    };

    /// Parses the arguments of a connection field in the order of creation.
    ///
    /// # Errors
    /// `INVALID_INPUT` with each bad argument.
    pub fn new(
        first: Option<i32>,
        after: Option<&str>,
        last: Option<i32>,
        before: Option<&str>,
    ) -> Result<Self> {
        let mut fields = FieldErrors::default();
        let arguments = PageArguments { first, after, last, before };
        let page = arguments.parse(OfferOrder::Oldest, &mut fields);
        fields.into_result().map(|()| page.by_id())
    }

    /// Restricts a query to the rows between the cursors.
    pub fn filter_by_cursors<E: EntityTrait>(
        &self,
        rows: Select<E>,
        id: impl ColumnTrait,
    ) -> Select<E> {
        let rows = match self.after {
            Some(after) => rows.filter(id.gt(after)),
            None => rows,
        };
        match self.before {
            Some(before) => rows.filter(id.lt(before)),
            None => rows,
        }
    }

    /// Restricts a query to this page and, if requested, the extra row.
    pub fn apply<E: EntityTrait>(&self, rows: Select<E>, id: impl ColumnTrait) -> Select<E> {
        let rows = self.filter_by_cursors(rows, id);
        let rows = if self.from_end { rows.order_by_desc(id) } else { rows.order_by_asc(id) };
        rows.limit(self.max_rows())
    }
}

impl PageRequest<Cursor> {
    /// Returns the same page of a list that is in the order of creation.
    #[must_use]
    pub fn by_id(self) -> PageRequest {
        let Self { limit, after, before, from_end, probe_next } = self;
        let id = |cursor: Cursor| cursor.id;
        PageRequest { limit, after: after.map(id), before: before.map(id), from_end, probe_next }
    }
}

impl<P> PageRequest<P> {
    /// Skips the extra row unless the connection selects `pageInfo`.
    #[must_use]
    pub fn for_selection(self, connection: &Lookahead<'_>) -> Self {
        Self { probe_next: connection.field("pageInfo").exists(), ..self }
    }

    /// Returns the maximum number of rows to select, with the extra row.
    #[must_use]
    pub fn max_rows(&self) -> u64 {
        u64::from(self.limit.unsigned_abs()) + u64::from(self.probe_next)
    }

    /// Converts the rows of a statement, which begin at the end of the page that is counted from, to
    /// a page in the order of its list, which ends after [`MAX_PAGE_BYTES`] of the `text_bytes` of its
    /// rows.
    #[must_use]
    pub fn into_page<T>(&self, mut rows: Vec<T>, text_bytes: impl Fn(&T) -> usize) -> Page<T> {
        let mut bytes = 0;
        let fits = |row: &&T| {
            let fits = bytes < MAX_PAGE_BYTES;
            bytes += text_bytes(row);
            fits
        };
        let len = rows.iter().take(self.limit.unsigned_abs() as usize).take_while(fits).count();
        let more = rows.len() > len;
        rows.truncate(len);
        if self.from_end {
            rows.reverse();
            Page { rows, has_previous: more, has_next: self.before.is_some() }
        } else {
            Page { rows, has_previous: self.after.is_some(), has_next: more }
        }
    }
}

/// The arguments of a connection field, as a client sends them.
#[derive(Clone, Copy, Debug)]
pub struct PageArguments<'a> {
    /// The number of rows from the start.
    pub first: Option<i32>,
    /// The cursor that the rows follow.
    pub after: Option<&'a str>,
    /// The number of rows from the end.
    pub last: Option<i32>,
    /// The cursor that the rows precede.
    pub before: Option<&'a str>,
}

impl<T: ReadBytes> ReadBytes for Page<T> {
    fn read_bytes(&self) -> usize {
        self.rows.iter().map(ReadBytes::read_bytes).sum()
    }
}

impl PageArguments<'_> {
    /// Validates the arguments for a list in this order. Adds each bad one to `fields`.
    #[must_use]
    pub fn parse(self, order: OfferOrder, fields: &mut FieldErrors) -> PageRequest<Cursor> {
        let Self { first, after, last, before } = self;
        let mut cursor = |pointer, text: Option<&str>| {
            let detail = match Cursor::decode_cursor(text?) {
                Ok(cursor) if cursor.order == order => return Some(cursor),
                Ok(_) => "is a cursor of another order",
                Err(detail) => detail,
            };
            fields.push(pointer, detail);
            None
        };
        let (after, before) = (cursor("/after", after), cursor("/before", before));
        for (pointer, size) in [("/first", first), ("/last", last)] {
            if size.is_some_and(|size| !(0..=MAX_PAGE_SIZE).contains(&size)) {
                fields.push(pointer, "must be between 0 and 1000");
            }
        }
        if first.is_some() && last.is_some() {
            fields.push("/last", "cannot go with first");
        }
        let limit = first.or(last).unwrap_or(DEFAULT_PAGE_SIZE);
        PageRequest { limit, after, before, from_end: last.is_some(), probe_next: true }
    }
}

/// A page of rows in the order of its list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// True if there are rows before them.
    pub has_previous: bool,
    /// True if there are rows after them.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// Converts the rows, and leaves out those that `convert` returns `None` for.
    pub fn map<U>(self, convert: impl FnMut(T) -> Option<U>) -> Page<U> {
        let Self { rows, has_previous, has_next } = self;
        Page { rows: rows.into_iter().filter_map(convert).collect(), has_previous, has_next }
    }

    /// Converts the page to a Relay connection.
    pub fn connection<N: OutputType>(
        self,
        cursor: impl Fn(&T) -> Cursor,
        mut node: impl FnMut(T) -> N,
    ) -> Connection<Cursor, N, EmptyFields, EmptyFields> {
        let mut connection = Connection::new(self.has_previous, self.has_next);
        let edges = self.rows.into_iter().map(|row| Edge::new(cursor(&row), node(row)));
        connection.edges.extend(edges);
        connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_round_trips() {
        for (order, _) in OfferOrder::NAMES {
            let prices: &[_] =
                if order.is_by_price() { &[None, Some(0), Some(9)] } else { &[None] };
            for price in prices {
                let cursor = Cursor { order, price: *price, id: i64::MAX };
                assert_eq!(Cursor::decode_cursor(&cursor.encode_cursor()), Ok(cursor));
            }
        }
        for bad in ["", "5", "aWQ6", "aWQ6LTE", "💣", "aWQ6NQ=="] {
            assert!(Cursor::decode_cursor(bad).is_err(), "{bad}");
        }
        for bad in [
            "id:1:2",
            "newest::2",
            "price_asc:2",
            "price_asc:-1:2",
            "price_asc:x:2",
            "price_desc:1:",
        ] {
            let cursor = BASE64_URL_SAFE_NO_PAD.encode(bad);
            assert!(Cursor::decode_cursor(&cursor).is_err(), "{bad}");
        }
    }

    #[test]
    fn cursor_of_another_order_is_rejected() {
        let cursor = Cursor { order: OfferOrder::Newest, price: None, id: 7 };
        let text = cursor.encode_cursor();
        let mut fields = FieldErrors::default();
        let arguments = PageArguments { first: None, after: Some(&text), last: None, before: None };
        assert_eq!(arguments.parse(OfferOrder::Newest, &mut fields).after, Some(cursor));
        assert_eq!(arguments.parse(OfferOrder::PriceAsc, &mut fields).after, None);
        let error = fields.into_result().unwrap_err();
        assert_eq!(error.field_errors[0].detail, "is a cursor of another order");
    }

    #[test]
    fn reports_every_invalid_argument() {
        let error = PageRequest::new(Some(-1), Some("x"), Some(1001), Some("y")).unwrap_err();
        let pointers: Vec<_> =
            error.field_errors.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(pointers, ["/after", "/before", "/first", "/last", "/last"]);
    }

    #[test]
    fn page_truncates_in_both_directions() {
        let first = PageRequest { limit: 2, probe_next: true, ..PageRequest::FIRST_MAX };
        let page = PageRequest { after: Some(1), ..first }.into_page(vec![2, 3, 4], |_| 1);
        assert_eq!((page.rows, page.has_previous, page.has_next), (vec![2, 3], true, true));
        let page = PageRequest { from_end: true, ..first }.into_page(vec![9, 8], |_| 1);
        assert_eq!((page.rows, page.has_previous, page.has_next), (vec![8, 9], false, false));
    }

    #[test]
    fn page_ends_after_its_bytes() {
        for (bytes, len) in [
            (1, 4),
            (MAX_PAGE_BYTES / 4, 4),
            (MAX_PAGE_BYTES / 3, 4),
            (MAX_PAGE_BYTES / 2, 2),
            (usize::MAX / 9, 1),
        ] {
            let page = PageRequest::FIRST_MAX.into_page(vec![1, 2, 3, 4], |_| bytes);
            assert_eq!((page.rows.len(), page.has_next), (len, len < 4), "{bytes}");
        }
        let last = PageRequest { from_end: true, ..PageRequest::FIRST_MAX };
        let page = last.into_page(vec![9, 8], |_| MAX_PAGE_BYTES);
        assert_eq!((page.rows, page.has_previous, page.has_next), (vec![9], true, false));
    }
}

//! Keyset pagination, as in Relay's cursor connections specification.
//!
//! A cursor holds the id of a row, so a page stays the same when other rows are inserted or deleted,
//! and costs the same wherever it starts.

use std::hash::{Hash, Hasher};

use async_graphql::{
    Lookahead, OutputType,
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

/// The position of a row, opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64);

impl CursorType for Cursor {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        const INVALID: &str = "is not a valid cursor";
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| INVALID)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| INVALID)?;
        text.strip_prefix("id:").and_then(crate::id::parse).map(Self).ok_or(INVALID)
    }

    fn encode_cursor(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("id:{}", self.0))
    }
}

/// Returns the cursor of the row with this id.
#[must_use]
pub fn encode_cursor(id: Option<i64>) -> Option<String> {
    id.map(|id| Cursor(id).encode_cursor())
}

/// The rows that a client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageRequest {
    /// Maximum number of rows, 0 to [`MAX_PAGE_SIZE`].
    pub limit: i32,
    /// Excludes rows up to this id.
    pub after: Option<i64>,
    /// Excludes rows from this id on.
    pub before: Option<i64>,
    /// Counts rows from the end.
    pub from_end: bool,
    /// Selects one row more, which shows if others follow in this direction.
    pub probe_next: bool,
}

/// Hashes few words, since a loader hashes its keys often.
impl Hash for PageRequest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i32(if self.from_end { -self.limit } else { self.limit });
        for end in self.after.iter().chain(&self.before) {
            state.write_i64(*end);
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

    /// Parses the arguments of a connection field.
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
        let mut cursor = |pointer, text: Option<&str>| {
            text.and_then(|text| match Cursor::decode_cursor(text) {
                Ok(cursor) => Some(cursor.0),
                Err(detail) => {
                    fields.push(pointer, detail);
                    None
                }
            })
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
        fields.into_result()?;
        let limit = first.or(last).unwrap_or(DEFAULT_PAGE_SIZE);
        Ok(Self { limit, after, before, from_end: last.is_some(), probe_next: true })
    }

    /// Skips the extra row unless the connection selects `pageInfo`.
    #[must_use]
    pub fn for_selection(self, connection: &Lookahead<'_>) -> Self {
        Self { probe_next: connection.field("pageInfo").exists(), ..self }
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

    /// Returns the number of rows of the page, with the extra row if it is requested.
    #[must_use]
    pub fn max_rows(&self) -> u64 {
        u64::from(self.limit.unsigned_abs()) + u64::from(self.probe_next)
    }

    /// Converts the rows that [`Self::apply`] selects to a page in ascending order, which ends after
    /// [`MAX_PAGE_BYTES`] of the `text_bytes` of its rows.
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

impl<T: ReadBytes> ReadBytes for Page<T> {
    fn read_bytes(&self) -> usize {
        self.rows.iter().map(ReadBytes::read_bytes).sum()
    }
}

/// A page of rows in ascending order.
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
    /// Converts the page to a Relay connection.
    pub fn connection<N: OutputType>(
        self,
        id: impl Fn(&T) -> i64,
        mut node: impl FnMut(T) -> N,
    ) -> Connection<Cursor, N, EmptyFields, EmptyFields> {
        let mut connection = Connection::new(self.has_previous, self.has_next);
        let edges = self.rows.into_iter().map(|row| Edge::new(Cursor(id(&row)), node(row)));
        connection.edges.extend(edges);
        connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_round_trips() {
        let cursor = Cursor(i64::MAX).encode_cursor();
        assert_eq!(Cursor::decode_cursor(&cursor), Ok(Cursor(i64::MAX)));
        for bad in ["", "5", "aWQ6", "aWQ6LTE", "💣", "aWQ6NQ=="] {
            assert!(Cursor::decode_cursor(bad).is_err(), "{bad}");
        }
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

//! Pages of rows by keyset, as Relay's cursor connections specification has them.
//!
//! A cursor holds the id of a row, so a page stays where it was when rows come or go, and finding
//! it costs the same wherever it starts.

use std::hash::{Hash, Hasher};

use async_graphql::{
    Lookahead, OutputType,
    connection::{Connection, CursorType, Edge, EmptyFields},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::{FieldErrors, Result};

/// The most rows on a page.
pub const MAX_PAGE_SIZE: i32 = 1000;
/// The rows on a page that names no size.
pub const DEFAULT_PAGE_SIZE: i32 = 100;

/// The place of a row, opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub i64);

impl CursorType for Cursor {
    type Error = &'static str;

    fn decode_cursor(text: &str) -> Result<Self, Self::Error> {
        const BAD: &str = "is no cursor of ours";
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BAD)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| BAD)?;
        text.strip_prefix("id:").and_then(crate::id::parse).map(Self).ok_or(BAD)
    }

    fn encode_cursor(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("id:{}", self.0))
    }
}

/// The cursor of the row with this id.
#[must_use]
pub fn encode_cursor(id: Option<i64>) -> Option<String> {
    id.map(|id| Cursor(id).encode_cursor())
}

/// Which rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// How many rows, 0 to [`MAX_PAGE_SIZE`].
    pub size: i32,
    /// Only rows after this id.
    pub after: Option<i64>,
    /// Only rows before this id.
    pub before: Option<i64>,
    /// Counted from the end.
    pub last: bool,
    /// Whether to find out if rows come past it.
    pub others: bool,
}

/// Of as few words as can be: a loader hashes its keys often.
impl Hash for PageRequest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i32(if self.last { -self.size } else { self.size });
        for end in self.after.iter().chain(&self.before) {
            state.write_i64(*end);
        }
    }
}

impl PageRequest {
    /// The first rows, as many as a page can hold.
    pub const FIRST_MAX: Self =
        Self { size: MAX_PAGE_SIZE, after: None, before: None, last: false, others: false };

    /// Reads the arguments of a connection field.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names each bad argument.
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
        let size = first.or(last).unwrap_or(DEFAULT_PAGE_SIZE);
        Ok(Self { size, after, before, last: last.is_some(), others: true })
    }

    /// The page with no more than the selection of its connection shows.
    #[must_use]
    pub fn shown(self, connection: &Lookahead<'_>) -> Self {
        Self { others: connection.field("pageInfo").exists(), ..self }
    }

    /// Narrows a selection to the rows between the cursors.
    pub fn narrow<E: EntityTrait>(&self, rows: Select<E>, id: impl ColumnTrait) -> Select<E> {
        let rows = match self.after {
            Some(after) => rows.filter(id.gt(after)),
            None => rows,
        };
        match self.before {
            Some(before) => rows.filter(id.lt(before)),
            None => rows,
        }
    }

    /// Narrows a selection to this page. One row more tells whether there are others.
    pub fn select<E: EntityTrait>(&self, rows: Select<E>, id: impl ColumnTrait) -> Select<E> {
        let rows = self.narrow(rows, id);
        let rows = if self.last { rows.order_by_desc(id) } else { rows.order_by_asc(id) };
        rows.limit(u64::from(self.size.unsigned_abs()) + u64::from(self.others))
    }

    /// Cuts what [`Self::select`] found to the page, in ascending order.
    #[must_use]
    pub fn cut<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let size = self.size.unsigned_abs() as usize;
        let more = rows.len() > size;
        rows.truncate(size);
        if self.last {
            rows.reverse();
            Page { rows, has_previous: more, has_next: self.before.is_some() }
        } else {
            Page { rows, has_previous: self.after.is_some(), has_next: more }
        }
    }
}

/// The rows of a page, ascending, and whether there are others.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether rows come before them.
    pub has_previous: bool,
    /// Whether rows come after them.
    pub has_next: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), has_previous: false, has_next: false }
    }
}

impl<T> Page<T> {
    /// The page as a Relay connection.
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
    fn a_cursor_comes_back_and_garbage_does_not() {
        let cursor = Cursor(i64::MAX).encode_cursor();
        assert_eq!(Cursor::decode_cursor(&cursor), Ok(Cursor(i64::MAX)));
        for bad in ["", "5", "aWQ6", "aWQ6LTE", "💣", "aWQ6NQ=="] {
            assert!(Cursor::decode_cursor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_bad_argument_is_named() {
        let error = PageRequest::new(Some(-1), Some("x"), Some(1001), Some("y")).unwrap_err();
        let pointers: Vec<_> = error.fields.iter().map(|field| field.pointer.as_str()).collect();
        assert_eq!(pointers, ["/after", "/before", "/first", "/last", "/last"]);
    }

    #[test]
    fn a_page_is_cut_from_either_end() {
        let forward =
            PageRequest { size: 2, after: Some(1), before: None, last: false, others: true };
        let slice = forward.cut(vec![2, 3, 4]);
        assert_eq!((slice.rows, slice.has_previous, slice.has_next), (vec![2, 3], true, true));
        let backward = PageRequest { size: 2, after: None, before: None, last: true, others: true };
        let slice = backward.cut(vec![9, 8]);
        assert_eq!((slice.rows, slice.has_previous, slice.has_next), (vec![8, 9], false, false));
    }
}

//! Cursors, and the other arguments of a page.
#![no_main]

use async_graphql::connection::CursorType;
use libfuzzer_sys::fuzz_target;
use schema::{
    PageRequest,
    pagination::{Cursor, MAX_PAGE_SIZE},
};

fuzz_target!(|input: (i32, i32, &str, &str)| {
    let (first, last, after, before) = input;
    if let Ok(cursor) = Cursor::decode_cursor(after) {
        assert!(cursor.id > 0);
        assert_eq!(Cursor::decode_cursor(&cursor.encode_cursor()), Ok(cursor));
    }
    for (first, last) in [(Some(first), None), (None, Some(last)), (Some(first), Some(last))] {
        match PageRequest::new(first, Some(after), last, Some(before)) {
            Ok(page) => assert!((0..=MAX_PAGE_SIZE).contains(&page.limit)),
            Err(error) => assert!(!error.field_errors.is_empty()),
        }
    }
});

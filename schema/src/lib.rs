//! What both GraphQL schemas share, and no HTTP: error codes, who asks and what they may do,
//! paging and limits.

pub mod away;
pub mod batch;
pub mod error;
pub mod fields;
pub mod id;
pub mod limits;
pub mod page;
pub mod viewer;
pub mod words;

pub use batch::Batcher;
pub use error::{Code, Error, FieldError, Result};
pub use fields::Fields;
pub use page::{Page, Slice};
pub use viewer::{Security, Viewer};

//! What both GraphQL schemas share, and no HTTP: error codes, who asks and what they may do,
//! paging and limits.

pub mod at_hand;
pub mod away;
pub mod batch;
pub mod error;
pub mod fields;
pub mod id;
pub mod limits;
pub mod page;
pub mod time;
pub mod viewer;
pub mod words;

pub use at_hand::{AtHand, Leaves};
pub use batch::Batcher;
pub use error::{Code, Error, FieldError, Result};
pub use fields::Fields;
pub use page::{Page, Slice};
pub use time::Time;
pub use viewer::{Security, Viewer};

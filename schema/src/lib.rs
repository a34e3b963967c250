//! What both GraphQL schemas share, and no HTTP: error codes, who asks and what they may do,
//! paging, batching, limits, and answers that are written at once.

pub mod ahead;
pub mod at_hand;
pub mod away;
pub mod batch;
pub mod error;
pub mod fields;
pub mod id;
pub mod json;
pub mod keys;
pub mod limits;
pub mod page;
pub mod time;
pub mod viewer;
pub mod words;

pub use ahead::Ahead;
pub use at_hand::{AtHand, AtOnce, Ready};
pub use batch::Batcher;
pub use error::{Code, Error, FieldError, Result};
pub use fields::Fields;
pub use json::{Ids, Json};
pub use page::{Page, Slice};
pub use time::Time;
pub use viewer::{Security, Viewer};

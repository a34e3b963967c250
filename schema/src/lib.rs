//! The types and rules of the graph that both services share: offers and users, error codes, the
//! viewer and its permissions, preconditions, pagination, batched look-ups, limits.

pub mod batch_loader;
pub mod db_availability;
pub mod descriptions;
pub mod error;
pub mod id;
pub mod limits;
mod money;
mod offer;
pub mod pagination;
pub mod precondition;
pub mod prefetch;
pub mod rows;
pub mod text;
mod timestamp;
mod user;
pub mod validation;
pub mod viewer;

pub use batch_loader::{BatchLoader, LoadOwned, LoadWithinBudget, ReadBytes};
pub use direct_json::{
    AnswerBudget, DirectJson, DirectJsonEnabled, JsonWriter, MAX_ANSWER_BYTES, Notation, WriteJson,
};
pub use error::{Error, ErrorCode, FieldError, Result};
pub use id::Id;
pub use money::{BigInt, Currency, Money};
pub use offer::{Offer, OfferStatus};
pub use pagination::{Page, PageRequest};
pub use precondition::Precondition;
pub use prefetch::PrefetchedOffers;
pub use text::Text;
pub use timestamp::Timestamp;
pub use user::User;
pub use validation::FieldErrors;
pub use viewer::{Security, Viewer};

//! The types and rules of the graph that both services share: error codes, the viewer and what they
//! may do, pagination, batched look-ups, limits.

pub mod batch_loader;
pub mod batch_sql;
pub mod db_availability;
pub mod descriptions;
pub mod error;
pub mod id;
pub mod limits;
pub mod pagination;
pub mod prefetch;
pub mod timestamp;
pub mod validation;
pub mod viewer;

pub use batch_loader::BatchLoader;
pub use direct_json::{DirectJson, DirectJsonEnabled, IdFormat, JsonWriter, WriteJson};
pub use error::{Error, ErrorCode, FieldError, Result};
pub use pagination::{Page, PageRequest};
pub use prefetch::PrefetchedOffers;
pub use timestamp::Timestamp;
pub use validation::FieldErrors;
pub use viewer::{Security, Viewer};

//! The tables as sea-orm entities, with relations both ways.
//!
//! No GraphQL object is derived from these: clients see only the columns that an object lists.

pub mod idempotency_key;
mod lookup_key;
pub mod offer;
mod password_hash;
pub mod refresh_token;
pub mod user;
pub mod write_probe;
mod writes;

use sea_orm::{EntityTrait, QuerySelect, QueryTrait, sea_query::SelectStatement};

pub use lookup_key::{legacy_lookup_key, lookup_key};
pub use password_hash::PasswordHash;
pub use writes::{begin_write, insert_row, probe_write, update_row, update_row_if};

/// Returns a query that selects no row, and fails if the table or one of its columns is missing.
#[must_use]
pub fn readiness_query<E: EntityTrait>() -> SelectStatement {
    E::find().limit(0).into_query()
}

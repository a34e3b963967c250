//! The tables as sea-orm entities, with relations both ways.
//!
//! No GraphQL object is derived from these: clients see only the columns that an object lists.

pub mod offer;
mod password_hash;
pub mod refresh_token;
pub mod user;
pub mod write_probe;
mod writes;

use sea_orm::{EntityTrait, QuerySelect, QueryTrait, sea_query::SelectStatement};

pub use password_hash::PasswordHash;
pub use writes::{insert_row, probe_write, update_row};

/// Returns a query that selects no row, and fails if the table or one of its columns is missing.
#[must_use]
pub fn readiness_query<E: EntityTrait>() -> SelectStatement {
    E::find().limit(0).into_query()
}

/// Folds the case of a username or an email, for the columns that make them unique and found
/// regardless of case.
///
/// Upper case comes first: it unites characters that lower case keeps apart, such as `ς` and `σ`.
#[must_use]
pub fn fold_case(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::fold_case;

    #[test]
    fn case_is_folded_beyond_ascii() {
        for (one, other) in
            [("Alice", "aLICE"), ("Ёжик", "ёЖИК"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("Straße", "STRASSE")]
        {
            assert_eq!(fold_case(one), fold_case(other));
        }
        assert_ne!(fold_case("alice"), fold_case("alicе"));
    }
}

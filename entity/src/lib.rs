//! The tables as sea-orm entities, with relations both ways.
//!
//! No GraphQL object is derived from these: a column is shown to a client only where a resolver
//! says so.

mod hash;
pub mod keyed_offer;
pub mod offer;
pub mod refresh_token;
pub mod user;

use sea_orm::{EntityTrait, QuerySelect, QueryTrait, sea_query::SelectStatement};

pub use hash::PasswordHash;

/// A statement for each table, which answers no row, and fails where the table or one of its columns
/// is not there.
#[must_use]
pub fn probes() -> Vec<SelectStatement> {
    fn probe<E: EntityTrait>() -> SelectStatement {
        E::find().limit(0).into_query()
    }
    vec![
        probe::<user::Entity>(),
        probe::<offer::Entity>(),
        probe::<refresh_token::Entity>(),
        probe::<keyed_offer::Entity>(),
    ]
}

/// Folds the case of a username or an email, for the columns that keep them unique and found
/// regardless of case.
///
/// Upper case first: it joins what lower case alone keeps apart, such as `ς` and `σ`.
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

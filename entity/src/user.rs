//! The table `users`.
#![allow(missing_docs, reason = "columns are named after their content")]
#![allow(clippy::disallowed_methods, reason = "of the derived code, which nothing calls")]

use sea_orm::entity::prelude::*;

use crate::{PasswordHash, legacy_lookup_key, lookup_key};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub username: String,
    /// The [`lookup_key`] of the username, or its [`legacy_lookup_key`].
    #[sea_orm(unique)]
    pub username_key: String,
    pub email: Option<String>,
    /// The [`lookup_key`] of the email.
    #[sea_orm(unique)]
    pub email_key: Option<String>,
    pub password_hash: PasswordHash,
    pub created_at: DateTimeUtc,
    #[sea_orm(has_many)]
    pub offers: HasMany<super::offer::Entity>,
    #[sea_orm(has_many)]
    pub idempotency_keys: HasMany<super::idempotency_key::Entity>,
    #[sea_orm(has_many)]
    pub refresh_tokens: HasMany<super::refresh_token::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Returns the keys under which a user with this name may be stored: one, unless the legacy key
/// differs.
#[must_use]
pub fn name_keys(name: &str) -> Vec<String> {
    let mut keys = vec![lookup_key(name), legacy_lookup_key(name)];
    keys.dedup();
    keys
}

/// Returns the user that has this name, of those found by [`name_keys`]. A user with a legacy key is
/// found in the spellings that have this key, another user in all others.
pub fn choose_by_name<T>(
    name: &str,
    users: impl IntoIterator<Item = T>,
    username: impl Fn(&T) -> &str,
) -> Option<T> {
    let (key, legacy_key) = (lookup_key(name), legacy_lookup_key(name));
    let users = users.into_iter().filter(|user| lookup_key(username(user)) == key);
    users.max_by_key(|user| {
        let own_legacy_key = legacy_lookup_key(username(user));
        (own_legacy_key == legacy_key, own_legacy_key == key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_with_a_legacy_key_is_found_beside_the_one_with_its_new_key() {
        let choose = |name| choose_by_name(name, ["admin", "ａｄｍｉｎ"], |user| user);
        for name in ["admin", "ADMIN", "adｍin"] {
            assert_eq!(choose(name), Some("admin"));
        }
        for name in ["ａｄｍｉｎ", "ＡＤＭＩＮ"] {
            assert_eq!(choose(name), Some("ａｄｍｉｎ"));
        }
        // Their legacy keys are the same.
        assert_eq!(choose_by_name("ı", ["i"], |user| user), None);
        assert_eq!(name_keys("Ann"), ["ann"]);
        assert_eq!(name_keys("ＡＮＮ"), ["ann", "ａｎｎ"]);
    }
}

//! The table `users`.
#![allow(missing_docs, reason = "columns are named after their content")]
#![allow(clippy::disallowed_methods, reason = "of the derived code, which nothing calls")]

use sea_orm::entity::prelude::*;

use crate::{PasswordHash, fold_case};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub username: String,
    /// The username with its case folded.
    #[sea_orm(unique)]
    pub username_key: String,
    pub email: Option<String>,
    /// The email with its case folded.
    #[sea_orm(unique)]
    pub email_key: Option<String>,
    pub password_hash: PasswordHash,
    pub created_at: DateTimeUtc,
    #[sea_orm(has_many)]
    pub offers: HasMany<super::offer::Entity>,
    #[sea_orm(has_many)]
    pub refresh_tokens: HasMany<super::refresh_token::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// Selects the user with this name, regardless of case.
    #[must_use]
    pub fn find_by_name(username: &str) -> Select<Self> {
        Self::find().filter(Column::UsernameKey.eq(fold_case(username)))
    }
}

//! The table `offers`.
#![allow(missing_docs, reason = "columns are named after their content")]
#![allow(clippy::disallowed_methods, reason = "of the derived code, which nothing calls")]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "offers")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub user_id: i64,
    pub title: String,
    #[sea_orm(column_type = "Text")]
    pub text: String,
    pub created_at: DateTimeUtc,
    /// The key that the client sent with its request. Unique among the offers of a user; cleared
    /// when it expires.
    pub idempotency_key: Option<String>,
    /// The hash of the request, which identifies its repetition. Cleared with the key.
    pub fingerprint: Option<String>,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: HasOne<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

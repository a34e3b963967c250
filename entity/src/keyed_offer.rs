//! An offer with the key that its client sent along, so that a repeated request makes no second
//! one. The same table as [`offer`](crate::offer): whoever reads offers needs no key.
#![allow(missing_docs, reason = "the columns say it")]

use sea_orm::entity::prelude::*;

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
    /// Unique among those of a user.
    pub idempotency_key: Option<String>,
    /// Tells whether another request is the same.
    pub fingerprint: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<Model> for crate::offer::Model {
    fn from(row: Model) -> Self {
        let Model { id, user_id, title, text, created_at, .. } = row;
        Self { id, user_id, title, text, created_at }
    }
}

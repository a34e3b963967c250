//! The table `idempotency_keys`: the keys of requests that created an offer, kept for a day.
#![allow(missing_docs, reason = "columns are named after their content")]
#![allow(clippy::disallowed_methods, reason = "of the derived code, which nothing calls")]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i64,
    /// The key that the client sent with its request.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// The hash of the request, which identifies its repetition.
    pub fingerprint: String,
    /// The offer that the request created, which may be deleted by now.
    pub offer_id: i64,
    pub created_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: HasOne<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

//! The table `refresh_tokens`: one row per session, rewritten at each rotation.
//!
//! A token contains its session and its generation. The row holds the newest generation, so the
//! tokens of a session form one chain, and each rotation is one compare-and-set statement. A row is
//! not enough to create a token: that needs the private key.
#![allow(missing_docs, reason = "columns are named after their content")]
#![allow(clippy::disallowed_methods, reason = "of the derived code, which nothing calls")]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    /// The session, `sid` in its tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: i64,
    /// The number of rotations. The token of this generation has not been used yet.
    pub generation: i64,
    /// The key that signed this generation, so that the same token can be created again.
    pub key_id: String,
    /// The time when this generation was issued.
    pub issued_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    /// The time of the login; `None` for a session from before it was recorded.
    pub opened_at: Option<DateTimeUtc>,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: HasOne<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

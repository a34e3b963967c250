//! The live refresh token of a session: one row a session, rewritten at each rotation.
//!
//! A token names its session and its generation. The row holds the newest generation, so a family
//! of tokens is one line by construction, and every step on it is one compare-and-set statement.
//! Nothing in it is enough to make a token: that needs the private key.
#![allow(missing_docs, reason = "the columns say it")]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    /// The session, `sid` in its tokens.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: i64,
    /// How often the token was rotated; the token of this generation is the one not used yet.
    pub generation: i64,
    /// The key that signed this generation, so that the same token can be made again.
    pub key_id: String,
    /// When this generation was issued.
    pub issued_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: HasOne<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}

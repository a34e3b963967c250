//! The table `write_probes`, which has no rows.
#![allow(missing_docs, reason = "columns are named after their content")]
#![allow(clippy::disallowed_methods, reason = "of the derived code, which nothing calls")]

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "write_probes")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
}

impl ActiveModelBehavior for ActiveModel {}

//! The routes of `offers-api`.

use chrono::Utc;
use entity::offer;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::support::services::Services;

mod browse;
mod create;
mod delete;
mod get;
mod pages;
mod patch;
mod plans;
mod read;
mod search;

/// Inserts this number of open offers of a user without prices, in one statement for each thousand.
async fn insert_offers(services: &Services, user: i64, number: usize) -> Vec<i64> {
    let row = offer::ActiveModel {
        user_id: Set(user),
        title: Set("common chair".to_owned()),
        text: Set("old".to_owned()),
        created_at: Set(Utc::now()),
        ..Default::default()
    };
    let rows = services.database.connect().await;
    let all = vec![row; number];
    for chunk in all.chunks(1000) {
        offer::Entity::insert_many(chunk.to_vec()).exec_without_returning(&rows).await.unwrap();
    }
    let offers = offer::Entity::find().filter(offer::Column::UserId.eq(user));
    let offers = offers.order_by_asc(offer::Column::Id).all(&rows).await.unwrap();
    rows.close().await.unwrap();
    offers.iter().map(|offer| offer.id).collect()
}

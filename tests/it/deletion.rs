//! Rows that are deleted together with a user.

use entity::{offer, refresh_token, user};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::services::{Services, Topology};

on_every_topology!(deletes_offers_and_refresh_tokens);

/// Counts the users, offers and refresh tokens with a user id.
async fn rows_of(services: &Services, id: i64) -> [u64; 3] {
    let rows = services.database.connect().await;
    let users = user::Entity::find_by_id(id).count(&rows).await;
    let offers = offer::Entity::find().filter(offer::Column::UserId.eq(id)).count(&rows).await;
    let tokens = refresh_token::Entity::find().filter(refresh_token::Column::UserId.eq(id));
    let tokens = tokens.count(&rows).await;
    rows.close().await.unwrap();
    [users.unwrap(), offers.unwrap(), tokens.unwrap()]
}

async fn deletes_offers_and_refresh_tokens(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    services.log_in("ann").await;
    for title in ["chair", "table", "bell"] {
        services.create_offer(&ann, title).await;
    }
    services.create_offer(&bob, "book").await;
    assert_eq!(rows_of(&services, ann.id).await, [1, 3, 2]);
    services.users.delete_user(ann.id).await.expect(204);
    assert_eq!(rows_of(&services, ann.id).await, [0, 0, 0]);
    assert_eq!(rows_of(&services, bob.id).await, [1, 1, 1]);
}

//! What goes with a user, in the database itself.

use entity::{offer, refresh_token, user};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::support::services::{Layout, Stack};

on_every_stack!(takes_offers_and_tokens_along);

async fn rows_of(stack: &Stack, id: i64) -> [u64; 3] {
    let rows = stack.database.connect().await;
    let users = user::Entity::find_by_id(id).count(&rows).await;
    let offers = offer::Entity::find().filter(offer::Column::UserId.eq(id)).count(&rows).await;
    let tokens = refresh_token::Entity::find().filter(refresh_token::Column::UserId.eq(id));
    let tokens = tokens.count(&rows).await;
    rows.close().await.unwrap();
    [users.unwrap(), offers.unwrap(), tokens.unwrap()]
}

async fn takes_offers_and_tokens_along(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    stack.log_in("ann").await;
    for title in ["chair", "table", "bell"] {
        stack.offer(&ann, title).await;
    }
    stack.offer(&bob, "book").await;
    assert_eq!(rows_of(&stack, ann.id).await, [1, 3, 2]);
    stack.users.delete(&ann.path()).await.expect(204);
    assert_eq!(rows_of(&stack, ann.id).await, [0, 0, 0]);
    assert_eq!(rows_of(&stack, bob.id).await, [1, 1, 1]);
}

//! Refresh tokens are used once.

use chrono::TimeDelta;
use entity::refresh_token;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel};
use serde_json::{Value, json};

use crate::support::fixtures::text;
use crate::support::services::{Layout, Stack};

on_every_stack!(
    a_lost_answer_is_given_again,
    reuse_after_the_successor_revokes_the_family,
    reuse_after_the_grace_revokes_the_family,
    the_database_holds_no_token,
    a_refresh_token_expires,
);

async fn refresh(stack: &Stack, token: &str) -> Option<String> {
    let answer = stack.users.post("/user/refresh/", json!({ "refresh_token": token })).await;
    if answer.status == 200 {
        return Some(text(&answer.json(), "refresh_token"));
    }
    answer.problem(401);
    None
}

async fn a_lost_answer_is_given_again(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let first = refresh(&stack, &ann.refresh).await.unwrap();
    for _ in 0..3 {
        assert_eq!(refresh(&stack, &ann.refresh).await.as_ref(), Some(&first));
    }
    let second = refresh(&stack, &first).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(refresh(&stack, &first).await, Some(second));
}

async fn reuse_after_the_successor_revokes_the_family(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let other = text(&stack.log_in("ann").await, "refresh_token");
    let first = refresh(&stack, &ann.refresh).await.unwrap();
    let second = refresh(&stack, &first).await.unwrap();
    assert_eq!(refresh(&stack, &ann.refresh).await, None, "the successor was used");
    assert_eq!(refresh(&stack, &second).await, None, "the family is revoked");
    assert_eq!(refresh(&stack, &first).await, None);
    let told = stack.logs().iter().any(|line| line.to_lowercase().contains("reuse"));
    assert!(told, "reuse is logged as an event");
    // The session ended with its access token; other sessions did not.
    stack.users.bearer(&ann.access).get("/user/").await.problem(401);
    assert!(refresh(&stack, &other).await.is_some());
}

/// Time passes by moving the rows back.
async fn age(stack: &Stack, seconds: i64) {
    let rows = stack.database.connect().await;
    for token in refresh_token::Entity::find().all(&rows).await.unwrap() {
        let (issued, expires) = (token.issued_at, token.expires_at);
        let mut token = token.into_active_model();
        token.issued_at = Set(issued - TimeDelta::seconds(seconds));
        token.expires_at = Set(expires - TimeDelta::seconds(seconds));
        token.update(&rows).await.unwrap();
    }
}

async fn reuse_after_the_grace_revokes_the_family(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let first = refresh(&stack, &ann.refresh).await.unwrap();
    age(&stack, 11).await;
    assert_eq!(refresh(&stack, &ann.refresh).await, None, "the grace is over");
    assert_eq!(refresh(&stack, &first).await, None, "the family is revoked");

    let token = text(&stack.log_in("ann").await, "refresh_token");
    age(&stack, 3600).await;
    let next = refresh(&stack, &token).await;
    assert!(next.is_some(), "a token that nobody used has no grace to lose");
}

async fn the_database_holds_no_token(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let next = refresh(&stack, &ann.refresh).await.unwrap();
    let rows = stack.database.connect().await;
    let rows = refresh_token::Entity::find().into_json().all(&rows).await.unwrap();
    let text = Value::from(rows).to_string();
    assert!(text.contains("expires_at"), "{text}");
    for token in [&ann.refresh, &next, &ann.access] {
        for part in token.split('.').skip(1) {
            assert!(!text.contains(part), "{text}");
        }
    }
}

async fn a_refresh_token_expires(layout: Layout) {
    let stack = layout.set("REFRESH_TTL", "1s").start().await;
    let ann = stack.member("ann").await;
    let expiry = crate::support::jwt::part(&ann.refresh, 1)["exp"].as_i64().unwrap();
    crate::support::wait::until("the token's last second has passed", async || {
        (chrono::Utc::now().timestamp() > expiry).then_some(())
    })
    .await;
    assert_eq!(refresh(&stack, &ann.refresh).await, None);
}

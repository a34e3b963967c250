//! Rotation of refresh tokens, and detection of reuse.

use chrono::TimeDelta;
use entity::{refresh_token, update_row};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};
use serde_json::Value;

use crate::support::fixtures::string_field;
use crate::support::jwt;
use crate::support::services::{Services, Topology};
use crate::support::wait;

on_every_topology!(
    retry_returns_same_tokens,
    reuse_after_successor_use_revokes_the_family,
    reuse_after_grace_period_revokes_the_family,
    database_contains_no_tokens,
    refresh_token_expires,
);

/// Returns the next refresh token, `None` if this one is rejected.
async fn refresh(services: &Services, token: &str) -> Option<String> {
    let response = services.users.post_refresh(token).await;
    if response.status == 200 {
        return Some(string_field(&response.json(), "refresh_token"));
    }
    response.problem(401);
    None
}

async fn retry_returns_same_tokens(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let first = refresh(&services, &ann.refresh_token).await.unwrap();
    for _ in 0..3 {
        assert_eq!(refresh(&services, &ann.refresh_token).await.as_ref(), Some(&first));
    }
    let second = refresh(&services, &first).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(refresh(&services, &first).await, Some(second));
}

async fn reuse_after_successor_use_revokes_the_family(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let other = string_field(&services.log_in("ann").await, "refresh_token");
    let first = refresh(&services, &ann.refresh_token).await.unwrap();
    let second = refresh(&services, &first).await.unwrap();
    assert_eq!(refresh(&services, &ann.refresh_token).await, None, "the successor was used");
    assert_eq!(refresh(&services, &second).await, None, "the family is revoked");
    assert_eq!(refresh(&services, &first).await, None);
    let is_logged = services.logs().iter().any(|line| line.to_lowercase().contains("reuse"));
    assert!(is_logged, "reuse is logged as an event");
    // The session and its access token have ended; other sessions have not.
    services.users.bearer(&ann.access_token).get_users().await.problem(401);
    assert!(refresh(&services, &other).await.is_some());
}

/// Moves the timestamps of all tokens into the past.
async fn age_tokens(services: &Services, seconds: i64) {
    let rows = services.database.connect().await;
    for token in refresh_token::Entity::find().all(&rows).await.unwrap() {
        let (issued, expires) = (token.issued_at, token.expires_at);
        let mut token = token.into_active_model();
        token.issued_at = Set(issued - TimeDelta::seconds(seconds));
        token.expires_at = Set(expires - TimeDelta::seconds(seconds));
        update_row(token, &rows).await.unwrap();
    }
}

async fn reuse_after_grace_period_revokes_the_family(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let first = refresh(&services, &ann.refresh_token).await.unwrap();
    age_tokens(&services, 11).await;
    assert_eq!(refresh(&services, &ann.refresh_token).await, None, "the grace period is over");
    assert_eq!(refresh(&services, &first).await, None, "the family is revoked");

    let token = string_field(&services.log_in("ann").await, "refresh_token");
    age_tokens(&services, 3600).await;
    let next = refresh(&services, &token).await;
    assert!(next.is_some(), "an unused token needs no grace period");
}

async fn database_contains_no_tokens(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let next = refresh(&services, &ann.refresh_token).await.unwrap();
    let rows = services.database.connect().await;
    let rows = refresh_token::Entity::find().into_json().all(&rows).await.unwrap();
    let text = Value::from(rows).to_string();
    assert!(text.contains("expires_at"), "{text}");
    for token in [&ann.refresh_token, &next, &ann.access_token] {
        for part in token.split('.').skip(1) {
            assert!(!text.contains(part), "{text}");
        }
    }
}

async fn refresh_token_expires(topology: Topology) {
    let services = topology.set("REFRESH_TTL", "1s").start().await;
    let ann = services.register_and_log_in("ann").await;
    let expiry = jwt::claims(&ann.refresh_token)["exp"].as_i64().unwrap();
    wait::until_true("the token has expired", async || chrono::Utc::now().timestamp() > expiry)
        .await;
    assert_eq!(refresh(&services, &ann.refresh_token).await, None);
}

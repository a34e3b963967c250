//! The end of an access token.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use entity::refresh_token::{Column, Entity};
use jsonwebtoken::Algorithm;
use sea_orm::sea_query::Expr;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;

use crate::support::fixtures::{TestUser, password_of, string_field};
use crate::support::jwt;
use crate::support::services::{Services, Topology};
use crate::support::wait;

on_every_topology!(
    access_token_expires,
    logout_ends_the_session,
    password_change_ends_every_session,
    user_deletion_ends_the_session,
    refresh_continues_the_session,
    session_ends_after_its_longest_life,
    one_session_too_many_ends_the_idlest,
    logout_does_not_depend_on_the_clock,
);

/// Returns the status of a route of `users-api` that requires a token.
async fn status(services: &Services, token: &str) -> u16 {
    services.users.bearer(token).get_users().await.status
}

/// Asserts that REST rejects a token, and returns whether GraphQL does.
async fn is_rejected(services: &Services, token: &str) -> bool {
    let response = services.users.bearer(token).get_users().await;
    response.problem(401);
    let body = json!({ "query": "{ me { id } }" });
    services.users.bearer(token).post("/graphql", body).await.status == 401
}

/// Returns the status of a route of `offers-api` that requires a token.
async fn offers_status(services: &Services, ann: &TestUser) -> u16 {
    services.offers.bearer(&ann.access_token).create_offer(ann.id, "chair", "old").await.status
}

async fn access_token_expires(topology: Topology) {
    let services = topology.set("SECURITY", "strict").set("ACCESS_TTL", "1s").start().await;
    services.register("ann").await;
    let session = services.log_in("ann").await;
    assert_eq!(session["expires_in"], 1);
    let ann = TestUser {
        id: session["user_id"].as_i64().unwrap(),
        password: password_of("ann"),
        access_token: string_field(&session, "access_token"),
        refresh_token: string_field(&session, "refresh_token"),
    };
    let claims = jwt::claims(&ann.access_token);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1);
    let timeout = Duration::from_secs(5);
    wait::until_timeout(timeout, "users-api sees the expiry", async || {
        (status(&services, &ann.access_token).await == 401).then_some(())
    })
    .await;
    wait::until_timeout(timeout, "offers-api sees the expiry", async || {
        (offers_status(&services, &ann).await == 401).then_some(())
    })
    .await;
    services.users.post_refresh(&ann.refresh_token).await.expect(200);
}

async fn logout_ends_the_session(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let other = string_field(&services.log_in("ann").await, "access_token");
    assert_eq!(status(&services, &ann.access_token).await, 200);
    services.users.post_logout(&ann.refresh_token).await.expect(204);
    assert!(is_rejected(&services, &ann.access_token).await);
    assert_eq!(status(&services, &other).await, 200);
}

async fn password_change_ends_every_session(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let other = string_field(&services.log_in("ann").await, "access_token");
    let bob = services.register_and_log_in("bob").await;
    let as_ann = services.users.bearer(&ann.access_token);
    as_ann.post_password(&ann.password, "a wholly new one").await.expect(204);
    assert!(is_rejected(&services, &ann.access_token).await);
    assert!(is_rejected(&services, &other).await);
    assert_eq!(status(&services, &bob.access_token).await, 200);
}

async fn user_deletion_ends_the_session(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    services.users.bearer(&ann.access_token).delete_user(ann.id).await.expect(204);
    assert!(is_rejected(&services, &ann.access_token).await);
    // offers-api may accept the token until it expires, but the user no longer exists.
    let status = offers_status(&services, &ann).await;
    assert!(matches!(status, 401 | 422), "{status}");
}

async fn refresh_continues_the_session(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let next = services.users.post_refresh(&ann.refresh_token).await.expect(200).json();
    let next_access = string_field(&next, "access_token");
    assert_eq!(jwt::claims(&next_access)["sid"], jwt::claims(&ann.access_token)["sid"]);
    assert_eq!(status(&services, &ann.access_token).await, 200);
    assert_eq!(status(&services, &next_access).await, 200);
    services.users.post_logout(&next["refresh_token"]).await.expect(204);
    assert!(is_rejected(&services, &ann.access_token).await);
    assert!(is_rejected(&services, &next_access).await);
}

async fn session_ends_after_its_longest_life(topology: Topology) {
    let services = topology.set("SESSION_TTL", "1h").start().await;
    let ann = services.register_and_log_in("ann").await;
    let rows = services.database.connect().await;
    let mut token = json!(ann.refresh_token);
    for (minutes, status) in [(59, 200), (61, 401)] {
        let opened_at = Utc::now() - TimeDelta::minutes(minutes);
        let age = Entity::update_many().col_expr(Column::OpenedAt, Expr::value(opened_at));
        age.exec(&rows).await.unwrap();
        let refreshed = services.users.post_refresh(&token).await.expect(status);
        if status == 200 {
            token = refreshed.json()["refresh_token"].clone();
        }
    }
    assert_eq!(Entity::find().count(&rows).await, Ok(0), "the session has ended");
    let logs = services.logs().join("\n");
    assert!(!logs.contains("authn_token_reuse"), "nothing was stolen: {logs}");
}

async fn one_session_too_many_ends_the_idlest(topology: Topology) {
    let services = topology.set("MAX_SESSIONS", "3").start().await;
    services.register("ann").await;
    services.register("bob").await;
    let bob = services.log_in("bob").await;
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(services.log_in("ann").await["refresh_token"].clone());
    }
    // The first login is not the idlest any more.
    let next = services.users.post_refresh(&tokens[0]).await.expect(200).json();
    tokens[0] = next["refresh_token"].clone();
    tokens.push(services.log_in("ann").await["refresh_token"].clone());
    for (token, status) in tokens.iter().zip([200, 401, 200, 200]) {
        services.users.post_refresh(token).await.expect(status);
    }
    services.users.post_refresh(&bob["refresh_token"]).await.expect(200);
}

/// A token from a time to come: the clock was set back.
async fn logout_does_not_depend_on_the_clock(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let header = jwt::header(&ann.refresh_token);
    let key = jwt::private_key(&services.keys_folder(), Algorithm::EdDSA);
    let mut claims = jwt::claims(&ann.refresh_token);
    for name in ["iat", "exp"] {
        claims[name] = json!(claims[name].as_i64().unwrap() + 3600);
    }
    let token = jwt::sign(&header, &claims, Algorithm::EdDSA, &key);
    services.users.post_refresh(&token).await.problem(401);
    services.users.post_logout(&token).await.expect(204);
    services.users.post_refresh(&ann.refresh_token).await.problem(401);
    services.users.bearer(&ann.access_token).get_users().await.problem(401);
}

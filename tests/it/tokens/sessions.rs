//! When an access token ends.

use std::time::Duration;

use serde_json::json;

use crate::support::fixtures::{Member, password_of, text};
use crate::support::jwt::part;
use crate::support::services::{Layout, Stack};
use crate::support::wait as poll;

on_every_stack!(
    an_access_token_expires,
    logout_ends_the_session,
    a_password_change_ends_every_session,
    a_deleted_user_has_no_session,
    a_session_goes_on_over_a_refresh,
);

/// The status that `users-api` gives to this token where one is needed.
async fn status(stack: &Stack, token: &str) -> u16 {
    stack.users.bearer(token).get("/user/").await.status
}

async fn ends(stack: &Stack, token: &str) -> bool {
    let answer = stack.users.bearer(token).get("/user/").await;
    answer.problem(401);
    let body = json!({ "query": "{ me { id } }" });
    stack.users.bearer(token).post("/graphql", body).await.status == 401
}

async fn offers_status(stack: &Stack, ann: &Member) -> u16 {
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    stack.offers.bearer(&ann.access).post("/offer/create/", body).await.status
}

async fn an_access_token_expires(layout: Layout) {
    let stack = layout.set("SECURITY", "strict").set("ACCESS_TTL", "1s").start().await;
    stack.register("ann").await;
    let session = stack.log_in("ann").await;
    assert_eq!(session["expires_in"], 1);
    let ann = Member {
        id: session["user_id"].as_i64().unwrap(),
        password: password_of("ann"),
        access: text(&session, "access_token"),
        refresh: text(&session, "refresh_token"),
    };
    let claims = part(&ann.access, 1);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 1);
    let limit = Duration::from_secs(5);
    poll::within(limit, "users-api sees the expiry", async || {
        (status(&stack, &ann.access).await == 401).then_some(())
    })
    .await;
    poll::within(limit, "offers-api sees the expiry", async || {
        (offers_status(&stack, &ann).await == 401).then_some(())
    })
    .await;
    let body = json!({ "refresh_token": ann.refresh });
    stack.users.post("/user/refresh/", body).await.expect(200);
}

async fn logout_ends_the_session(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let other = text(&stack.log_in("ann").await, "access_token");
    assert_eq!(status(&stack, &ann.access).await, 200);
    let body = json!({ "refresh_token": ann.refresh });
    stack.users.post("/user/logout/", body).await.expect(204);
    assert!(ends(&stack, &ann.access).await);
    assert_eq!(status(&stack, &other).await, 200);
}

async fn a_password_change_ends_every_session(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let other = text(&stack.log_in("ann").await, "access_token");
    let bob = stack.member("bob").await;
    let body = json!({ "old_password": ann.password, "new_password": "a wholly new one" });
    let own = stack.users.bearer(&ann.access);
    own.post("/user/password/", body).await.expect(204);
    assert!(ends(&stack, &ann.access).await);
    assert!(ends(&stack, &other).await);
    assert_eq!(status(&stack, &bob.access).await, 200);
}

async fn a_deleted_user_has_no_session(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    stack.users.bearer(&ann.access).delete(&ann.path()).await.expect(204);
    assert!(ends(&stack, &ann.access).await);
    // offers-api may take it until it expires, but there is nobody to offer for.
    let refused = offers_status(&stack, &ann).await;
    assert!(matches!(refused, 401 | 422), "{refused}");
}

async fn a_session_goes_on_over_a_refresh(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let body = json!({ "refresh_token": ann.refresh });
    let next = stack.users.post("/user/refresh/", body).await.expect(200).json();
    let next_access = text(&next, "access_token");
    assert_eq!(part(&next_access, 1)["sid"], part(&ann.access, 1)["sid"]);
    assert_eq!(status(&stack, &ann.access).await, 200);
    assert_eq!(status(&stack, &next_access).await, 200);
    let body = json!({ "refresh_token": next["refresh_token"] });
    stack.users.post("/user/logout/", body).await.expect(204);
    assert!(ends(&stack, &ann.access).await);
    assert!(ends(&stack, &next_access).await);
}

//! `POST /user/refresh/`. Rotation and reuse are tested in `tokens/rotation.rs`.

use reqwest::header;
use serde_json::json;

use crate::support::fixtures::{sorted_keys, string_field};
use crate::support::services::Topology;

on_every_topology!(
    returns_a_new_token_pair,
    rejects_invalid_refresh_token,
    reports_invalid_field,
    rejects_other_methods,
);

async fn returns_a_new_token_pair(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let response = services.users.post_refresh(&ann.refresh_token).await.expect(200);
    assert_eq!(response.header(header::CACHE_CONTROL), Some("no-store"));
    let session = response.json();
    assert_eq!(
        sorted_keys(&session),
        ["access_token", "expires_in", "refresh_token", "token_type", "user_id"]
    );
    assert_eq!(session["user_id"], ann.id);
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["expires_in"], 600);
    assert_ne!(string_field(&session, "refresh_token"), ann.refresh_token);
    assert_ne!(string_field(&session, "access_token"), ann.access_token);
    services.users.post_refresh(&session["refresh_token"]).await.expect(200);
}

async fn rejects_invalid_refresh_token(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    for token in ["", "garbage", "a.b.c", "\u{0}", &ann.access_token] {
        services.users.post_refresh(token).await.problem(401);
    }
}

async fn reports_invalid_field(topology: Topology) {
    let services = topology.start_open().await;
    for body in [json!({}), json!({ "refresh_token": 1 }), json!({ "refresh_token": null })] {
        let problem = services.users.post("/user/refresh/", body).await.problem(422);
        problem.assert_pointers(&["/refresh_token"]);
    }
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    let response = services.users.get("/user/refresh/").await;
    response.problem(405);
    assert_eq!(response.header(header::ALLOW), Some("POST"));
}

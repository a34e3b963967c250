//! `POST /user/logout/` and `POST /user/password/`.

use reqwest::header;
use serde_json::json;

use crate::support::fixtures::password_of;
use crate::support::services::Topology;

on_every_topology!(
    logout_is_idempotent,
    logout_accepts_invalid_tokens,
    logout_reports_missing_token,
    changes_a_password,
    password_change_requires_token_and_old_password,
    password_change_reports_every_invalid_field,
    rejects_other_methods,
);

async fn logout_is_idempotent(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let other = services.log_in("ann").await;
    for _ in 0..2 {
        let response = services.users.post_logout(&ann.refresh_token).await.expect(204);
        assert!(response.body.is_empty(), "{response:?}");
    }
    services.users.post_refresh(&ann.refresh_token).await.problem(401);
    // Another session of the same user is still active.
    services.users.post_refresh(&other["refresh_token"]).await.expect(200);
}

/// As in RFC 7009: the response does not reveal whether a token is valid.
async fn logout_accepts_invalid_tokens(topology: Topology) {
    let services = topology.start_open().await;
    for token in ["", "garbage", "a.b.c"] {
        services.users.post_logout(token).await.expect(204);
    }
}

async fn logout_reports_missing_token(topology: Topology) {
    let services = topology.start_open().await;
    let problem = services.users.post("/user/logout/", json!({})).await.problem(422);
    problem.assert_pointers(&["/refresh_token"]);
}

async fn changes_a_password(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let other = services.log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let as_ann = services.users.bearer(&ann.access_token);
    let response = as_ann.post_password(&ann.password, "a wholly new one").await.expect(204);
    assert!(response.body.is_empty(), "{response:?}");

    for token in [json!(ann.refresh_token), other["refresh_token"].clone()] {
        services.users.post_refresh(token).await.problem(401);
    }
    services.users.post_refresh(&bob.refresh_token).await.expect(200);
    services.users.post_login("ann", password_of("ann")).await.problem(401);
    services.users.post_login("ann", "a wholly new one").await.expect(200);
}

async fn password_change_requires_token_and_old_password(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let new = "a wholly new one";
    services.users.post_password(&ann.password, new).await.problem(401);
    for token in ["garbage", &ann.refresh_token] {
        services.users.bearer(token).post_password(&ann.password, new).await.problem(401);
    }
    let as_ann = services.users.bearer(&ann.access_token);
    as_ann.post_password("wrong", new).await.problem(401);
    services.log_in("ann").await;
}

async fn password_change_reports_every_invalid_field(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let as_ann = services.users.bearer(&ann.access_token);
    for (body, pointers) in [
        (json!({}), &["/old_password", "/new_password"][..]),
        (json!({ "old_password": ann.password }), &["/new_password"]),
        (json!({ "old_password": ann.password, "new_password": "" }), &["/new_password"]),
        (
            json!({ "old_password": ann.password, "new_password": "x".repeat(1025) }),
            &["/new_password"],
        ),
        (json!({ "old_password": 1, "new_password": "a new one" }), &["/old_password"]),
    ] {
        let problem = as_ann.post("/user/password/", body).await.problem(422);
        problem.assert_pointers(pointers);
    }
    services.log_in("ann").await;
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    for path in ["/user/logout/", "/user/password/"] {
        let response = services.users.get(path).await;
        response.problem(405);
        assert_eq!(response.header(header::ALLOW), Some("POST"));
    }
}

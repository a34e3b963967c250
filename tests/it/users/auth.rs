//! `POST /user/auth/`.

use std::time::{Duration, Instant};

use reqwest::header;
use serde_json::json;

use crate::support::client::HttpResponse;
use crate::support::fixtures::{password_of, sorted_keys, string_field};
use crate::support::services::Topology;

on_every_topology!(
    returns_a_token_pair,
    username_is_case_insensitive,
    failures_are_indistinguishable,
    failures_take_similar_time,
    reports_every_invalid_field,
    rejects_other_methods,
);

async fn returns_a_token_pair(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    let response = services.users.post_login("ann", password_of("ann")).await.expect(200);
    assert_eq!(response.header(header::CACHE_CONTROL), Some("no-store"));
    let session = response.json();
    assert_eq!(
        sorted_keys(&session),
        ["access_token", "expires_in", "refresh_token", "token_type", "user_id"]
    );
    assert_eq!(session["user_id"], user["id"]);
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["expires_in"], 600);
    for name in ["access_token", "refresh_token"] {
        assert_eq!(string_field(&session, name).split('.').count(), 3, "a JWT");
    }
    assert_ne!(session["access_token"], session["refresh_token"]);
}

async fn username_is_case_insensitive(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("Ёжик").await;
    let session = services.users.post_login("ёжИК", password_of("Ёжик")).await.expect(200).json();
    assert_eq!(session["user_id"], user["id"]);
}

async fn failures_are_indistinguishable(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    let mut problems = Vec::new();
    for (username, password) in [("ann", "wrong"), ("nobody", "wrong"), ("ann", ""), ("", "")] {
        let response = services.users.post_login(username, password).await;
        response.problem(401);
        problems.push(response.parse());
    }
    for problem in &problems {
        assert_eq!(problem, &problems[0]);
    }
}

/// A coarse check, which detects a skipped password hash.
async fn failures_take_similar_time(topology: Topology) {
    async fn time_of_failure(response: impl Future<Output = HttpResponse>) -> Duration {
        let start = Instant::now();
        response.await.problem(401);
        start.elapsed()
    }
    let services = topology.start_open().await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..5 {
        let name = format!("ann-{number}");
        services.register(&name).await;
        known.push(time_of_failure(services.users.post_login(&name, "wrong")).await);
        let name = format!("nobody-{number}");
        unknown.push(time_of_failure(services.users.post_login(&name, "wrong")).await);
    }
    known.sort();
    unknown.sort();
    let (known, unknown) = (known[2], unknown[2]);
    assert!(unknown * 3 > known && known * 3 > unknown, "known {known:?}, unknown {unknown:?}");
}

async fn reports_every_invalid_field(topology: Topology) {
    let services = topology.start_open().await;
    for (body, pointers) in [
        (json!({}), &["/username", "/password"][..]),
        (json!({ "username": "ann" }), &["/password"]),
        (json!({ "username": 1, "password": "p" }), &["/username"]),
        (json!({ "username": "ann", "password": null }), &["/password"]),
    ] {
        let problem = services.users.post("/user/auth/", body).await.problem(422);
        problem.assert_pointers(pointers);
    }
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    let response = services.users.get("/user/auth/").await;
    response.problem(405);
    assert_eq!(response.header(header::ALLOW), Some("POST"));
}

//! `POST /user/auth/`.

use std::time::{Duration, Instant};

use reqwest::header;
use serde_json::json;

use crate::support::client::Answer;
use crate::support::fixtures::{fields, password_of, text};
use crate::support::services::Layout;

on_every_stack!(
    gives_a_pair_of_tokens,
    finds_the_user_regardless_of_case,
    refuses_alike,
    refuses_in_the_same_time,
    names_missing_and_wrong_fields,
    takes_post_alone,
);

async fn gives_a_pair_of_tokens(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await;
    let body = json!({ "username": "ann", "password": password_of("ann") });
    let answer = stack.users.post("/user/auth/", body).await.expect(200);
    assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    let session = answer.json();
    assert_eq!(
        fields(&session),
        ["access_token", "expires_in", "refresh_token", "token_type", "user_id"]
    );
    assert_eq!(session["user_id"], user["id"]);
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["expires_in"], 600);
    for name in ["access_token", "refresh_token"] {
        assert_eq!(text(&session, name).split('.').count(), 3, "a JWT");
    }
    assert_ne!(session["access_token"], session["refresh_token"]);
}

async fn finds_the_user_regardless_of_case(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("Ёжик").await;
    let body = json!({ "username": "ёжИК", "password": password_of("Ёжик") });
    let session = stack.users.post("/user/auth/", body).await.expect(200).json();
    assert_eq!(session["user_id"], user["id"]);
}

async fn refuses_alike(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    let mut problems = Vec::new();
    for (username, password) in [("ann", "wrong"), ("nobody", "wrong"), ("ann", ""), ("", "")] {
        let body = json!({ "username": username, "password": password });
        let answer = stack.users.post("/user/auth/", body).await;
        answer.problem(401);
        problems.push(answer.parse());
    }
    for problem in &problems {
        assert_eq!(problem, &problems[0]);
    }
}

/// A rough look, which finds a hash that is left out.
async fn refuses_in_the_same_time(layout: Layout) {
    async fn time(answer: impl Future<Output = Answer>) -> Duration {
        let start = Instant::now();
        answer.await.problem(401);
        start.elapsed()
    }
    let stack = layout.spec().await;
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..5 {
        let name = format!("ann-{number}");
        stack.register(&name).await;
        let body = json!({ "username": name, "password": "wrong" });
        known.push(time(stack.users.post("/user/auth/", body)).await);
        let body = json!({ "username": format!("nobody-{number}"), "password": "wrong" });
        unknown.push(time(stack.users.post("/user/auth/", body)).await);
    }
    known.sort();
    unknown.sort();
    let (known, unknown) = (known[2], unknown[2]);
    assert!(unknown * 3 > known && known * 3 > unknown, "known {known:?}, unknown {unknown:?}");
}

async fn names_missing_and_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    for (body, pointers) in [
        (json!({}), &["/username", "/password"][..]),
        (json!({ "username": "ann" }), &["/password"]),
        (json!({ "username": 1, "password": "p" }), &["/username"]),
        (json!({ "username": "ann", "password": null }), &["/password"]),
    ] {
        let problem = stack.users.post("/user/auth/", body).await.problem(422);
        problem.points_at(pointers);
    }
}

async fn takes_post_alone(layout: Layout) {
    let stack = layout.spec().await;
    let answer = stack.users.get("/user/auth/").await;
    answer.problem(405);
    assert_eq!(answer.header(header::ALLOW), Some("POST"));
}

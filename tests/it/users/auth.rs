//! `POST /user/auth/`.

use std::time::{Duration, Instant};

use entity::{insert_row, user};
use reqwest::header;
use sea_orm::ActiveModelTrait;
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::{EntityTrait, IntoActiveModel};
use serde_json::json;

use crate::support::client::HttpResponse;
use crate::support::fixtures::{password_of, sorted_keys, string_field};
use crate::support::services::Topology;

on_every_topology!(
    returns_a_token_pair,
    username_is_found_in_any_case_and_form,
    users_from_before_a_rule_keep_their_names,
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

async fn username_is_found_in_any_case_and_form(topology: Topology) {
    let services = topology.start_open().await;
    for (name, other) in
        [("Ёжик", "ёжИК"), ("straße", "STRAẞE"), ("\u{e9}ve", "E\u{301}ve"), ("ann", "ＡＮＮ")]
    {
        let user = services.register(name).await;
        let session = services.users.post_login(other, password_of(name)).await.expect(200).json();
        assert_eq!(session["user_id"], user["id"]);
        let found = services.users.get_user(other).await.expect(200).json();
        assert_eq!(found["id"], user["id"]);
    }
}

/// As after the migration: two usernames that are the same by now, and some that are not valid.
async fn users_from_before_a_rule_keep_their_names(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register("ann").await;
    let rows = services.database.connect().await;
    let row = user::Entity::find().one(&rows).await.unwrap().unwrap();
    for (username, key) in
        [("ａｎｎ", "ａｎｎ"), ("1", "1"), ("auth", "auth"), ("a\u{200b}", "a\u{200b}")]
    {
        let row = user::ActiveModel {
            id: NotSet,
            username: Set(username.to_owned()),
            username_key: Set(key.to_owned()),
            email: Set(None),
            email_key: Set(None),
            ..row.clone().into_active_model()
        };
        let old = insert_row(row.reset_all(), &rows).await.unwrap();
        for name in [username.to_owned(), username.to_uppercase()] {
            let session = services.users.post_login(&name, password_of("ann")).await.expect(200);
            assert_eq!(session.json()["user_id"], old.id, "{name:?}");
            let query = "query($name: String!) { user(username: $name) { id username } }";
            let found = services.users.graphql(query, json!({ "name": name })).await.data();
            assert_eq!(found["user"]["id"], old.id.to_string(), "{name:?}");
            assert_eq!(found["user"]["username"], username);
        }
    }
    let session = services.users.post_login("ANN", password_of("ann")).await.expect(200).json();
    assert_eq!(session["user_id"], ann["id"]);
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

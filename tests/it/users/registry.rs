//! `POST /user/registry/`.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::Answer;
use crate::support::fixtures::{self as story, assert_recent, fields, registration};
use crate::support::services::Layout;

on_every_stack!(
    makes_a_user,
    refuses_a_taken_username,
    refuses_a_taken_email,
    names_missing_and_wrong_fields,
    refuses_what_is_no_object,
    ignores_unknown_fields,
    takes_post_alone,
);

async fn makes_a_user(layout: Layout) {
    let stack = layout.spec().await;
    let answer = stack.users.post("/user/registry/", registration("Ann")).await;
    let answer = answer.expect(201);
    let user = answer.json();
    assert_eq!(fields(&user), ["created_at", "email", "id", "username"]);
    assert!(user["id"].as_i64().unwrap() > 0, "{user}");
    assert_eq!(user["username"], "Ann");
    assert_eq!(user["email"], story::email_of("Ann"));
    assert_recent(&user["created_at"]);
    let place = answer.header(header::LOCATION).unwrap();
    assert_eq!(place, format!("/user/{}/", user["id"]));
    let found = stack.users.get(place).await.expect(200).json();
    assert_eq!(found["username"], "Ann");
    assert_eq!(found["created_at"], user["created_at"]);
}

async fn refuses_a_taken_username(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("Ёжик").await;
    for name in ["Ёжик", "ёЖИК"] {
        let mut body = registration("other");
        body["username"] = json!(name);
        let problem = stack.users.post("/user/registry/", body).await.problem(409);
        assert_eq!(problem.code, "USERNAME_TAKEN");
    }
    // A refused name leaves its email free.
    stack.register("other").await;
}

async fn refuses_a_taken_email(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    for email in ["ann@example.org", "ANN@Example.ORG"] {
        let mut body = registration("other");
        body["email"] = json!(email);
        let problem = stack.users.post("/user/registry/", body).await.problem(409);
        assert_eq!(problem.code, "EMAIL_TAKEN");
    }
    // A refused email leaves its name free.
    stack.register("other").await;
}

async fn names_missing_and_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    let all = ["/username", "/password", "/email"];
    for body in [
        json!({}),
        json!({ "username": null, "password": null, "email": null }),
        json!({ "username": 1, "password": true, "email": ["a@example.org"] }),
        json!({ "username": "", "password": "", "email": "" }),
        json!({ "username": "a b", "password": "x".repeat(1025), "email": "a b@example.org" }),
    ] {
        let problem = stack.users.post("/user/registry/", body).await.problem(422);
        problem.points_at(&all);
    }
    let mut body = registration("ann");
    body["email"] = json!("nobody");
    let problem = stack.users.post("/user/registry/", body).await.problem(422);
    problem.points_at(&["/email"]);
}

async fn refuses_what_is_no_object(layout: Layout) {
    let stack = layout.spec().await;
    for body in ["", "{", "nothing", "[]", "\"ann\"", "1", "null", r#"{"username":"\ud800"}"#] {
        let request = stack.users.request(Method::POST, "/user/registry/");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        Answer::to(request.body(body)).await.problem(400);
    }
}

async fn ignores_unknown_fields(layout: Layout) {
    let stack = layout.spec().await;
    let mut body = registration("ann");
    body["id"] = json!(77);
    body["admin"] = json!({ "very": ["much"] });
    let user = stack.users.post("/user/registry/", body).await.expect(201).json();
    assert_eq!(fields(&user), ["created_at", "email", "id", "username"]);
    assert_ne!(user["id"], 77);
}

async fn takes_post_alone(layout: Layout) {
    let stack = layout.spec().await;
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = stack.users.request(method, "/user/registry/");
        let answer = Answer::to(request).await;
        answer.problem(405);
        assert_eq!(answer.header(header::ALLOW), Some("POST"));
    }
}

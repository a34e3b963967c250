//! `POST /user/`.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::fixtures::fields;
use crate::support::services::Layout;

on_every_stack!(
    makes_a_user,
    refuses_what_is_taken,
    names_missing_and_wrong_fields,
    takes_its_methods_alone,
);

async fn makes_a_user(layout: Layout) {
    let stack = layout.spec().await;
    for (body, name, email) in [
        (json!({ "username": "ann", "password": "p" }), "ann", Value::Null),
        (json!({ "login": "bob", "password": "p" }), "bob", Value::Null),
        (
            json!({ "login": "carl", "password": "p", "email": "carl@example.org" }),
            "carl",
            json!("carl@example.org"),
        ),
        (json!({ "username": "dora", "password": "p", "email": null }), "dora", Value::Null),
    ] {
        let answer = stack.users.post("/user/", body).await.expect(201);
        let user = answer.json();
        assert_eq!(fields(&user), ["created_at", "email", "id", "username"]);
        assert_eq!(user["username"], name);
        assert_eq!(user["email"], email);
        let place = answer.header(header::LOCATION).unwrap();
        assert_eq!(place, format!("/user/{}/", user["id"]));
        let login = json!({ "username": name, "password": "p" });
        stack.users.post("/user/auth/", login).await.expect(200);
    }
}

async fn refuses_what_is_taken(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    let body = json!({ "login": "ANN", "password": "p", "email": "bob@example.org" });
    let problem = stack.users.post("/user/", body).await.problem(409);
    assert_eq!(problem.code, "USERNAME_TAKEN");
    let body = json!({ "login": "bob", "password": "p", "email": "Ann@example.org" });
    let problem = stack.users.post("/user/", body).await.problem(409);
    assert_eq!(problem.code, "EMAIL_TAKEN");
}

async fn names_missing_and_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    for (body, pointers) in [
        (json!({}), &["/username", "/password"][..]),
        (json!({ "username": "ann" }), &["/password"]),
        (json!({ "password": "p" }), &["/username"]),
        (json!({ "username": "ann", "password": "p", "email": "x" }), &["/email"]),
        (json!({ "username": "ann", "password": "p", "email": 1 }), &["/email"]),
    ] {
        let problem = stack.users.post("/user/", body).await.problem(422);
        problem.points_at(pointers);
    }
    let users = stack.users.get("/user/").await.expect(200);
    assert_eq!(users.json(), json!([]));
}

async fn takes_its_methods_alone(layout: Layout) {
    let stack = layout.spec().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = Answer::to(stack.users.request(method, "/user/")).await;
        answer.problem(405);
        let allow = answer.header(header::ALLOW).unwrap();
        let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods, ["GET", "HEAD", "POST"]);
    }
}

//! `POST /user/`.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::send;
use crate::support::fixtures::sorted_keys;
use crate::support::services::Topology;

on_every_topology!(
    creates_a_user,
    rejects_taken_names,
    reports_every_invalid_field,
    rejects_other_methods,
);

async fn creates_a_user(topology: Topology) {
    let services = topology.start_open().await;
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
        let response = services.users.post_user(body).await.expect(201);
        let user = response.json();
        assert_eq!(sorted_keys(&user), ["created_at", "email", "id", "username"]);
        assert_eq!(user["username"], name);
        assert_eq!(user["email"], email);
        let location = response.header(header::LOCATION).unwrap();
        assert_eq!(location, format!("/user/{}/", user["id"]));
        services.users.post_login(name, "p").await.expect(200);
    }
}

async fn rejects_taken_names(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    let body = json!({ "login": "ANN", "password": "p", "email": "bob@example.org" });
    let problem = services.users.post_user(body).await.problem(409);
    assert_eq!(problem.code, "USERNAME_TAKEN");
    let body = json!({ "login": "bob", "password": "p", "email": "Ann@example.org" });
    let problem = services.users.post_user(body).await.problem(409);
    assert_eq!(problem.code, "EMAIL_TAKEN");
}

async fn reports_every_invalid_field(topology: Topology) {
    let services = topology.start_open().await;
    for (body, pointers) in [
        (json!({}), &["/username", "/password"][..]),
        (json!({ "username": "ann" }), &["/password"]),
        (json!({ "password": "p" }), &["/username"]),
        (json!({ "username": "ann", "password": "p", "email": "x" }), &["/email"]),
        (json!({ "username": "ann", "password": "p", "email": 1 }), &["/email"]),
    ] {
        let problem = services.users.post_user(body).await.problem(422);
        problem.assert_pointers(pointers);
    }
    let users = services.users.get_users().await.expect(200);
    assert_eq!(users.json(), json!([]));
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let response = send(services.users.request(method, "/user/")).await;
        response.problem(405);
        let allow = response.header(header::ALLOW).unwrap();
        let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods, ["GET", "HEAD", "POST"]);
    }
}

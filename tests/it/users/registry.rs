//! `POST /user/registry/`.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::send;
use crate::support::fixtures::{
    assert_recent, email_of, registration, registration_with, sorted_keys,
};
use crate::support::services::Topology;

on_every_topology!(
    creates_a_user,
    rejects_taken_username,
    rejects_taken_email,
    reports_every_invalid_field,
    rejects_non_object_body,
    ignores_unknown_fields,
    rejects_other_methods,
);

async fn creates_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let response = services.users.post_registration(registration("Ann")).await.expect(201);
    let user = response.json();
    assert_eq!(sorted_keys(&user), ["created_at", "email", "id", "username"]);
    assert!(user["id"].as_i64().unwrap() > 0, "{user}");
    assert_eq!(user["username"], "Ann");
    assert_eq!(user["email"], email_of("Ann"));
    assert_recent(&user["created_at"]);
    let location = response.header(header::LOCATION).unwrap();
    assert_eq!(location, format!("/user/{}/", user["id"]));
    let found = services.users.get(location).await.expect(200).json();
    assert_eq!(found["username"], "Ann");
    assert_eq!(found["created_at"], user["created_at"]);
}

async fn rejects_taken_username(topology: Topology) {
    let services = topology.start_open().await;
    services.register("Ёжик").await;
    services.register("Straße").await;
    services.register("\u{e9}ve").await;
    for name in ["Ёжик", "ёЖИК", "STRASSE", "STRAẞE", "E\u{301}VE", "ｓｔｒａßｅ"] {
        let body = registration_with("other", "username", name);
        let problem = services.users.post_registration(body).await.problem(409);
        assert_eq!(problem.code, "USERNAME_TAKEN", "{name}");
    }
    // The email of a rejected registration is still available.
    services.register("other").await;
}

async fn rejects_taken_email(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    for email in ["ann@example.org", "ANN@Example.ORG"] {
        let body = registration_with("other", "email", email);
        let problem = services.users.post_registration(body).await.problem(409);
        assert_eq!(problem.code, "EMAIL_TAKEN");
    }
    // The username of a rejected registration is still available.
    services.register("other").await;
}

async fn reports_every_invalid_field(topology: Topology) {
    let services = topology.start_open().await;
    let all = ["/username", "/password", "/email"];
    for body in [
        json!({}),
        json!({ "username": null, "password": null, "email": null }),
        json!({ "username": 1, "password": true, "email": ["a@example.org"] }),
        json!({ "username": "", "password": "", "email": "" }),
        json!({ "username": "a b", "password": "x".repeat(1025), "email": "a b@example.org" }),
    ] {
        let problem = services.users.post_registration(body).await.problem(422);
        problem.assert_pointers(&all);
    }
    let body = registration_with("ann", "email", "nobody");
    let problem = services.users.post_registration(body).await.problem(422);
    problem.assert_pointers(&["/email"]);
}

async fn rejects_non_object_body(topology: Topology) {
    let services = topology.start_open().await;
    for body in ["", "{", "nothing", "[]", "\"ann\"", "1", "null", r#"{"username":"\ud800"}"#] {
        let request = services.users.request(Method::POST, "/user/registry/");
        let request = request.header(header::CONTENT_TYPE, "application/json");
        send(request.body(body)).await.problem(400);
    }
}

async fn ignores_unknown_fields(topology: Topology) {
    let services = topology.start_open().await;
    let mut body = registration_with("ann", "id", 77);
    body["admin"] = json!({ "very": ["much"] });
    let user = services.users.post_registration(body).await.expect(201).json();
    assert_eq!(sorted_keys(&user), ["created_at", "email", "id", "username"]);
    assert_ne!(user["id"], 77);
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let response = send(services.users.request(method, "/user/registry/")).await;
        response.problem(405);
        assert_eq!(response.header(header::ALLOW), Some("POST"));
    }
}

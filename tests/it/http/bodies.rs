//! Media types and sizes of what is sent.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::fixtures::registration;
use crate::support::services::{Layout, Stack};

on_every_stack!(
    a_missing_type_is_taken_as_json,
    json_may_say_more_of_itself,
    another_type_is_415,
    a_large_body_is_413,
);

/// Every route that takes a body.
const ROUTES: [(&str, &str); 9] = [
    ("POST", "/user/registry/"),
    ("POST", "/user/auth/"),
    ("POST", "/user/refresh/"),
    ("POST", "/user/logout/"),
    ("POST", "/user/password/"),
    ("POST", "/user/"),
    ("PATCH", "/user/ann/"),
    ("POST", "/offer/create/"),
    ("POST", "/offer/"),
];

fn request(stack: &Stack, (method, path): (&str, &str)) -> reqwest::RequestBuilder {
    let api = if path.starts_with("/offer") { &stack.offers } else { &stack.users };
    api.request(Method::from_bytes(method.as_bytes()).unwrap(), path)
}

async fn a_missing_type_is_taken_as_json(layout: Layout) {
    let stack = layout.spec().await;
    let body = registration("ann").to_string();
    let answer = Answer::to(request(&stack, ROUTES[0]).body(body)).await;
    let user = answer.expect(201).json();
    let body = json!({ "user_id": user["id"] }).to_string();
    let answer = Answer::to(request(&stack, ROUTES[8]).body(body)).await;
    assert_eq!(answer.expect(200).json(), json!([]));
    // Each route reads it, and finds fields missing or nothing to change.
    for route in ROUTES {
        let answer = Answer::to(request(&stack, route).body("{}")).await;
        let expected: &[u16] = match route {
            ("PATCH", _) => &[200],
            (_, "/user/password/") => &[401, 422],
            _ => &[422],
        };
        assert!(expected.contains(&answer.status), "{route:?}: {answer:?}");
    }
}

async fn json_may_say_more_of_itself(layout: Layout) {
    let stack = layout.spec().await;
    for (number, value) in
        ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
            .into_iter()
            .enumerate()
    {
        let body = registration(&format!("ann{number}")).to_string();
        let request = request(&stack, ROUTES[0]).header(header::CONTENT_TYPE, value);
        Answer::to(request.body(body)).await.expect(201);
    }
}

async fn another_type_is_415(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    for route in ROUTES {
        for value in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"]
        {
            let request = request(&stack, route).header(header::CONTENT_TYPE, value);
            let answer = Answer::to(request.bearer_auth(&ann.access).body("{}")).await;
            answer.problem(415);
        }
    }
}

async fn a_large_body_is_413(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let limit = 256 * 1024;
    let of_size = |size: usize| {
        let frame = json!({ "padding": "" }).to_string().len();
        let body: Value = json!({ "padding": "x".repeat(size - frame) });
        body.to_string()
    };
    for route in ROUTES {
        let fitting = request(&stack, route).header(header::CONTENT_TYPE, "application/json");
        let answer = Answer::to(fitting.bearer_auth(&ann.access).body(of_size(limit))).await;
        assert!(matches!(answer.status, 200 | 422), "{route:?}: {answer:?}");

        let large = request(&stack, route).header(header::CONTENT_TYPE, "application/json");
        let answer = Answer::to(large.bearer_auth(&ann.access).body(of_size(limit + 1))).await;
        answer.problem(413);
    }
}

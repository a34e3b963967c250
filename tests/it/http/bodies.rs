//! Media types and sizes of request bodies.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::send;
use crate::support::fixtures::registration;
use crate::support::services::{Services, Topology};

on_every_topology!(
    missing_content_type_means_json,
    json_content_type_may_have_parameters,
    other_content_type_is_415,
    content_encoding_is_415,
    large_body_is_413,
);

/// Every route with a request body.
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

fn request(services: &Services, (method, path): (&str, &str)) -> reqwest::RequestBuilder {
    let api = if path.starts_with("/offer") { &services.offers } else { &services.users };
    api.request(Method::from_bytes(method.as_bytes()).unwrap(), path)
}

async fn missing_content_type_means_json(topology: Topology) {
    let services = topology.start_open().await;
    let body = registration("ann").to_string();
    let response = send(request(&services, ROUTES[0]).body(body)).await;
    let user = response.expect(201).json();
    let body = json!({ "user_id": user["id"] }).to_string();
    let response = send(request(&services, ROUTES[8]).body(body)).await;
    assert_eq!(response.expect(200).json(), json!([]));
    // Every route parses the body, and reports missing fields or changes nothing.
    for route in ROUTES {
        let response = send(request(&services, route).body("{}")).await;
        let expected: &[u16] = match route {
            ("PATCH", _) => &[200],
            (_, "/user/password/") => &[401, 422],
            _ => &[422],
        };
        assert!(expected.contains(&response.status), "{route:?}: {response:?}");
    }
}

async fn json_content_type_may_have_parameters(topology: Topology) {
    let services = topology.start_open().await;
    for (number, value) in
        ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
            .into_iter()
            .enumerate()
    {
        let body = registration(&format!("ann{number}")).to_string();
        let request = request(&services, ROUTES[0]).header(header::CONTENT_TYPE, value);
        send(request.body(body)).await.expect(201);
    }
}

async fn other_content_type_is_415(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    for route in ROUTES {
        for value in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
            "json",
            "application/json; charset=utf-16",
            "application/json;charset=latin1",
        ] {
            let request = request(&services, route).header(header::CONTENT_TYPE, value);
            let response = send(request.bearer_auth(&ann.access_token).body("{}")).await;
            response.problem(415);
        }
    }
}

async fn content_encoding_is_415(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    for route in ROUTES {
        for coding in ["gzip", "br", "nonsense"] {
            let request = request(&services, route).header(header::CONTENT_ENCODING, coding);
            let response = send(request.bearer_auth(&ann.access_token).body("{}")).await;
            assert_eq!(response.problem(415).code, "UNSUPPORTED_MEDIA_TYPE", "{route:?}");
        }
    }
}

async fn large_body_is_413(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let limit = 256 * 1024;
    let of_size = |size: usize| {
        let frame = json!({ "padding": "" }).to_string().len();
        let body: Value = json!({ "padding": "x".repeat(size - frame) });
        body.to_string()
    };
    for route in ROUTES {
        let fitting = request(&services, route).header(header::CONTENT_TYPE, "application/json");
        let response = send(fitting.bearer_auth(&ann.access_token).body(of_size(limit))).await;
        assert!(matches!(response.status, 200 | 422), "{route:?}: {response:?}");

        let large = request(&services, route).header(header::CONTENT_TYPE, "application/json");
        let response = send(large.bearer_auth(&ann.access_token).body(of_size(limit + 1))).await;
        response.problem(413);
    }
}

//! Errors reveal no internals, and unusual requests cause no 5xx.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::send;
use crate::support::fixtures::registration;
use crate::support::services::Topology;
use crate::support::wait;

on_every_topology!(unusual_requests_are_not_5xx, deep_nesting_is_not_5xx);

on_postgres!(lost_database_is_503);

async fn lost_database_is_503(topology: Topology) {
    let mut services = topology.builder().proxy_database().start().await;
    services.register("ann").await;
    services.disconnect().await;
    let responses = [
        services.users.get_user("ann").await,
        services.users.post_registration(registration("bob")).await,
        services.offers.find_offers_of(1).await,
    ];
    for response in responses {
        response.problem(503);
        let text = response.text().to_lowercase();
        for internal in ["sqlx", "postgres", "backtrace", "connection", "pool", ".rs", "test_"] {
            assert!(!text.contains(internal), "{text}");
        }
    }
    services.connect();
    wait::until_true("users-api has its database again", async || {
        services.users.get_user("ann").await.status == 200
    })
    .await;
}

async fn unusual_requests_are_not_5xx(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        for (method, path, body) in [
            ("GET", "/user/%", ""),
            ("GET", "/user/..%2f..%2fetc%2fpasswd/", ""),
            ("GET", "/user/?limit=%FF", ""),
            ("POST", "/user/", "\u{feff}{}"),
            ("POST", "/offer/", r#"{"user_id":1,"user_id":"x"}"#),
            ("POST", "/offer/", r#"{"user_id":1e400}"#),
            ("POST", "/graphql", "{\"query\":\"{ a\u{0} }\"}"),
            ("POST", "/graphql", r#"{"query":{}}"#),
            ("POST", "/graphql", r#"{"query":"{ __typename }","variables":[]}"#),
            ("GET", "/graphql?query=%7B", ""),
            ("GET", "/graphql?query=%7B__typename%7D&variables=%7B", ""),
            ("BREW", "/user/", ""),
            ("TRACE", "/", ""),
        ] {
            let request = api.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
            let request = request.header(header::CONTENT_TYPE, "application/json");
            let response = send(request.body(body)).await;
            assert!(response.status < 500, "{method} {path}: {response:?}");
        }
    }
}

async fn deep_nesting_is_not_5xx(topology: Topology) {
    let services = topology.start_open().await;
    let deep = "[".repeat(100_000);
    for (api, path) in [(&services.users, "/user/"), (&services.offers, "/offer/")] {
        let request = api.request(Method::POST, path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        send(request.body(deep.clone())).await.problem(400);
        let nested = format!("{{ {} }}", "a { ".repeat(20_000));
        let graphql = api.graphql(&nested, json!({})).await;
        assert!(graphql.http.status < 500);
        assert!(!graphql.body["errors"].as_array().unwrap().is_empty());
        api.get("/health/live").await.expect(200);
    }
}

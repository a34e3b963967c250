//! Compression of responses.

use std::io::Read;

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::{ApiClient, HttpResponse, send};
use crate::support::fixtures::{password_of, registration};
use crate::support::services::Topology;

on_every_topology!(
    long_responses_are_compressed,
    short_responses_are_not_compressed,
    refused_identity_changes_nothing,
    tokens_are_never_compressed
);

async fn send_accepting_gzip(
    api: &ApiClient,
    method: Method,
    path: &str,
    body: serde_json::Value,
) -> HttpResponse {
    let request = api.request(method, path).header(header::ACCEPT_ENCODING, "gzip");
    send(request.json(&body)).await
}

fn gunzip(response: &HttpResponse) -> String {
    assert_eq!(response.header(header::CONTENT_ENCODING), Some("gzip"), "{response:?}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(response.body.as_slice()).read_to_string(&mut text).unwrap();
    text
}

async fn long_responses_are_compressed(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    for number in 0..10 {
        services.create_offer(&ann, &format!("{number} chairs, all of them like the others")).await;
    }
    let by_user = json!({ "user_id": ann.id });
    let query = json!({ "query": "{ __schema { types { name fields { name } } } }" });
    for (api, method, path, body) in [
        (&services.users, Method::GET, "/user/ann/", json!({})),
        (&services.offers, Method::POST, "/offer/", by_user),
        (&services.users, Method::POST, "/graphql", query),
    ] {
        let plain = send(api.request(method.clone(), path).json(&body)).await.expect(200);
        assert_eq!(plain.header(header::CONTENT_ENCODING), None);
        assert!(plain.body.len() >= 1024);
        // Also with a token, although no cache may store the response.
        let api = api.bearer(&ann.access_token);
        let compressed = send_accepting_gzip(&api, method, path, body).await.expect(200);
        assert!(compressed.body.len() < plain.body.len());
        assert_eq!(gunzip(&compressed), plain.text());
        let vary = compressed.headers.get_all(header::VARY).iter();
        let vary: Vec<_> = vary.map(|value| value.to_str().unwrap().to_lowercase()).collect();
        assert!(vary.join(",").contains("accept-encoding"), "{compressed:?}");
    }
}

async fn short_responses_are_not_compressed(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    let response = send_accepting_gzip(&services.users, Method::GET, "/user/ann/", json!({})).await;
    assert_eq!(response.header(header::CONTENT_ENCODING), None);
    assert_eq!(response.expect(200).json()["username"], "ann");
}

/// A refusal after the work would look like a failure.
async fn refused_identity_changes_nothing(topology: Topology) {
    let services = topology.start_open().await;
    for (number, codings) in ["*;q=0", "identity;q=0", "gzip, *;q=0"].into_iter().enumerate() {
        let name = format!("ann{number}");
        for (method, path, body, status) in [
            (Method::POST, "/user/".to_owned(), registration(&name), 201),
            (Method::GET, format!("/user/{name}/"), json!({}), 200),
            (Method::GET, "/health/live".to_owned(), json!({}), 200),
            (Method::DELETE, format!("/user/{name}/"), json!({}), 204),
            (Method::GET, format!("/user/{name}/"), json!({}), 404),
        ] {
            let request = services.users.request(method, &path).json(&body);
            let response = send(request.header(header::ACCEPT_ENCODING, codings)).await;
            assert_eq!(response.expect(status).header(header::CONTENT_ENCODING), None, "{codings}");
        }
    }
}

/// The length of a compressed response can reveal a secret in it.
async fn tokens_are_never_compressed(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let login = json!({ "username": "ann", "password": password_of("ann") });
    let refresh = json!({ "refresh_token": ann.refresh_token });
    let query = "mutation($input: AuthenticateInput!) { authenticate(input: $input)
        { accessToken refreshToken a: accessToken b: accessToken c: accessToken } }";
    let graphql = json!({ "query": query, "variables": { "input": login } });
    for (path, body) in [("/user/auth/", login), ("/user/refresh/", refresh), ("/graphql", graphql)]
    {
        let response =
            send_accepting_gzip(&services.users, Method::POST, path, body).await.expect(200);
        assert_eq!(response.header(header::CONTENT_ENCODING), None, "{path}");
        assert_eq!(response.header(header::CACHE_CONTROL), Some("no-store"), "{path}");
        assert!(response.text().contains("eyJ"), "{path}: {}", response.text());
        if path == "/graphql" {
            assert!(response.body.len() >= 1024, "long enough to be compressed");
        }
    }
}

//! Requests of pages of other origins.

use reqwest::{Method, header};

use serde_json::json;

use crate::support::client::{ApiClient, send};
use crate::support::fixtures::registration;
use crate::support::services::Topology;

on_every_topology!(
    no_origin_is_allowed_by_default,
    listed_origins_are_allowed,
    star_allows_every_origin,
    foreign_pages_only_read,
    foreign_pages_open_no_websocket,
);

const ALLOWED: &str = "https://app.example";
const OTHER: &str = "https://other.example";

/// Returns `Access-Control-Allow-Origin` of a simple and of a preflight request, `None` if absent.
async fn allowed_origins(api: &ApiClient, origin: &str) -> [Option<String>; 2] {
    let plain = api.request(Method::GET, "/health/live").header(header::ORIGIN, origin);
    let preflight = api
        .request(Method::OPTIONS, "/graphql")
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
    let plain = send(plain).await.expect(200);
    let preflight = send(preflight).await;
    assert_eq!(preflight.header(header::ACCESS_CONTROL_MAX_AGE), Some("7200"));
    [plain, preflight].map(|response| {
        let value = response.header(header::ACCESS_CONTROL_ALLOW_ORIGIN)?;
        Some(value.to_owned())
    })
}

async fn no_origin_is_allowed_by_default(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        assert_eq!(allowed_origins(api, ALLOWED).await, [None, None]);
    }
}

async fn listed_origins_are_allowed(topology: Topology) {
    let services =
        topology.set("CORS_ORIGINS", "https://app.example,https://two.example").start().await;
    for api in services.both() {
        for origin in [ALLOWED, "https://two.example"] {
            let echoed = Some(origin.to_owned());
            assert_eq!(allowed_origins(api, origin).await, [echoed.clone(), echoed]);
        }
        assert_eq!(allowed_origins(api, OTHER).await, [None, None]);
    }
}

async fn star_allows_every_origin(topology: Topology) {
    let services = topology.set("CORS_ORIGINS", "*").start().await;
    for api in services.both() {
        let any = Some("*".to_owned());
        assert_eq!(allowed_origins(api, OTHER).await, [any.clone(), any]);
    }
}

/// Without a `Content-Type` a browser sends a `POST` without a preflight request.
async fn foreign_pages_only_read(topology: Topology) {
    let services = topology.set("CORS_ORIGINS", ALLOWED).start().await;
    let own = services.users.url("").origin().ascii_serialization();
    let cross_site = ("sec-fetch-site", "cross-site");
    for (number, (headers, is_allowed)) in [
        (vec![], true),
        (vec![cross_site], false),
        (vec![cross_site, ("origin", OTHER)], false),
        (vec![cross_site, ("origin", ALLOWED)], true),
        (vec![("sec-fetch-site", "same-origin"), ("origin", &own)], true),
        (vec![("origin", OTHER)], false),
        (vec![("origin", "null")], false),
        (vec![("origin", ALLOWED)], true),
        (vec![("origin", &own)], true),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("ann{number}");
        let with_headers = |method, path: &str| {
            let request = services.users.request(method, path);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
        };
        let body = registration(&name).to_string();
        let response = send(with_headers(Method::POST, "/user/").body(body)).await;
        if is_allowed {
            response.expect(201);
        } else {
            assert_eq!(response.problem(403).code, "FORBIDDEN", "{headers:?}");
            services.users.get_user(&name).await.problem(404);
        }
        let query = json!({ "query": "{ __typename }" });
        let response = send(with_headers(Method::POST, "/graphql").json(&query)).await;
        assert_eq!(response.status, if is_allowed { 200 } else { 403 }, "{headers:?}");
        for method in [Method::GET, Method::HEAD] {
            send(with_headers(method, "/health/live")).await.expect(200);
        }
    }
}

async fn foreign_pages_open_no_websocket(topology: Topology) {
    let services = topology.set("CORS_ORIGINS", ALLOWED).start().await;
    for api in services.both() {
        let own = api.url("").origin().ascii_serialization();
        for (origin, status) in [
            (None, 101),
            (Some(own.as_str()), 101),
            (Some(ALLOWED), 101),
            (Some(OTHER), 403),
            (Some("null"), 403),
            (Some("http://127.0.0.1:1"), 403),
        ] {
            let request = api
                .request(Method::GET, "/graphql/ws")
                .header(header::CONNECTION, "upgrade")
                .header(header::UPGRADE, "websocket")
                .header(header::SEC_WEBSOCKET_VERSION, "13")
                .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==")
                .header(header::SEC_WEBSOCKET_PROTOCOL, "graphql-transport-ws");
            let request = origin
                .into_iter()
                .fold(request, |request, origin| request.header(header::ORIGIN, origin));
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), status, "{origin:?}");
        }
    }
}

//! Health, metrics, OpenAPI and web pages, on both services.

use reqwest::Method;
use serde_json::json;

use crate::support::client::{ApiClient, send};
use crate::support::database::{Database, Engine, migrate};
use crate::support::metrics::counter;
use crate::support::process::Process;
use crate::support::services::Topology;
use crate::support::settings::settings;
use crate::support::wait;

on_every_topology!(
    live_and_ready_return_200,
    metrics_count_requests,
    openapi_lists_every_route,
    serves_landing_page_and_docs,
    rejects_other_methods,
);

async fn live_and_ready_return_200(topology: Topology) {
    let services = topology.start_strict().await;
    for api in services.both() {
        for path in ["/health/live", "/health/live/", "/health/ready", "/health/ready/"] {
            api.get(path).await.expect(200);
        }
    }
}

async fn metrics_count_requests(topology: Topology) {
    let services = topology.start_open().await;
    for (api, path) in [(&services.users, "/user/auth/"), (&services.offers, "/offer/")] {
        let response = api.get("/metrics").await.expect(200);
        let media_type = response.media_type().unwrap();
        assert!(["text/plain", "application/openmetrics-text"].contains(&media_type));
        let all = |_: &str| true;
        let before = counter(api, "http_requests_total", all).await;
        for _ in 0..3 {
            api.post(path, json!({})).await.problem(422);
        }
        let after = counter(api, "http_requests_total", all).await;
        assert!(after >= before + 3, "{before}, {after}");
        let rejected = counter(api, "http_requests_total", |labels| labels.contains("422")).await;
        assert_eq!(rejected, 3);
    }
}

async fn openapi_lists_every_route(topology: Topology) {
    let services = topology.start_strict().await;
    for (api, routes) in [
        (
            &services.users,
            &[
                ("/user/registry/", "post"),
                ("/user/auth/", "post"),
                ("/user/refresh/", "post"),
                ("/user/logout/", "post"),
                ("/user/password/", "post"),
                ("/user/", "get"),
                ("/user/", "post"),
                ("/user/{user}/", "get"),
                ("/user/{user}/", "patch"),
                ("/user/{user}/", "delete"),
            ][..],
        ),
        (&services.offers, &[("/offer/create/", "post"), ("/offer/", "post")]),
    ] {
        let document = api.get("/openapi.json").await.expect(200).json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let paths = document["paths"].as_object().unwrap();
        for (route, method) in routes {
            // The parameter may have another name.
            let is_listed = paths.iter().any(|(path, item)| {
                let same_path = match route.strip_suffix("{user}/") {
                    Some(start) => path.starts_with(&format!("{start}{{")),
                    None => path == route,
                };
                same_path && item.get(method).is_some()
            });
            assert!(is_listed, "{method} {route} is missing");
        }
    }
}

async fn serves_landing_page_and_docs(topology: Topology) {
    let services = topology.start_strict().await;
    for api in services.both() {
        for path in ["/", "/docs", "/docs/"] {
            let response = api.get(path).await.expect(200);
            assert_eq!(response.media_type(), Some("text/html"), "{path}");
        }
        let page = api.get("/").await.text();
        for link in
            ["/graphql", "/docs", "/openapi.json", "/health/live", "/health/ready", "/metrics"]
        {
            assert!(page.contains(&format!("href=\"{link}\"")), "{link}: {page}");
        }
    }
    let page = services.users.get("/").await.text();
    assert!(page.contains("/.well-known/jwks.json"));
}

async fn rejects_other_methods(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        for path in ["/", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"] {
            let response = api.post(path, json!({})).await;
            response.problem(405);
            assert!(response.header("allow").unwrap().contains("GET"));
            let response = send(api.request(Method::HEAD, path)).await.expect(200);
            assert!(response.body.is_empty());
        }
    }
    services.users.post("/.well-known/jwks.json", json!({})).await.problem(405);
}

on_every_database!(not_ready_without_tables);

async fn not_ready_without_tables(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::empty(engine, folder.path()).await;
    let settings = settings([("DATABASE_URL", database.url()), ("HTTP_ADDR", "127.0.0.1:0")]);
    let mut running = Vec::new();
    for name in ["users-api", "offers-api"] {
        let mut service = Process::start(name, folder.path(), &settings);
        let api = ApiClient::new(&service.url(name, "http").await);
        let problem = api.get("/health/ready").await.problem(503);
        assert!(problem.detail.contains("migration up"), "{}", problem.detail);
        api.get("/health/live").await.expect(200);
        running.push((service, api));
    }
    migrate(database.url(), folder.path(), "up").await;
    for (_, api) in &running {
        api.get("/health/ready").await.expect(200);
    }
}

on_postgres!(readiness_follows_the_database);

async fn readiness_follows_the_database(topology: Topology) {
    let mut services = topology.builder().proxy_database().start().await;
    for api in services.both() {
        api.get("/health/ready").await.expect(200);
    }
    services.disconnect().await;
    for api in services.both() {
        api.get("/health/ready").await.expect(503);
        api.get("/health/live").await.expect(200);
    }
    services.connect();
    for api in services.both() {
        wait::until_true("the service is ready again", async || {
            api.get("/health/ready").await.status == 200
        })
        .await;
    }
}

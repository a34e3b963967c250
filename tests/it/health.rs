//! Health, metrics and pages, the same on both services.

use reqwest::Method;
use serde_json::json;

use crate::support::client::{Answer, Api};
use crate::support::database::{Database, Engine, migrate};
use crate::support::metrics::counter;
use crate::support::process::{self, Process};
use crate::support::services::{Layout, Stack};
use crate::support::wait as poll;

on_every_stack!(
    lives_and_is_ready,
    counts_requests,
    describes_itself,
    has_pages_for_people,
    takes_get_and_head_alone,
);

fn both(stack: &Stack) -> [&Api; 2] {
    [&stack.users, &stack.offers]
}

async fn lives_and_is_ready(layout: Layout) {
    let stack = layout.strict().await;
    for api in both(&stack) {
        for path in ["/health/live", "/health/live/", "/health/ready", "/health/ready/"] {
            api.get(path).await.expect(200);
        }
    }
}

async fn counts_requests(layout: Layout) {
    let stack = layout.spec().await;
    for (api, path) in [(&stack.users, "/user/auth/"), (&stack.offers, "/offer/")] {
        let answer = api.get("/metrics").await.expect(200);
        let media_type = answer.media_type().unwrap();
        assert!(["text/plain", "application/openmetrics-text"].contains(&media_type));
        let all = |_: &str| true;
        let before = counter(api, "http_requests_total", all).await;
        for _ in 0..3 {
            api.post(path, json!({})).await.problem(422);
        }
        let after = counter(api, "http_requests_total", all).await;
        assert!(after >= before + 3, "{before}, {after}");
        let refused = counter(api, "http_requests_total", |labels| labels.contains("422")).await;
        assert_eq!(refused, 3);
    }
}

async fn describes_itself(layout: Layout) {
    let stack = layout.strict().await;
    for (api, routes) in [
        (
            &stack.users,
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
        (&stack.offers, &[("/offer/create/", "post"), ("/offer/", "post")]),
    ] {
        let document = api.get("/openapi.json").await.expect(200).json();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let paths = document["paths"].as_object().unwrap();
        for (route, method) in routes {
            // The name of a parameter is free.
            let described = paths.iter().any(|(path, item)| {
                let same = match route.strip_suffix("{user}/") {
                    Some(start) => path.starts_with(&format!("{start}{{")),
                    None => path == route,
                };
                same && item.get(method).is_some()
            });
            assert!(described, "{method} {route} is missing");
        }
    }
}

async fn has_pages_for_people(layout: Layout) {
    let stack = layout.strict().await;
    for api in both(&stack) {
        for path in ["/", "/docs", "/docs/"] {
            let answer = api.get(path).await.expect(200);
            assert_eq!(answer.media_type(), Some("text/html"), "{path}");
        }
        let page = api.get("/").await.text();
        for link in
            ["/graphql", "/docs", "/openapi.json", "/health/live", "/health/ready", "/metrics"]
        {
            assert!(page.contains(&format!("href=\"{link}\"")), "{link}: {page}");
        }
    }
    let page = stack.users.get("/").await.text();
    assert!(page.contains("/.well-known/jwks.json"));
}

async fn takes_get_and_head_alone(layout: Layout) {
    let stack = layout.spec().await;
    for api in both(&stack) {
        for path in ["/", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"] {
            let answer = api.post(path, json!({})).await;
            answer.problem(405);
            assert!(answer.header("allow").unwrap().contains("GET"));
            let answer = Answer::to(api.request(Method::HEAD, path)).await.expect(200);
            assert!(answer.body.is_empty());
        }
    }
    stack.users.post("/.well-known/jwks.json", json!({})).await.problem(405);
}

on_every_database!(wants_its_tables);

async fn wants_its_tables(engine: Engine) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::empty(engine, folder.path()).await;
    let settings = [("DATABASE_URL", database.url()), ("HTTP_ADDR", "127.0.0.1:0")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut running = Vec::new();
    for name in ["users-api", "offers-api"] {
        let mut service = Process::start(name, process::command(name, folder.path(), &settings));
        let api = Api::new(&service.address(name, "http").await.expect("it runs"));
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

/// Only a server can be lost.
mod ready_follows_the_database {
    use crate::support::services::Layout;

    #[tokio::test]
    async fn one_process() {
        super::ready_follows_the_database(Layout::POSTGRES_ONE).await;
    }

    #[tokio::test]
    async fn two_processes() {
        super::ready_follows_the_database(Layout::POSTGRES_TWO).await;
    }
}

async fn ready_follows_the_database(layout: Layout) {
    let mut stack = layout.set("SECURITY", "spec").database_relayed().start().await;
    for api in both(&stack) {
        api.get("/health/ready").await.expect(200);
    }
    stack.cut().await;
    for api in both(&stack) {
        api.get("/health/ready").await.expect(503);
        api.get("/health/live").await.expect(200);
    }
    stack.mend();
    for api in both(&stack) {
        poll::until("the service is ready again", async || {
            (api.get("/health/ready").await.status == 200).then_some(())
        })
        .await;
    }
}

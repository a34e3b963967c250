//! No failure tells what goes on inside.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::Answer;
use crate::support::fixtures::registration;
use crate::support::services::Layout;
use crate::support::wait as poll;

on_every_stack!(odd_requests_are_no_server_error, depth_is_no_server_error);

/// A lost database, and back; only a server can be lost.
mod a_lost_database_is_503 {
    use crate::support::services::Layout;

    #[tokio::test]
    async fn one_process() {
        super::a_lost_database_is_503(Layout::POSTGRES_ONE).await;
    }

    #[tokio::test]
    async fn two_processes() {
        super::a_lost_database_is_503(Layout::POSTGRES_TWO).await;
    }
}

async fn a_lost_database_is_503(layout: Layout) {
    let mut stack = layout.set("SECURITY", "spec").database_relayed().start().await;
    stack.register("ann").await;
    stack.cut().await;
    let by_user = json!({ "user_id": 1 });
    let answers = [
        stack.users.get("/user/ann/").await,
        stack.users.post("/user/registry/", registration("bob")).await,
        stack.offers.post("/offer/", by_user).await,
    ];
    for answer in answers {
        answer.problem(503);
        let text = answer.text().to_lowercase();
        for inner in ["sqlx", "postgres", "backtrace", "connection", "pool", ".rs", "test_"] {
            assert!(!text.contains(inner), "{text}");
        }
    }
    stack.mend();
    poll::until("users-api is well again", async || {
        (stack.users.get("/user/ann/").await.status == 200).then_some(())
    })
    .await;
}

async fn odd_requests_are_no_server_error(layout: Layout) {
    let stack = layout.spec().await;
    for api in [&stack.users, &stack.offers] {
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
            let answer = Answer::to(request.body(body)).await;
            assert!(answer.status < 500, "{method} {path}: {answer:?}");
        }
    }
}

async fn depth_is_no_server_error(layout: Layout) {
    let stack = layout.spec().await;
    let deep = "[".repeat(100_000);
    for (api, path) in [(&stack.users, "/user/"), (&stack.offers, "/offer/")] {
        let request = api.request(Method::POST, path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        Answer::to(request.body(deep.clone())).await.problem(400);
        let nested = format!("{{ {} }}", "a { ".repeat(20_000));
        let answer = api.graphql(&nested, json!({})).await;
        assert!(answer.answer.status < 500);
        assert!(!answer.body["errors"].as_array().unwrap().is_empty());
        api.get("/health/live").await.expect(200);
    }
}

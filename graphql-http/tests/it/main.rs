//! The endpoint over real sockets, with a schema that has one field for each case.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

mod application;
mod connection;
mod execution;
mod http;
mod limits;
mod operations;
mod pets;
mod schema;
mod socket;
mod status;
mod validation;

use std::sync::Arc;

use axum::response::{Html, IntoResponse};
use graphql_http::{Endpoint, router};
use serde_json::{Value, json};
use tokio::sync::watch;

use application::{FailureStatus, Tokens};

/// A server on a free port, for the time of a test.
struct Server {
    address: String,
    stage: Arc<schema::Stage>,
    shutdown: watch::Sender<bool>,
    http: reqwest::Client,
}

impl Server {
    async fn start() -> Self {
        Self::with(|_| ()).await
    }

    async fn with(change: impl FnOnce(&mut Endpoint<schema::Schema, Tokens>)) -> Self {
        let stage = Arc::new(schema::Stage::default());
        let (shutdown, shutting_down) = watch::channel(false);
        let mut endpoint = Endpoint {
            error_policy: Arc::new(FailureStatus),
            landing_page: Some(Arc::new(|| Html("the page").into_response())),
            single_use_fields: &["login", "signUp"],
            shutdown: shutting_down,
            ..Endpoint::new(schema::build(Arc::clone(&stage)), Tokens)
        };
        change(&mut endpoint);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, router(endpoint)).await });
        Self { address, stage, shutdown, http: reqwest::Client::new() }
    }

    fn url(&self) -> String {
        format!("http://{}/graphql", self.address)
    }

    fn post(&self, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.http.post(self.url()).body(body);
        request
            .header("content-type", "application/json")
            .header("accept", "application/graphql-response+json")
    }

    async fn answer(&self, request: Value) -> (u16, Value) {
        let response = self.post(request.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn query(&self, query: &str) -> (u16, Value) {
        self.answer(json!({ "query": query })).await
    }

    /// Returns the status and the code of a query that is not executed.
    async fn request_error(&self, query: &str) -> (u16, String) {
        let (status, answer) = self.query(query).await;
        assert_eq!(answer.get("data"), None, "{answer}");
        (status, code(&answer))
    }
}

fn code(answer: &Value) -> String {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
}

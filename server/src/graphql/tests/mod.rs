//! Over real sockets, with a schema that has one field for each thing that can happen.

mod execution;
mod http;
mod limits;
mod schema;
mod socket;
mod status;
mod stream;
mod ws;

use std::sync::Arc;

use ::schema::{Error, ErrorCode, Result, Viewer};
use axum::response::{Html, IntoResponse};
use chrono::{TimeDelta, Utc};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Endpoint, Sockets, router};
use crate::auth::Authenticate;

/// Knows the tokens `good`, `short` and `away`.
struct Tokens;

impl Authenticate for Tokens {
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>> {
        let lives = |time| {
            Ok(Viewer::User { id: 7, session: uuid::Uuid::nil(), expires_at: Utc::now() + time })
        };
        let viewer = match token {
            "good" => lives(TimeDelta::hours(1)),
            "short" => lives(TimeDelta::milliseconds(200)),
            "away" => Err(Error::new(ErrorCode::Busy, "Busy.").retry_after(3)),
            _ => Err(Error::new(ErrorCode::InvalidToken, "The token is not good.")),
        };
        Box::pin(std::future::ready(viewer))
    }
}

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

    async fn with(change: impl FnOnce(&mut Endpoint<schema::Schema>)) -> Self {
        let stage = Arc::new(schema::Stage::default());
        let (shutdown, ends) = watch::channel(false);
        let mut endpoint = Endpoint {
            page: Some(Arc::new(|| Html("the page").into_response())),
            once: &["login", "signUp"],
            shutdown: ends,
            ..Endpoint::new(schema::build(Arc::clone(&stage)), Arc::new(Tokens))
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

    /// The code of the only error, with the status.
    async fn refusal(&self, query: &str) -> (u16, String) {
        let (status, answer) = self.query(query).await;
        assert_eq!(answer.get("data"), None, "{answer}");
        (status, code(&answer))
    }
}

fn code(answer: &Value) -> String {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none").to_owned()
}

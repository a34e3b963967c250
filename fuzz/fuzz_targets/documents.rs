//! GraphQL over HTTP: parameters, documents and their limits, up to the answer.
//!
//! Input: how it is sent (`b` a body, `q` a query string, any other a document), then the rest;
//! variables follow a document after NUL.
#![no_main]

use std::sync::{Arc, LazyLock};

use async_graphql::{Context, EmptySubscription, Enum, InputObject, Object, OneofObject};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use futures_util::future::BoxFuture;
use graphql_http::{Endpoint, PATH, router};
use libfuzzer_sys::fuzz_target;
use schema::{Error, Result, Viewer, limits};
use serde_json::{Value, json};
use server::{
    auth::Authenticate,
    graphql_endpoint::endpoint,
};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

struct Nobody;

impl Authenticate for Nobody {
    fn authenticate<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Viewer>> {
        Box::pin(std::future::ready(Ok(Viewer::Anonymous)))
    }
}

#[derive(Clone, Copy, Enum, Eq, PartialEq)]
enum Colour {
    Red,
    Green,
}

#[derive(InputObject)]
struct Filter {
    text: String,
    number: Option<i32>,
    colours: Option<Vec<Colour>>,
    and: Option<Box<Filter>>,
}

#[derive(OneofObject)]
enum Which {
    Id(i32),
    Name(String),
}

struct Node;

#[Object]
impl Node {
    async fn id(&self) -> i32 {
        1
    }

    async fn node(&self) -> Option<Node> {
        Some(Node)
    }

    #[graphql(complexity = "limits::page_complexity(first, None, child_complexity)")]
    async fn nodes(&self, first: Option<i32>) -> Vec<Node> {
        let rows = first.unwrap_or_default().clamp(0, 2);
        (0..rows).map(|_| Node).collect()
    }

    async fn matches(&self, filter: Filter) -> bool {
        let Filter { text, number, colours, and } = filter;
        text.is_empty() || number.is_some() || colours.is_some() || and.is_some()
    }
}

struct Query;

#[Object]
impl Query {
    async fn node(&self, which: Option<Which>) -> Option<Node> {
        which.is_none_or(|which| matches!(which, Which::Id(1))).then_some(Node)
    }

    async fn fails(&self, ctx: &Context<'_>) -> Option<Result<bool>> {
        Some(Viewer::from_ctx(ctx).require_authenticated().map(|_| true))
    }

    async fn echo(&self, text: Option<String>) -> Option<String> {
        text
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn login(&self, password: String) -> Result<Node> {
        if password.is_empty() { Err(Error::not_found("Nobody.")) } else { Ok(Node) }
    }
}

static ENDPOINT: LazyLock<Router> = LazyLock::new(|| {
    let schema = async_graphql::Schema::build(Query, Mutation, EmptySubscription);
    router(Endpoint { single_use_fields: &["login"], ..endpoint(schema, Arc::new(Nobody)) })
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

fn request(data: &[u8]) -> Option<Request<Body>> {
    let (how, rest) = data.split_first()?;
    let post = |body: Vec<u8>| {
        let request = Request::post(PATH).header(header::CONTENT_TYPE, "application/json");
        request.header(header::ACCEPT, "application/graphql-response+json").body(body.into()).ok()
    };
    match how {
        b'b' => post(rest.to_vec()),
        b'q' => {
            let query = std::str::from_utf8(rest).ok()?;
            Request::get(format!("{PATH}?{query}")).body(Body::empty()).ok()
        }
        _ => {
            let text = std::str::from_utf8(rest).ok()?;
            let (document, variables) = text.split_once('\0').unwrap_or((text, "null"));
            let variables: Value = serde_json::from_str(variables).ok()?;
            post(serde_json::to_vec(&json!({ "query": document, "variables": variables })).ok()?)
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(request) = request(data) else { return };
    RUNTIME.block_on(async {
        let response = ENDPOINT.clone().oneshot(request).await.expect("it always answers");
        let status = response.status();
        assert!(!status.is_server_error(), "{status}");
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("it is in memory");
        let answer: Value = serde_json::from_slice(&bytes).expect("an answer is JSON");
        let errors = answer.get("errors").and_then(Value::as_array);
        assert!(answer.get("data").is_some() || errors.is_some(), "{answer}");
        for error in errors.into_iter().flatten() {
            let code = error["extensions"]["code"].as_str().unwrap_or_default();
            assert!(!code.is_empty() && code != "INTERNAL", "{answer}");
        }
    });
});

//! Bodies and query strings of REST, and the problems that they are answered with.
//!
//! Input: a query string and a body, with a line feed between them.
#![no_main]

use std::sync::LazyLock;

use async_graphql::{
    EmptyMutation, EmptySubscription, ID, InputObject, Object, Schema, value,
};
use axum::{
    body::{Body as HttpBody, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use schema::{Error, ErrorCode, id, pagination::MAX_PAGE_SIZE};
use serde_json::Value as Json;
use server::{
    problem::{MEDIA_TYPE, Problem},
    rest::{JsonBody, QueryParams, RouteDocument, RouteSchema},
};

const FIELDS: [&str; 3] = ["text", "maybe", "id"];
const PARAMETERS: [&str; 2] = ["limit", "after"];

#[derive(InputObject)]
struct Input {
    id: ID,
    text: String,
    maybe: Option<String>,
}

struct Query;

#[Object]
impl Query {
    async fn find(&self, input: Input) -> usize {
        input.id.len() + input.text.len() + input.maybe.map_or(0, |maybe| maybe.len())
    }
}

type Document = RouteDocument<Schema<Query, EmptyMutation, EmptySubscription>>;

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let schema = Schema::build(Query, EmptyMutation, EmptySubscription).finish();
    let schema = RouteSchema::new(schema, "").expect("the schema is valid");
    schema.document("query($input: Input!) { find(input: $input) }").expect("the query is valid")
});

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("everything is in memory")
}

/// Asserts that an error is well formed and names only fields that were read.
fn check(response: Response, names: &[&str]) {
    let status = response.status();
    assert!([400, 413, 422].contains(&status.as_u16()), "{status}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    let bytes = now(to_bytes(response.into_body(), usize::MAX)).expect("it is in memory");
    let problem: Json = serde_json::from_slice(&bytes).expect("a problem is JSON");
    assert_eq!(problem["status"], status.as_u16());
    for field in problem["errors"].as_array().into_iter().flatten() {
        let pointer = field["pointer"].as_str().expect("a pointer is text");
        let known = pointer.strip_prefix('/').is_some_and(|name| names.contains(&name));
        assert!(pointer.is_empty() || known, "{pointer}");
    }
}

fn body(bytes: &[u8]) -> Result<(), Response> {
    let request = Request::new(HttpBody::from(bytes.to_vec()));
    let body = now(JsonBody::from_request(request, &())).map_err(IntoResponse::into_response)?;
    let rule = |input: Input| match input.text.is_empty() {
        true => {
            Err(Error::invalid_field(ErrorCode::InvalidInput, "/text", "must not be empty"))
        }
        false => Ok(()),
    };
    let variables = DOCUMENT
        .validated_variables(body, value!({}), rule)
        .map_err(|error| Problem::from(error).into_response())?;
    let json = variables.into_json().expect("values are JSON");
    let id = json["input"]["id"].as_str().expect("an id is text");
    assert!(id::parse(id).is_some() && json["input"]["text"].is_string());
    Ok(())
}

fn query(query: &str) -> Result<(), Response> {
    let Ok(request) = Request::builder().uri(format!("/?{query}")).body(()) else { return Ok(()) };
    let (mut parts, ()) = request.into_parts();
    let params = now(QueryParams::from_request_parts(&mut parts, &()));
    let mut params = params.map_err(IntoResponse::into_response)?;
    let (size, after) = (params.page_size("limit", 100), params.after("after"));
    params.into_result().map_err(|error| Problem::from(error).into_response())?;
    assert!((1..=MAX_PAGE_SIZE).contains(&size) && after.is_none_or(|after| after > 0));
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    let middle = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    if let Err(response) = body(data.get(middle + 1..).unwrap_or_default()) {
        check(response, &FIELDS);
    }
    if let Err(response) = query(&String::from_utf8_lossy(&data[..middle])) {
        check(response, &PARAMETERS);
    }
});

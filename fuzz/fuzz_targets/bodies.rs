//! Bodies and query strings of REST, and the problems that they are answered with.
//!
//! Input: a query string and a body, with a line feed between them.
#![no_main]

use axum::{
    body::{Body as HttpBody, to_bytes},
    extract::{FromRequest, FromRequestParts, Request},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use libfuzzer_sys::fuzz_target;
use schema::{id, pagination::MAX_PAGE_SIZE};
use serde_json::Value;
use server::{
    problem::{MEDIA_TYPE, Problem},
    rest::{Body, Params},
};

const FIELDS: [&str; 3] = ["text", "maybe", "id"];
const PARAMETERS: [&str; 2] = ["limit", "after"];

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("all of it is there")
}

/// What a client is told has to be well formed, and may name only what was asked for.
fn check(response: Response, names: &[&str]) {
    let status = response.status();
    assert!([400, 413, 422].contains(&status.as_u16()), "{status}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    let bytes = now(to_bytes(response.into_body(), usize::MAX)).expect("it is in memory");
    let problem: Value = serde_json::from_slice(&bytes).expect("a problem is JSON");
    assert_eq!(problem["status"], status.as_u16());
    for field in problem["errors"].as_array().into_iter().flatten() {
        let pointer = field["pointer"].as_str().expect("a pointer is text");
        let known = pointer.strip_prefix('/').is_some_and(|name| names.contains(&name));
        assert!(pointer.is_empty() || known, "{pointer}");
    }
}

fn body(bytes: &[u8]) -> Result<(), Response> {
    let request = Request::new(HttpBody::from(bytes.to_vec()));
    let mut body = now(Body::from_request(request, &())).map_err(IntoResponse::into_response)?;
    let text = body.text("text", Some(|text| text.is_empty().then_some("must not be empty")));
    let maybe = body.has("maybe");
    assert!(!maybe || body.names("maybe"));
    body.optional_text("maybe", None);
    let number = body.id("id");
    body.finish().map_err(|error| Problem::from(error).into_response())?;
    assert!(!text.is_empty() && id::parse(&number).is_some());
    Ok(())
}

fn query(query: &str) -> Result<(), Response> {
    let Ok(request) = Request::builder().uri(format!("/?{query}")).body(()) else { return Ok(()) };
    let (mut parts, ()) = request.into_parts();
    let params = now(Params::from_request_parts(&mut parts, &()));
    let mut params = params.map_err(IntoResponse::into_response)?;
    let (size, after) = (params.size("limit", 100), params.after("after"));
    params.finish().map_err(|error| Problem::from(error).into_response())?;
    assert!((1..=MAX).contains(&size) && after.is_none_or(|after| after > 0));
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

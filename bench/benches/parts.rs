//! Parts of a request, alone.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at what is wrong")]

mod common;

use async_graphql::connection::CursorType;
use axum::{
    body::{Body, to_bytes},
    extract::Request,
};
use chrono::Utc;
use divan::{Bencher, black_box};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use schema::pagination::Cursor;
use serde_json::json;
use server::{
    serve::AppService,
    token::{self, Claims},
};
use tokio::runtime::Runtime;
use tower::ServiceExt;

fn main() {
    divan::main();
}

async fn answer(app: AppService, request: Request) -> usize {
    let response = app.oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    to_bytes(response.into_body(), usize::MAX).await.unwrap().len()
}

fn post(path: &str, body: &serde_json::Value) -> Request {
    let request = Request::post(path).header("content-type", "application/json");
    request.body(Body::from(body.to_string())).unwrap()
}

/// A REST route with its document, its statement and ten rows, without a socket.
#[divan::bench]
fn rest_document(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let rows = runtime.block_on(common::rows());
    let app = runtime.block_on(common::offers_api(&rows));
    let body = json!({ "user_id": 7 });
    bencher.bench_local(|| runtime.block_on(answer(app.clone(), post("/offer/", &body))));
}

/// What users-api asks of offers-api for 50 users at once.
#[divan::bench]
fn entities_of_50_users(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let rows = runtime.block_on(common::rows());
    let app = runtime.block_on(common::offers_api(&rows));
    let query = "query($u:[_Any!]!){_entities(representations:$u){...on User{\
        offersConnection(first:1000){nodes{id userId title text \
        price{amount currency} status createdAt updatedAt}}}}}";
    let users: Vec<_> =
        (1..=50).map(|id| json!({ "__typename": "User", "id": id.to_string() })).collect();
    let body = json!({ "query": query, "variables": { "u": users } });
    bencher.bench_local(|| runtime.block_on(answer(app.clone(), post("/graphql", &body))));
}

/// A user with ten offers, through both services: one socket, between them.
#[divan::bench]
fn user_with_offers(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    let rows = runtime.block_on(common::rows());
    let app = runtime.block_on(async {
        let url = common::serve(common::offers_api(&rows).await).await;
        common::users_api(&rows, &url).await
    });
    let request = || Request::get("/user/7/").body(Body::empty()).unwrap();
    bencher.bench_local(|| runtime.block_on(answer(app.clone(), request())));
}

#[divan::bench]
fn token_verification(bencher: Bencher<'_, '_>) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let signs = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
    let verifies = DecodingKey::from_ed_der(pair.public_key_raw());
    let now = Utc::now().timestamp();
    let claims = Claims {
        iss: schema::viewer::TOKEN_ISSUER.to_owned(),
        aud: schema::viewer::TOKEN_AUDIENCE.to_owned(),
        sub: "7".to_owned(),
        sid: uuid::Uuid::nil(),
        generation: 0,
        iat: now,
        exp: now + 600,
        jti: "one".to_owned(),
    };
    let text = jsonwebtoken::encode(&Header::new(token::ALGORITHM), &claims, &signs).unwrap();
    bencher.bench(|| token::verify(black_box(&text), &verifies).unwrap());
}

#[divan::bench]
fn cursor_there_and_back(bencher: Bencher<'_, '_>) {
    bencher.bench(|| {
        let text = Cursor::oldest(black_box(1_234_567)).encode_cursor();
        Cursor::decode_cursor(&text).unwrap()
    });
}

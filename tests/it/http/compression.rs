//! What is compressed, and what must not be.

use std::io::Read;

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::{Answer, Api};
use crate::support::fixtures::password_of;
use crate::support::services::Layout;

on_every_stack!(long_answers_are_compressed, short_ones_are_not, tokens_never_are);

async fn ask(api: &Api, method: Method, path: &str, body: serde_json::Value) -> Answer {
    let request = api.request(method, path).header(header::ACCEPT_ENCODING, "gzip");
    Answer::to(request.json(&body)).await
}

fn unpack(answer: &Answer) -> String {
    assert_eq!(answer.header(header::CONTENT_ENCODING), Some("gzip"), "{answer:?}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
    text
}

async fn long_answers_are_compressed(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    for number in 0..10 {
        stack.offer(&ann, &format!("{number} chairs, all of them like the others")).await;
    }
    let by_user = json!({ "user_id": ann.id });
    let query = json!({ "query": "{ __schema { types { name fields { name } } } }" });
    for (api, method, path, body) in [
        (&stack.users, Method::GET, "/user/ann/", json!({})),
        (&stack.offers, Method::POST, "/offer/", by_user),
        (&stack.users, Method::POST, "/graphql", query),
    ] {
        let plain = Answer::to(api.request(method.clone(), path).json(&body)).await.expect(200);
        assert_eq!(plain.header(header::CONTENT_ENCODING), None);
        assert!(plain.body.len() >= 1024);
        let packed = ask(api, method, path, body).await.expect(200);
        assert!(packed.body.len() < plain.body.len());
        assert_eq!(unpack(&packed), plain.text());
        let vary = packed.headers.get_all(header::VARY).iter();
        let vary: Vec<_> = vary.map(|value| value.to_str().unwrap().to_lowercase()).collect();
        assert!(vary.join(",").contains("accept-encoding"), "{packed:?}");
    }
}

async fn short_ones_are_not(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    let answer = ask(&stack.users, Method::GET, "/user/ann/", json!({})).await;
    assert_eq!(answer.header(header::CONTENT_ENCODING), None);
    assert_eq!(answer.expect(200).json()["username"], "ann");
}

/// The length of a compressed answer can give a secret in it away.
async fn tokens_never_are(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let login = json!({ "username": "ann", "password": password_of("ann") });
    let refresh = json!({ "refresh_token": ann.refresh });
    let query = "mutation($input: AuthenticateInput!) { authenticate(input: $input)
        { accessToken refreshToken a: accessToken b: accessToken c: accessToken } }";
    let graphql = json!({ "query": query, "variables": { "input": login } });
    for (path, body) in [("/user/auth/", login), ("/user/refresh/", refresh), ("/graphql", graphql)]
    {
        let answer = ask(&stack.users, Method::POST, path, body).await.expect(200);
        assert_eq!(answer.header(header::CONTENT_ENCODING), None, "{path}");
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"), "{path}");
        assert!(answer.text().contains("eyJ"), "{path}: {}", answer.text());
        if path == "/graphql" {
            assert!(answer.body.len() >= 1024, "long enough to tell");
        }
    }
}

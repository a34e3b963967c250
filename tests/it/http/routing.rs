//! Trailing slashes and unknown addresses.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::fixtures::{password_of, registration};
use crate::support::services::{Layout, Stack};

on_every_stack!(every_route_works_with_and_without_its_slash, an_unknown_address_is_404);

/// Asks once at each form of an address, for requests that may be repeated.
async fn both(stack: &Stack, method: Method, path: &str, body: Option<Value>, status: u16) {
    let api = if path.starts_with("/offer") { &stack.offers } else { &stack.users };
    let bare = path.trim_end_matches('/');
    for path in [bare.to_owned(), format!("{bare}/")] {
        let request = api.request(method.clone(), &path);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        Answer::to(request).await.expect(status);
    }
}

async fn every_route_works_with_and_without_its_slash(layout: Layout) {
    let stack = layout.spec().await;
    for (number, path) in
        ["/user/registry", "/user/registry/", "/user", "/user/"].into_iter().enumerate()
    {
        let body = registration(&format!("user{number}"));
        stack.users.post(path, body).await.expect(201);
    }
    let ann = stack.member("ann").await;
    let offer = stack.offer(&ann, "chair").await;
    let (get, post) = (Method::GET, Method::POST);

    let login = json!({ "username": "ann", "password": password_of("ann") });
    both(&stack, post.clone(), "/user/auth", Some(login), 200).await;
    both(&stack, get.clone(), &ann.path(), None, 200).await;
    both(&stack, get.clone(), "/user/ann", None, 200).await;
    both(&stack, get.clone(), "/user", None, 200).await;
    both(&stack, Method::PATCH, "/user/ann", Some(json!({})), 200).await;
    let token = json!({ "refresh_token": ann.refresh });
    both(&stack, post.clone(), "/user/refresh", Some(token.clone()), 200).await;
    both(&stack, post.clone(), "/user/logout", Some(token), 204).await;
    let body = json!({ "user_id": ann.id, "title": "bell", "text": "loud" });
    both(&stack, post.clone(), "/offer/create", Some(body), 201).await;
    let body = json!({ "offer_id": offer["id"] });
    both(&stack, post.clone(), "/offer", Some(body), 200).await;
    both(&stack, get.clone(), "/.well-known/jwks.json", None, 200).await;
    both(&stack, get.clone(), "/health/live", None, 200).await;
    both(&stack, get, "/openapi.json", None, 200).await;
    let query = json!({ "query": "{ __typename }" });
    both(&stack, post, "/graphql", Some(query), 200).await;

    let mut password = password_of("ann");
    for path in ["/user/password", "/user/password/"] {
        let login = json!({ "username": "ann", "password": password });
        let session = stack.users.post("/user/auth/", login).await.expect(200).json();
        let new = format!("{password}, and more");
        let body = json!({ "old_password": password, "new_password": new });
        let own = stack.users.bearer(session["access_token"].as_str().unwrap());
        own.post(path, body).await.expect(204);
        password = new;
    }
    stack.users.delete("/user/user0").await.expect(204);
    stack.users.delete("/user/user1/").await.expect(204);
}

async fn an_unknown_address_is_404(layout: Layout) {
    let stack = layout.spec().await;
    for api in [&stack.users, &stack.offers] {
        for path in ["/nothing", "/nothing/", "/user/ann/offers/", "/graphql/more", "/.env"] {
            api.get(path).await.problem(404);
            api.post(path, json!({})).await.problem(404);
        }
    }
    stack.offers.get("/user/1/").await.problem(404);
    stack.users.post("/offer/", json!({ "user_id": 1 })).await.problem(404);
}

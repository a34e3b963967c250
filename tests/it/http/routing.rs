//! Trailing slashes, unknown paths and methods.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{HttpResponse, send};
use crate::support::fixtures::{password_of, registration};
use crate::support::services::{Services, Topology};

on_every_topology!(
    trailing_slash_is_optional,
    unknown_path_returns_404,
    wrong_method_names_the_right_ones,
    options_names_the_methods,
);

/// Sends a repeatable request to a path with and without its trailing slash.
async fn send_to_both_forms(
    services: &Services,
    method: Method,
    path: &str,
    body: Option<Value>,
    status: u16,
) {
    let api = if path.starts_with("/offer") { &services.offers } else { &services.users };
    let without_slash = path.trim_end_matches('/');
    for path in [without_slash.to_owned(), format!("{without_slash}/")] {
        let request = api.request(method.clone(), &path);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        send(request).await.expect(status);
    }
}

async fn trailing_slash_is_optional(topology: Topology) {
    let services = topology.start_open().await;
    for (number, path) in
        ["/user/registry", "/user/registry/", "/user", "/user/"].into_iter().enumerate()
    {
        let body = registration(&format!("user{number}"));
        services.users.post(path, body).await.expect(201);
    }
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    let (get, post) = (Method::GET, Method::POST);

    let login = json!({ "username": "ann", "password": password_of("ann") });
    send_to_both_forms(&services, post.clone(), "/user/auth", Some(login), 200).await;
    send_to_both_forms(&services, get.clone(), &ann.path(), None, 200).await;
    send_to_both_forms(&services, get.clone(), "/user/ann", None, 200).await;
    send_to_both_forms(&services, get.clone(), "/user", None, 200).await;
    send_to_both_forms(&services, Method::PATCH, "/user/ann", Some(json!({})), 200).await;
    let token = json!({ "refresh_token": ann.refresh_token });
    send_to_both_forms(&services, post.clone(), "/user/refresh", Some(token.clone()), 200).await;
    send_to_both_forms(&services, post.clone(), "/user/logout", Some(token), 204).await;
    let body = json!({ "user_id": ann.id, "title": "bell", "text": "loud" });
    send_to_both_forms(&services, post.clone(), "/offer/create", Some(body), 201).await;
    let body = json!({ "offer_id": offer["id"] });
    send_to_both_forms(&services, post.clone(), "/offer", Some(body), 200).await;
    send_to_both_forms(&services, get.clone(), "/.well-known/jwks.json", None, 200).await;
    send_to_both_forms(&services, get.clone(), "/health/live", None, 200).await;
    send_to_both_forms(&services, get, "/openapi.json", None, 200).await;
    let query = json!({ "query": "{ __typename }" });
    send_to_both_forms(&services, post, "/graphql", Some(query), 200).await;

    let mut password = password_of("ann");
    for path in ["/user/password", "/user/password/"] {
        let session = services.users.post_login("ann", &password).await.expect(200).json();
        let new = format!("{password}, and more");
        let body = json!({ "old_password": password, "new_password": new });
        let as_ann = services.users.bearer(session["access_token"].as_str().unwrap());
        as_ann.post(path, body).await.expect(204);
        password = new;
    }
    services.users.delete("/user/user0").await.expect(204);
    services.users.delete_user("user1").await.expect(204);
}

async fn unknown_path_returns_404(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        for path in ["/nothing", "/nothing/", "/user/ann/offers/", "/graphql/more", "/.env"] {
            api.get(path).await.problem(404);
            api.post(path, json!({})).await.problem(404);
        }
    }
    services.offers.get_user("1").await.problem(404);
    services.users.find_offers_of(1).await.problem(404);
}

/// Every path of users-api with its methods.
const METHODS: [(&str, &[&str]); 15] = [
    ("/", &["GET", "HEAD"]),
    ("/docs", &["GET", "HEAD"]),
    ("/openapi.json", &["GET", "HEAD"]),
    ("/health/live", &["GET", "HEAD"]),
    ("/health/ready", &["GET", "HEAD"]),
    ("/metrics", &["GET", "HEAD"]),
    ("/.well-known/jwks.json", &["GET", "HEAD"]),
    ("/user/registry/", &["POST"]),
    ("/user/auth/", &["POST"]),
    ("/user/logout/", &["POST"]),
    ("/user/password/", &["POST"]),
    ("/user/", &["GET", "HEAD", "POST"]),
    ("/user/1/", &["GET", "HEAD", "PATCH", "DELETE"]),
    ("/graphql", &["GET", "HEAD", "POST"]),
    ("/graphql/ws", &["GET"]),
];

fn sorted_allow(response: &HttpResponse) -> Vec<&str> {
    let mut methods: Vec<_> = response.header("allow").unwrap().split(',').map(str::trim).collect();
    methods.sort_unstable();
    methods
}

async fn wrong_method_names_the_right_ones(topology: Topology) {
    let services = topology.start_open().await;
    for (path, methods) in METHODS {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "BREW"] {
            if methods.contains(&method) {
                continue;
            }
            let request =
                services.users.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
            let response = send(request).await.expect(405);
            let mut expected = methods.to_vec();
            expected.sort_unstable();
            assert_eq!(sorted_allow(&response), expected, "{method} {path}");
            if method != "HEAD" {
                assert!(response.text().contains("METHOD_NOT_ALLOWED"), "{response:?}");
            }
        }
        if methods.contains(&"HEAD") {
            let head = send(services.users.request(Method::HEAD, path)).await;
            let get = services.users.get(path).await;
            assert_eq!(head.status, get.status, "{path}");
            assert_eq!(head.body.len(), 0, "{path}");
        }
    }
}

async fn options_names_the_methods(topology: Topology) {
    let services = topology.start_open().await;
    for (path, methods) in METHODS {
        let response = send(services.users.request(Method::OPTIONS, path)).await.expect(204);
        let mut expected = methods.to_vec();
        expected.sort_unstable();
        assert_eq!(sorted_allow(&response), expected, "{path}");
    }
    send(services.users.request(Method::OPTIONS, "/nothing")).await.problem(404);
}

//! Headers of every response, and the headers for caches.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::{HttpResponse, send};
use crate::support::fixtures::password_of;
use crate::support::services::Topology;

on_every_topology!(responses_that_depend_on_the_token_say_so);

/// The headers of every response, errors included.
const SECURITY_HEADERS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[tokio::test]
async fn every_response_has_security_headers() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    services.register("ann").await;
    for api in services.both() {
        let graphql = api.post("/graphql", json!({ "query": "{ __typename }" })).await;
        let page = api.request(Method::GET, "/").header("accept", "text/html");
        let responses = [
            api.get("/health/live").await.expect(200),
            api.get("/openapi.json").await.expect(200),
            api.get("/nothing/here").await.expect(404),
            graphql.expect(200),
            send(page).await.expect(200),
        ];
        for response in responses {
            for (name, value) in SECURITY_HEADERS {
                assert_eq!(response.header(name), Some(value), "{}", response.url);
            }
            let policy = response.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'"), "{}: {policy}", response.url);
            assert!(policy.contains("frame-ancestors 'none'"), "{}: {policy}", response.url);
        }
    }
}

/// Returns the names in `Vary`, in lower case.
fn varies_by(response: &HttpResponse) -> Vec<String> {
    let lists = response.headers.get_all(header::VARY).iter().map(|list| list.to_str().unwrap());
    lists.flat_map(|list| list.split(',')).map(|name| name.trim().to_lowercase()).collect()
}

async fn responses_that_depend_on_the_token_say_so(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let no_store = Some("no-store");
    let query = || json!({ "query": "{ __typename }" });
    for (token, expected) in
        [(None, None), (Some(&ann.access_token), no_store), (Some(&ann.refresh_token), no_store)]
    {
        let [users, offers] = services.both().map(|api| match token {
            Some(token) => api.bearer(token),
            None => api.clone(),
        });
        let get = "/graphql?query={me{email}}";
        let responses = [
            (users.get_user("ann").await, expected),
            (users.get_user("nobody").await, expected),
            (users.get_users().await, expected),
            (users.patch_user("ann", json!({})).await, expected),
            (users.post_login("ann", password_of("ann")).await, no_store),
            (offers.find_offers_of(ann.id).await, expected),
            (users.get(get).await, expected),
            (offers.post("/graphql", query()).await, expected),
        ];
        for (response, expected) in responses {
            assert!(varies_by(&response).contains(&"authorization".to_owned()), "{response:?}");
            assert_eq!(response.header(header::CACHE_CONTROL), expected, "{response:?}");
        }
        for path in ["/health/live", "/openapi.json", "/.well-known/jwks.json", "/nothing"] {
            let response = users.get(path).await;
            assert!(!varies_by(&response).contains(&"authorization".to_owned()), "{response:?}");
            assert_ne!(response.header(header::CACHE_CONTROL), no_store, "{response:?}");
        }
    }
}

/// The id of a request may end in logs of other systems.
#[tokio::test]
async fn request_id_is_echoed_if_it_is_short_and_visible() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    let answer = async |id: &str| {
        let request = services.users.request(Method::GET, "/health/live");
        let response = send(request.header("x-request-id", id)).await.expect(200);
        response.header("x-request-id").unwrap().to_owned()
    };
    let longest = "x".repeat(128);
    assert_eq!(answer(&longest).await, longest);
    let mut new =
        vec![services.users.get("/user/").await.header("x-request-id").unwrap().to_owned()];
    for bad in [&format!("{longest}x"), "a b", ""] {
        new.push(answer(bad).await);
    }
    new.sort_unstable();
    new.dedup();
    assert!(new.len() == 4 && new.iter().all(|id| id.len() == 36), "{new:?}");
}

/// Each reader could take another of the two.
#[tokio::test]
async fn repeated_header_is_400() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bearer = format!("Bearer {}", ann.access_token);
    let offer = json!({ "user_id": ann.id, "title": "chair", "text": "old" }).to_string();
    for (name, value) in [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ] {
        for (count, status) in [(1, 201), (2, 400)] {
            let mut request = services.offers.request(Method::POST, "/offer/create/");
            for _ in 0..count {
                request = request.header(name, value);
            }
            let response = send(request.body(offer.clone())).await;
            assert_eq!(response.status, status, "{name}: {response:?}");
        }
    }
}

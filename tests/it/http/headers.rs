//! Security headers.

use reqwest::Method;
use serde_json::json;

use crate::support::client::send;
use crate::support::services::Topology;

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

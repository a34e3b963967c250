//! What a browser is told not to do with an answer.

use reqwest::Method;
use serde_json::json;

use crate::support::client::Answer;
use crate::support::services::Layout;

/// On every answer, those of failures too.
const ALWAYS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

#[tokio::test]
async fn every_answer_is_hardened() {
    let stack = Layout::SQLITE_ONE.spec().await;
    stack.register("ann").await;
    for api in [&stack.users, &stack.offers] {
        let graphql = api.post("/graphql", json!({ "query": "{ __typename }" })).await;
        let page = api.request(Method::GET, "/").header("accept", "text/html");
        let answers = [
            api.get("/health/live").await.expect(200),
            api.get("/openapi.json").await.expect(200),
            api.get("/nothing/here").await.expect(404),
            graphql.expect(200),
            Answer::to(page).await.expect(200),
        ];
        for answer in answers {
            for (name, value) in ALWAYS {
                assert_eq!(answer.header(name), Some(value), "{}", answer.url);
            }
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'"), "{}: {policy}", answer.url);
            assert!(policy.contains("frame-ancestors 'none'"), "{}: {policy}", answer.url);
        }
    }
}

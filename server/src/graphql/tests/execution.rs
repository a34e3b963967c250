//! What the executor must get right. Some releases of it did not.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::{Server, code};

#[tokio::test]
async fn fields_keep_the_order_of_the_query() {
    let server = Server::start().await;
    let body = server.post(json!({ "query": "{ waits hello releases }" }).to_string());
    let text = body.send().await.unwrap().text().await.unwrap();
    assert_eq!(text, r#"{"data":{"waits":true,"hello":"world","releases":true}}"#);
}

#[tokio::test]
async fn a_null_travels_up_to_the_next_that_may_be_null() {
    let server = Server::start().await;
    let (status, answer) = server.query("{ hello node { node { name fails } } }").await;
    assert_eq!(status, 200);
    assert_eq!(answer["data"], json!({ "hello": "world", "node": null }));
    assert_eq!(answer["errors"][0]["path"], json!(["node", "node", "fails"]));
    assert_eq!(code(&answer), "FORBIDDEN");
}

#[tokio::test]
async fn a_field_that_may_be_null_fails_alone() {
    let server = Server::start().await;
    let (status, answer) = server.query("{ fails hello }").await;
    assert_eq!((status, code(&answer).as_str()), (200, "FORBIDDEN"));
    assert_eq!(answer["data"], json!({ "fails": null, "hello": "world" }));
}

#[tokio::test]
async fn a_mutation_runs_each_field_once() {
    let server = Server::start().await;
    let (_, answer) = server.query("mutation { count { times } count { again } }").await;
    assert_eq!(answer, json!({ "data": { "count": { "times": 1, "again": 1 } } }));
    let twice = "mutation { count { times } ...F } fragment F on Mutation { count { again } }";
    let (status, code) = server.refusal(twice).await;
    assert_eq!((status, code.as_str()), (400, "GRAPHQL_VALIDATION_FAILED"));
    let (_, answer) = server.query("mutation { a: count { times } b: count { times } }").await;
    assert_eq!(answer["data"], json!({ "a": { "times": 2 }, "b": { "times": 3 } }));
    assert_eq!(server.stage.count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_mutation_is_finished_though_nobody_waits() {
    let server = Server::start().await;
    let request = server.post(json!({ "query": "mutation { slow }" }).to_string());
    let call = tokio::spawn(request.send());
    server.stage.begun.notified().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // The server has seen the client go when it answers on a new connection after that.
    server.query("{ hello }").await;
    server.stage.go.notify_one();
    crate::graphql::tests::socket::until(|| server.stage.count.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_panic_is_told_as_ours_and_hurts_nobody_else() {
    let server = Server::start().await;
    for query in ["{ panics }", "mutation { panics }"] {
        let (status, code) = server.refusal(query).await;
        assert_eq!((status, code.as_str()), (500, "INTERNAL"));
    }
    assert_eq!(server.query("{ hello }").await.0, 200);
}

#[tokio::test]
async fn an_error_without_a_code_is_not_told() {
    let server = Server::start().await;
    let (status, answer) = server.query("{ leaks }").await;
    assert_eq!((status, code(&answer).as_str()), (200, "INTERNAL"));
    assert!(!answer.to_string().contains("secret"), "{answer}");
    assert_eq!(answer["data"], json!({ "leaks": null }));
}

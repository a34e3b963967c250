//! The rules of execution. Some releases of async-graphql break them.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::{Server, code};

#[tokio::test]
async fn fields_keep_the_order_of_the_query() {
    let server = Server::start().await;
    let body = server.post(json!({ "query": "{ waits hello releases }" }).to_string());
    let text = body.send().await.unwrap().text().await.unwrap();
    assert_eq!(text, r#"{"data":{"waits":true,"hello":"world","releases":true}}"#);
}

#[tokio::test]
async fn null_propagates_to_the_nearest_nullable_parent() {
    let server = Server::start().await;
    let (status, answer) = server.query("{ hello node { node { name fails } } }").await;
    assert_eq!(status, 200);
    assert_eq!(answer["data"], json!({ "hello": "world", "node": null }));
    assert_eq!(answer["errors"][0]["path"], json!(["node", "node", "fails"]));
    assert_eq!(code(&answer), "FORBIDDEN");
}

#[tokio::test]
async fn nullable_field_fails_alone() {
    let server = Server::start().await;
    let (status, answer) = server.query("{ fails hello }").await;
    assert_eq!((status, code(&answer).as_str()), (200, "FORBIDDEN"));
    assert_eq!(answer["data"], json!({ "fails": null, "hello": "world" }));
}

#[tokio::test]
async fn mutation_runs_each_field_once() {
    let server = Server::start().await;
    let (_, answer) = server.query("mutation { count { times } count { again } }").await;
    assert_eq!(answer, json!({ "data": { "count": { "times": 1, "again": 1 } } }));
    let twice = "mutation { count { times } ...F } fragment F on Mutation { count { again } }";
    let (_, answer) = server.query(twice).await;
    assert_eq!(answer, json!({ "data": { "count": { "times": 2, "again": 2 } } }));
    let (_, answer) = server.query("mutation { a: count { times } b: count { times } }").await;
    assert_eq!(answer["data"], json!({ "a": { "times": 3 }, "b": { "times": 4 } }));
    let conditions = "mutation($no: Boolean = true) { count { times }
        count @skip(if: true) { again } ... @skip(if: $no) { a: count { again } count { again } } }";
    let (_, answer) = server.query(conditions).await;
    assert_eq!(answer, json!({ "data": { "count": { "times": 5 } } }));
    assert_eq!(server.stage.count.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn mutation_completes_after_client_disconnects() {
    let server = Server::start().await;
    let request = server.post(json!({ "query": "mutation { slow }" }).to_string());
    let call = tokio::spawn(request.send());
    server.stage.begun.notified().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // Once the server answers on a new connection, it has noticed the disconnect.
    server.query("{ hello }").await;
    server.stage.go.notify_one();
    crate::socket::wait_until(|| server.stage.count.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn panic_is_500_and_the_server_survives() {
    let server = Server::start().await;
    for query in ["{ panics }", "mutation { panics }"] {
        let (status, code) = server.request_error(query).await;
        assert_eq!((status, code.as_str()), (500, "INTERNAL"));
    }
    assert_eq!(server.query("{ hello }").await.0, 200);
}

#[tokio::test]
async fn error_without_a_code_is_masked() {
    let server = Server::start().await;
    let (status, answer) = server.query("{ leaks }").await;
    assert_eq!((status, code(&answer).as_str()), (200, "INTERNAL"));
    assert!(!answer.to_string().contains("secret"), "{answer}");
    assert_eq!(answer["data"], json!({ "leaks": null }));
}

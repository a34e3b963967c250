//! The operations on a connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{Server, code, socket::wait_until};
use futures_util::future::BoxFuture;
use graphql_http::{TaskContext, WebSocketLimits};

#[tokio::test]
async fn subscription_ends_with_complete() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("a", "subscription { numbers(to: 3) }").await;
    for number in 1..=3 {
        let next =
            json!({ "type": "next", "id": "a", "payload": { "data": { "numbers": number } } });
        assert_eq!(socket.receive().await, next);
    }
    assert_eq!(socket.receive().await, json!({ "type": "complete", "id": "a" }));
    // The id can be used again.
    socket.subscribe("a", "{ hello }").await;
    let next = json!({ "type": "next", "id": "a", "payload": { "data": { "hello": "world" } } });
    assert_eq!(socket.receive().await, next);
    assert_eq!(socket.receive().await, json!({ "type": "complete", "id": "a" }));
}

#[tokio::test]
async fn queries_and_mutations_run_beside_subscriptions() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("s", "subscription { never }").await;
    socket.subscribe("q", "{ waits }").await;
    socket.subscribe("m", "mutation { count { times } }").await;
    assert_eq!(socket.receive().await["id"], "m");
    assert_eq!(socket.receive().await["id"], "m");
    socket.subscribe("r", "{ releases }").await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        let message = socket.receive().await;
        heard.push((message["id"].to_string(), message["type"].to_string()));
    }
    heard.sort();
    let message = |id: &str, kind: &str| (format!("\"{id}\""), format!("\"{kind}\""));
    let both = |id| [message(id, "complete"), message(id, "next")];
    assert_eq!(heard, [both("q"), both("r")].concat());
}

#[tokio::test]
async fn complete_stops_a_stream_silently() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("s", "subscription { never }").await;
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    socket.send(json!({ "type": "complete", "id": "unknown" })).await;
    socket.send(json!({ "type": "complete", "id": "s" })).await;
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
    socket.send(json!({ "type": "ping", "payload": { "n": 1 } })).await;
    assert_eq!(socket.receive().await, json!({ "type": "pong", "payload": { "n": 1 } }));
    socket.send(json!({ "type": "pong" })).await;
    socket.subscribe("s", "{ hello }").await;
    assert_eq!(socket.receive().await["type"], "next");
}

#[tokio::test]
async fn disconnect_drops_streams() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("s", "subscription { never }").await;
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    drop(socket);
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
}

async fn request_error(query: &str) -> Value {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("e", query).await;
    let message = socket.receive().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("e")), "{message}");
    // An error ends the operation: no complete follows, and the id can be used again.
    socket.subscribe("e", "{ hello }").await;
    assert_eq!(socket.receive().await["type"], "next");
    json!({ "errors": message["payload"] })
}

#[tokio::test]
async fn request_errors_have_a_code() {
    for (query, expected) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { never me }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($t: String!) { echo(text: $t) }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { a: login b: login }", "QUERY_TOO_COMPLEX"),
        ("subscription { refused }", "FORBIDDEN"),
        ("subscription { panics }", "INTERNAL"),
        ("{ panics }", "INTERNAL"),
    ] {
        assert_eq!(code(&request_error(query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn field_errors_do_not_end_a_stream() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("s", "subscription { nodes { fails } }").await;
    let event = socket.receive().await;
    assert_eq!(event["type"], "next");
    assert_eq!(event["payload"]["data"], json!({ "nodes": null }));
    assert_eq!(code(&event["payload"]), "FORBIDDEN");
    assert_eq!(socket.receive().await["payload"], json!({ "data": { "nodes": null } }));
    assert_eq!(socket.receive().await["type"], "complete");
}

#[tokio::test]
async fn subscription_field_may_be_in_a_fragment() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    for query in [
        "subscription { ...F } fragment F on Subscriptions { numbers(to: 1) }",
        "subscription { ... on Subscriptions { ... { numbers(to: 1) } } }",
    ] {
        socket.subscribe("f", query).await;
        assert_eq!(
            socket.receive().await["payload"],
            json!({ "data": { "numbers": 1 } }),
            "{query}"
        );
        assert_eq!(socket.receive().await["type"], "complete");
    }
}

#[tokio::test]
async fn excess_operations_are_rejected() {
    let limits = WebSocketLimits { max_operations: 2, ..WebSocketLimits::default() };
    let server = Server::with(|endpoint| endpoint.websocket_limits = limits).await;
    let mut socket = server.initialised_socket(json!(null)).await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, "subscription { never }").await;
    }
    let message = socket.receive().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("3")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "TOO_MANY_REQUESTS");
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("3", "{ hello }").await;
    assert_eq!(socket.receive().await["type"], "next");
}

#[tokio::test]
async fn slow_operation_times_out() {
    let limits = WebSocketLimits {
        operation_timeout: Duration::from_millis(50),
        ..WebSocketLimits::default()
    };
    let server = Server::with(|endpoint| endpoint.websocket_limits = limits).await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("1", "{ waits }").await;
    let message = socket.receive().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["payload"][0]["extensions"]["code"], "TIMEOUT");
}

#[tokio::test]
async fn client_that_does_not_read_is_disconnected() {
    let limits =
        WebSocketLimits { send_timeout: Duration::from_millis(500), ..WebSocketLimits::default() };
    let server = Server::with(|endpoint| endpoint.websocket_limits = limits).await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("f", "subscription { flood }").await;
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
    // The received events are in the buffers of the network.
    assert!(server.stage.count.load(Ordering::SeqCst) < 300);
}

#[tokio::test]
async fn silent_client_is_disconnected_and_responsive_one_kept() {
    let limits =
        WebSocketLimits { keep_alive: Duration::from_millis(100), ..WebSocketLimits::default() };
    let server = Server::with(|endpoint| endpoint.websocket_limits = limits).await;
    let mut silent = server.initialised_socket(json!(null)).await;
    silent.subscribe("1", "subscription { never }").await;
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    let mut alive = server.initialised_socket(json!(null)).await;
    alive.subscribe("1", "{ waits }").await;
    // Reading answers the pings meanwhile.
    let heard = tokio::spawn(async move { (alive.receive().await, alive) });
    wait_until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
    server.query("{ releases }").await;
    assert_eq!(heard.await.unwrap().0["type"], "next");
    drop(silent);
}

/// Counts the tasks that outlive a request.
#[derive(Default)]
struct WrappedTasks {
    mutations: AtomicUsize,
    connections: AtomicUsize,
}

impl TaskContext for WrappedTasks {
    fn wrap_mutation(&self, execution: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.mutations.fetch_add(1, Ordering::SeqCst);
        execution
    }

    fn wrap_connection(&self, connection: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        connection
    }
}

#[tokio::test]
async fn context_wraps_mutations_and_connections() {
    let tasks = Arc::new(WrappedTasks::default());
    let server = Server::with(|endpoint| endpoint.task_context = Arc::clone(&tasks) as _).await;
    let count = |tasks: &WrappedTasks| {
        (tasks.mutations.load(Ordering::SeqCst), tasks.connections.load(Ordering::SeqCst))
    };
    server.query("{ hello }").await;
    assert_eq!(count(&tasks), (0, 0));
    server.query("mutation { login }").await;
    assert_eq!(count(&tasks), (1, 0));
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("m", "mutation { login }").await;
    assert_eq!(socket.receive().await["type"], "next");
    assert_eq!(count(&tasks), (2, 1));
}

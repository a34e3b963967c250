//! What runs on a socket.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};

use super::{Server, Sockets, code, socket::until};

#[tokio::test]
async fn a_subscription_runs_to_its_end() {
    let server = Server::start().await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("a", "subscription { numbers(to: 3) }").await;
    for number in 1..=3 {
        let next =
            json!({ "type": "next", "id": "a", "payload": { "data": { "numbers": number } } });
        assert_eq!(socket.hear().await, next);
    }
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "a" }));
    // The id is free again.
    socket.subscribe("a", "{ hello }").await;
    let next = json!({ "type": "next", "id": "a", "payload": { "data": { "hello": "world" } } });
    assert_eq!(socket.hear().await, next);
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "a" }));
}

#[tokio::test]
async fn queries_and_mutations_run_beside_subscriptions() {
    let server = Server::start().await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("s", "subscription { never }").await;
    socket.subscribe("q", "{ waits }").await;
    socket.subscribe("m", "mutation { count { times } }").await;
    assert_eq!(socket.hear().await["id"], "m");
    assert_eq!(socket.hear().await["id"], "m");
    socket.subscribe("r", "{ releases }").await;
    let mut heard = Vec::new();
    for _ in 0..4 {
        let message = socket.hear().await;
        heard.push((message["id"].to_string(), message["type"].to_string()));
    }
    heard.sort();
    let said = |id: &str, kind: &str| (format!("\"{id}\""), format!("\"{kind}\""));
    let both = |id| [said(id, "complete"), said(id, "next")];
    assert_eq!(heard, [both("q"), both("r")].concat());
}

#[tokio::test]
async fn complete_stops_a_stream_and_says_nothing_more() {
    let server = Server::start().await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("s", "subscription { never }").await;
    until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    socket.say(json!({ "type": "complete", "id": "unknown" })).await;
    socket.say(json!({ "type": "complete", "id": "s" })).await;
    until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
    socket.say(json!({ "type": "ping", "payload": { "n": 1 } })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong", "payload": { "n": 1 } }));
    socket.say(json!({ "type": "pong" })).await;
    socket.subscribe("s", "{ hello }").await;
    assert_eq!(socket.hear().await["type"], "next");
}

#[tokio::test]
async fn a_socket_that_goes_takes_its_streams_along() {
    let server = Server::start().await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("s", "subscription { never }").await;
    until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    drop(socket);
    until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
}

async fn error(query: &str) -> Value {
    let server = Server::start().await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("e", query).await;
    let message = socket.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("e")), "{message}");
    // An error is the end: no complete follows, and the id is free.
    socket.subscribe("e", "{ hello }").await;
    assert_eq!(socket.hear().await["type"], "next");
    json!({ "errors": message["payload"] })
}

#[tokio::test]
async fn what_cannot_run_is_an_error_with_a_code() {
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
        assert_eq!(code(&error(query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn the_errors_of_an_event_do_not_end_a_stream() {
    let server = Server::start().await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("s", "subscription { nodes { fails } }").await;
    let event = socket.hear().await;
    assert_eq!(event["type"], "next");
    assert_eq!(event["payload"]["data"], json!({ "nodes": null }));
    assert_eq!(code(&event["payload"]), "FORBIDDEN");
    assert_eq!(socket.hear().await["payload"], json!({ "data": { "nodes": null } }));
    assert_eq!(socket.hear().await["type"], "complete");
}

#[tokio::test]
async fn a_subscription_may_stand_in_a_fragment() {
    let server = Server::start().await;
    let mut socket = server.ready(json!(null)).await;
    for query in [
        "subscription { ...F } fragment F on Subscriptions { numbers(to: 1) }",
        "subscription { ... on Subscriptions { ... { numbers(to: 1) } } }",
    ] {
        socket.subscribe("f", query).await;
        assert_eq!(socket.hear().await["payload"], json!({ "data": { "numbers": 1 } }), "{query}");
        assert_eq!(socket.hear().await["type"], "complete");
    }
}

#[tokio::test]
async fn operations_are_bounded() {
    let sockets = Sockets { operations: 2, ..Sockets::default() };
    let server = Server::with(|endpoint| endpoint.sockets = sockets).await;
    let mut socket = server.ready(json!(null)).await;
    for id in ["1", "2", "3"] {
        socket.subscribe(id, "subscription { never }").await;
    }
    let message = socket.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("3")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "TOO_MANY_REQUESTS");
    socket.say(json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("3", "{ hello }").await;
    assert_eq!(socket.hear().await["type"], "next");
}

#[tokio::test]
async fn an_operation_that_takes_too_long_is_ended() {
    let sockets = Sockets { operation: Duration::from_millis(50), ..Sockets::default() };
    let server = Server::with(|endpoint| endpoint.sockets = sockets).await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("1", "{ waits }").await;
    let message = socket.hear().await;
    assert_eq!(message["type"], "error");
    assert_eq!(message["payload"][0]["extensions"]["code"], "TIMEOUT");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_its_streams_and_is_let_go() {
    let sockets = Sockets { send: Duration::from_millis(500), ..Sockets::default() };
    let server = Server::with(|endpoint| endpoint.sockets = sockets).await;
    let mut socket = server.ready(json!(null)).await;
    socket.subscribe("f", "subscription { flood }").await;
    until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
    // What was taken lies in the buffers of the network.
    assert!(server.stage.count.load(Ordering::SeqCst) < 300);
}

#[tokio::test]
async fn a_client_that_is_silent_is_let_go_and_one_that_answers_is_not() {
    let sockets = Sockets { keep_alive: Duration::from_millis(100), ..Sockets::default() };
    let server = Server::with(|endpoint| endpoint.sockets = sockets).await;
    let mut silent = server.ready(json!(null)).await;
    silent.subscribe("1", "subscription { never }").await;
    until(|| server.stage.streams.load(Ordering::SeqCst) == 1).await;
    let mut alive = server.ready(json!(null)).await;
    alive.subscribe("1", "{ waits }").await;
    // Reading answers the pings meanwhile.
    let heard = tokio::spawn(async move { (alive.hear().await, alive) });
    until(|| server.stage.streams.load(Ordering::SeqCst) == 0).await;
    server.query("{ releases }").await;
    assert_eq!(heard.await.unwrap().0["type"], "next");
    drop(silent);
}

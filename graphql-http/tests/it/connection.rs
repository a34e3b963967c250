//! The begin and the end of a connection.

use std::time::Duration;

use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::Server;
use graphql_http::WebSocketLimits;

fn one_second_to_initialise() -> WebSocketLimits {
    WebSocketLimits { init_timeout: Duration::from_secs(1), ..WebSocketLimits::default() }
}

#[tokio::test]
async fn unsupported_protocol_4406() {
    let server = Server::start().await;
    for protocols in [None, Some("graphql-ws"), Some("other, else")] {
        let mut socket = server.open_socket(protocols, None).await;
        assert_eq!(socket.closed().await, (4406, "Subprotocol not acceptable".to_owned()));
    }
    let mut socket = server.open_socket(Some("graphql-ws, graphql-transport-ws"), None).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.receive().await["type"], "connection_ack");
}

#[tokio::test]
async fn plain_http_is_rejected() {
    let server = Server::start().await;
    let response = server.http.get(format!("{}/ws", server.url())).send().await.unwrap();
    assert!(response.status().is_client_error());
}

#[tokio::test]
async fn invalid_message_4400() {
    let server = Server::start().await;
    for text in [
        "",
        "nonsense",
        "7",
        "[]",
        "{}",
        r#"{"type":"start"}"#,
        r#"{"type":"next","id":"1"}"#,
        r#"{"type":7}"#,
        r#"{"type":"connection_init","payload":7}"#,
        r#"{"type":"ping","payload":[]}"#,
        r#"{"type":"complete"}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{ hello }"}}"#,
        r#"{"type":"subscribe","id":7,"payload":{"query":"{ hello }"}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ hello }","variables":"{}"}}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{ hello }","operationName":7}}"#,
    ] {
        let mut socket = server.initialised_socket(json!(null)).await;
        socket.send_text(text).await;
        assert_eq!(socket.closed().await.0, 4400, "{text}");
    }
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.0.send(Message::binary(&br#"{"type":"ping"}"#[..])).await.unwrap();
    assert_eq!(socket.closed().await.0, 4400);
}

#[tokio::test]
async fn not_initialised_4401() {
    let server = Server::start().await;
    let mut socket = server.socket().await;
    socket.subscribe("1", "{ hello }").await;
    assert_eq!(socket.closed().await, (4401, "Unauthorized".to_owned()));
}

#[tokio::test]
async fn token_is_read_from_payload_or_headers() {
    let server = Server::start().await;
    for payload in [
        json!({ "Authorization": "Bearer good" }),
        json!({ "authorization": "bearer good", "other": 1 }),
    ] {
        let mut socket = server.initialised_socket(payload).await;
        socket.subscribe("1", "{ me }").await;
        assert_eq!(socket.receive().await["payload"]["data"]["me"], 7);
        assert_eq!(socket.receive().await["type"], "complete");
        socket.subscribe("2", "subscription { me }").await;
        assert_eq!(socket.receive().await["payload"]["data"]["me"], 7);
    }
    let mut socket = server.open_socket(Some("graphql-transport-ws"), Some("Bearer good")).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.receive().await["type"], "connection_ack");
    socket.subscribe("1", "{ me }").await;
    assert_eq!(socket.receive().await["payload"]["data"]["me"], 7);
}

#[tokio::test]
async fn invalid_token_4403() {
    let server = Server::start().await;
    for authorization in [json!("Bearer bad"), json!("good"), json!(7), json!(null), json!("ä\n")]
    {
        let mut socket = server.socket().await;
        let payload = json!({ "Authorization": authorization });
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()), "{authorization}");
    }
}

#[tokio::test]
async fn unverifiable_token_1013() {
    let server = Server::start().await;
    let mut socket = server.socket().await;
    let payload = json!({ "Authorization": "Bearer busy" });
    socket.send(json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(socket.closed().await.0, 1013);
}

#[tokio::test]
async fn expired_token_4403() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!({ "Authorization": "Bearer short" })).await;
    socket.subscribe("1", "subscription { never }").await;
    assert_eq!(socket.closed().await, (4403, "Forbidden".to_owned()));
}

#[tokio::test]
async fn late_init_4408() {
    let server =
        Server::with(|endpoint| endpoint.websocket_limits = one_second_to_initialise()).await;
    let mut socket = server.socket().await;
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.receive().await, json!({ "type": "pong" }));
    assert_eq!(socket.closed().await, (4408, "Connection initialisation timeout".to_owned()));
}

#[tokio::test]
async fn duplicate_id_4409() {
    let server = Server::start().await;
    let long = "ü".repeat(128);
    for id in ["1", &long] {
        let mut socket = server.initialised_socket(json!({})).await;
        socket.subscribe(id, "subscription { never }").await;
        socket.subscribe(id, "{ hello }").await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 4409);
        assert!(reason.starts_with("Subscriber for ") && reason.ends_with(" already exists"));
    }
}

#[tokio::test]
async fn second_init_4429() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, (4429, "Too many initialisation requests".to_owned()));
}

#[tokio::test]
async fn too_large_message_1009() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    let text = json!({ "type": "ping", "payload": { "x": "x".repeat(256 * 1024) } }).to_string();
    socket.send_text(&text).await;
    assert_eq!(socket.closed().await.0, 1009);
}

#[tokio::test]
async fn shutdown_1001() {
    let server = Server::start().await;
    let mut socket = server.initialised_socket(json!(null)).await;
    socket.subscribe("1", "subscription { never }").await;
    server.shutdown.send(true).unwrap();
    assert_eq!(socket.closed().await, (1001, "Going away".to_owned()));
}

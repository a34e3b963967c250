//! GraphQL over WebSocket.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::client::ApiClient;
use super::wait::TIMEOUT;

/// An initialised connection with the protocol `graphql-transport-ws`.
pub(crate) struct GraphqlSocket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl ApiClient {
    /// Opens and initialises a connection, with the access token in the payload if there is one.
    pub(crate) async fn websocket(&self) -> GraphqlSocket {
        let url = self.url("/graphql/ws").to_string().replacen("http", "ws", 1);
        let mut request = url.into_client_request().unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        if let Some(address) = &self.forwarded_for {
            request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        }
        let mut socket = GraphqlSocket(connect_async(request).await.unwrap().0);
        let payload =
            self.token.as_ref().map(|token| json!({ "Authorization": format!("Bearer {token}") }));
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }
}

impl GraphqlSocket {
    pub(crate) async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Returns the next message, `None` if the connection is closed.
    pub(crate) async fn receive_unless_closed(&mut self) -> Option<Value> {
        loop {
            match timeout(TIMEOUT, self.0.next()).await.expect("no message")?.ok()? {
                Message::Ping(_) | Message::Pong(_) => (),
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                _ => return None,
            }
        }
    }

    /// Returns the next message, and asserts that the connection is open.
    pub(crate) async fn receive(&mut self) -> Value {
        self.receive_unless_closed().await.expect("the connection is open")
    }

    /// Runs a query or a mutation, and returns its result.
    pub(crate) async fn execute(&mut self, query: &str, variables: Value) -> Value {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": "execute", "payload": payload })).await;
        let result = self.receive().await;
        assert_eq!(result["type"], "next", "{result}");
        assert_eq!(self.receive().await, json!({ "type": "complete", "id": "execute" }));
        result["payload"].clone()
    }

    /// Starts a subscription. The service reads messages in order, so the subscription is active
    /// once the pings after it are answered.
    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
        for _ in 0..2 {
            self.send(json!({ "type": "ping" })).await;
            assert_eq!(self.receive().await, json!({ "type": "pong" }));
        }
    }

    /// Returns the data of the next event of a subscription.
    pub(crate) async fn next_event(&mut self, id: &str) -> Value {
        let message = self.receive().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        assert!(message["payload"].get("errors").is_none(), "{message}");
        message["payload"]["data"].clone()
    }
}

//! GraphQL over WebSocket.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::support::client::Api;
use crate::support::wait::PATIENCE;

/// A socket of `graphql-transport-ws` that is ready.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Api {
    pub(crate) async fn socket(&self) -> Socket {
        let url = self.url("/graphql/ws").to_string().replacen("http", "ws", 1);
        let mut request = url.into_client_request().unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let mut socket = Socket(connect_async(request).await.unwrap().0);
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }
}

impl Socket {
    pub(crate) async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// The next message, or nothing where the socket is gone.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing was said")?.ok()? {
                Message::Ping(_) | Message::Pong(_) => (),
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                _ => return None,
            }
        }
    }

    /// The next message of a socket that must be there.
    pub(crate) async fn hear(&mut self) -> Value {
        self.next().await.expect("the socket is there")
    }

    /// Starts a subscription. The service has taken it up when it answers the pings that follow:
    /// it reads one message after the other.
    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
        for _ in 0..2 {
            self.say(json!({ "type": "ping" })).await;
            assert_eq!(self.hear().await, json!({ "type": "pong" }));
        }
    }

    /// The data of the next event of a subscription.
    pub(crate) async fn event(&mut self, id: &str) -> Value {
        let message = self.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        assert!(message["payload"].get("errors").is_none(), "{message}");
        message["payload"]["data"].clone()
    }
}

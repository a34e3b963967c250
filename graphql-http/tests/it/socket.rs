//! A WebSocket client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::Server;

/// The time that a test waits for an event.
const EVENT_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Server {
    /// Opens a socket of the protocol.
    pub(crate) async fn socket(&self) -> Socket {
        self.open_socket(Some("graphql-transport-ws"), None).await
    }

    /// Opens a socket and initialises the connection.
    pub(crate) async fn initialised_socket(&self, payload: Value) -> Socket {
        let mut socket = self.socket().await;
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub(crate) async fn open_socket(&self, protocols: Option<&str>, token: Option<&str>) -> Socket {
        let url = format!("ws://{}/graphql/ws", self.address);
        let mut request = url.into_client_request().unwrap();
        let headers = [("sec-websocket-protocol", protocols), ("authorization", token)];
        for (name, value) in headers.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        Socket(connect_async(request).await.unwrap().0)
    }
}

impl Socket {
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    async fn next_frame(&mut self) -> Message {
        loop {
            let message = timeout(EVENT_TIMEOUT, self.0.next()).await.expect("no message");
            match message.expect("no close frame").expect("a broken socket") {
                Message::Ping(_) | Message::Pong(_) => (),
                message => return message,
            }
        }
    }

    /// Receives the next message.
    pub(crate) async fn receive(&mut self) -> Value {
        match self.next_frame().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Receives the close frame, which must be the next.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        match self.next_frame().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

/// Polls until the condition holds.
pub(crate) async fn wait_until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(EVENT_TIMEOUT, waiting).await.expect("the condition never held");
}

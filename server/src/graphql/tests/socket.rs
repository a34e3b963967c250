//! A client for the tests of WebSockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::Server;

const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Socket(pub(super) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Server {
    /// A socket of the protocol that nothing was said on.
    pub(super) async fn socket(&self) -> Socket {
        self.open(Some("graphql-transport-ws"), None).await
    }

    /// A socket that operations can be run on.
    pub(super) async fn ready(&self, payload: Value) -> Socket {
        let mut socket = self.socket().await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub(super) async fn open(&self, protocols: Option<&str>, token: Option<&str>) -> Socket {
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
    pub(super) async fn say(&mut self, message: Value) {
        self.text(&message.to_string()).await;
    }

    pub(super) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    async fn message(&mut self) -> Message {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("nothing was said");
            match message.expect("gone without a word").expect("a broken socket") {
                Message::Ping(_) | Message::Pong(_) => (),
                message => return message,
            }
        }
    }

    /// The next message.
    pub(super) async fn hear(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// How the socket is closed; nothing else may be said before.
    pub(super) async fn closed(&mut self) -> (u16, String) {
        match self.message().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }
}

/// Polls until it is so.
pub(super) async fn until(so: impl Fn() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it never came so");
}

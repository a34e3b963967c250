//! GraphQL over WebSocket: the sub-protocol `graphql-transport-ws`, by the PROTOCOL.md of
//! graphql-ws.
//!
//! [`message`] is what is sent and received, [`connection`] the life of a socket, [`operations`]
//! what runs on it.

mod connection;
mod message;
mod operations;

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::{
    extract::{State, ws::WebSocketUpgrade},
    http::{HeaderMap, HeaderValue},
    response::Response,
};

use super::{BODY, Shared};
use crate::{auth, client_ip, problem::Problem};

const PROTOCOL: &str = "graphql-transport-ws";

/// What a WebSocket may do.
#[derive(Clone, Copy, Debug)]
pub struct Sockets {
    /// How long a client may wait before it initialises the connection.
    pub init: Duration,
    /// How often a client is asked whether it is still there. One that has sent nothing at all
    /// since it was asked is let go the next time.
    pub keep_alive: Duration,
    /// How long a client may take to read one message.
    pub send: Duration,
    /// How long a query or mutation may take.
    pub operation: Duration,
    /// Operations at once.
    pub operations: usize,
}

impl Default for Sockets {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(10),
            keep_alive: Duration::from_secs(12),
            send: Duration::from_secs(10),
            operation: Duration::from_secs(30),
            operations: 100,
        }
    }
}

/// Takes a WebSocket.
pub(super) async fn upgrade<E: Executor>(
    State(shared): State<Arc<Shared<E>>>,
    headers: HeaderMap,
    mut upgrade: WebSocketUpgrade,
) -> Response {
    let token = match auth::bearer_token(&headers) {
        Ok(token) => token.map(str::to_owned),
        Err(error) => return axum::response::IntoResponse::into_response(Problem::from(error)),
    };
    let known = HeaderValue::from_static(PROTOCOL);
    // A client whose protocol is not confirmed never sees a close code, so even one that is not
    // spoken here is confirmed, and told by the code.
    let asked: Vec<_> = upgrade.requested_protocols().cloned().collect();
    let spoken = asked.contains(&known);
    if let Some(protocol) = if spoken { Some(known) } else { asked.into_iter().next() } {
        upgrade.set_selected_protocol(protocol);
    }
    let origin = client_ip::current();
    upgrade.max_message_size(BODY).max_frame_size(BODY).on_upgrade(move |socket| {
        let connection = connection::Connection::new(shared, socket, token);
        client_ip::scope(origin, connection.run(spoken))
    })
}

//! GraphQL over WebSocket: the sub-protocol `graphql-transport-ws`, by the PROTOCOL.md of
//! graphql-ws.
//!
//! [`message`] reads and writes the messages, [`connection`] runs a connection, [`operations`] the
//! operations on it.

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
use futures_util::FutureExt;

use crate::{
    ClientAuthenticator, EndpointState, http, negotiation::MediaType, response::RequestOutcome,
};
use connection::WebSocketConnection;

const PROTOCOL: &str = "graphql-transport-ws";

/// The limits on a WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct WebSocketLimits {
    /// The time for a client to send `connection_init`.
    pub init_timeout: Duration,
    /// The interval of pings. A client that has sent nothing since the last ping is disconnected at
    /// the next.
    pub keep_alive: Duration,
    /// The time for a client to read one message.
    pub send_timeout: Duration,
    /// The time for a query or mutation.
    pub operation_timeout: Duration,
    /// Operations that run at the same time.
    pub max_operations: usize,
    /// Bytes of the documents and variables of these operations.
    pub max_operation_bytes: usize,
    /// The time that a client without credentials may be connected without an operation.
    pub idle_timeout: Duration,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(12),
            send_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(30),
            max_operations: 100,
            max_operation_bytes: 1024 * 1024,
            idle_timeout: Duration::from_mins(1),
        }
    }
}

/// Answers any other method than `GET`.
pub(crate) async fn not_allowed(headers: HeaderMap) -> Response {
    http::reject_method(&headers, "A WebSocket is opened by GET.", "GET")
}

/// Accepts a WebSocket.
pub(crate) async fn upgrade<E: Executor, A: ClientAuthenticator>(
    State(state): State<Arc<EndpointState<E, A>>>,
    headers: HeaderMap,
    mut upgrade: WebSocketUpgrade,
) -> Response {
    let credentials = match state.authenticator.credentials_from_headers(&headers) {
        Ok(credentials) => credentials,
        Err(error) => {
            let error = state.authentication_error(error);
            return http::respond(MediaType::Json, RequestOutcome::RequestError(error));
        }
    };
    let supported = HeaderValue::from_static(PROTOCOL);
    // A client whose protocol is not selected never sees a close code, so an unsupported one is
    // selected as well, and the connection closed with 4406.
    let requested: Vec<_> = upgrade.requested_protocols().cloned().collect();
    let protocol_supported = requested.contains(&supported);
    let selected = if protocol_supported { Some(supported) } else { requested.into_iter().next() };
    if let Some(protocol) = selected {
        upgrade.set_selected_protocol(protocol);
    }
    let max_bytes = state.executor.limits.max_body_bytes;
    let task_context = Arc::clone(&state.executor.task_context);
    let (socket, connected) = tokio::sync::oneshot::channel();
    let connection = async move {
        if let Ok(socket) = connected.await {
            WebSocketConnection::new(state, socket, credentials).run(protocol_supported).await;
        }
    };
    let connection = task_context.wrap_connection(connection.boxed());
    upgrade.max_message_size(max_bytes).max_frame_size(max_bytes).on_upgrade(|upgraded| {
        drop(socket.send(upgraded));
        connection
    })
}

//! A connection, from its handshake to its close.

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::extract::ws::{Message, WebSocket};
use serde_json::{Map, Value};
use tokio::{
    sync::watch,
    time::{self, Instant, MissedTickBehavior, timeout},
};

use super::{
    message::{self, ClientMessage, Close},
    operations::{EventKind, OperationEvent, Operations},
};
use crate::{ClientAuthenticator, EndpointState, byte_budget, response::RequestOutcome};

/// The time for the client to acknowledge the close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct WebSocketConnection<E, A: ClientAuthenticator> {
    state: Arc<EndpointState<E, A>>,
    socket: WebSocket,
    operations: Operations<E, A>,
    credentials: Option<A::Credentials>,
    /// The time of disconnection: before `connection_ack` because it is late, after that because the
    /// credentials have expired.
    deadline: Option<Instant>,
    /// The time of the last operation, or of the handshake, of a client without credentials.
    last_operation: Option<Instant>,
    acknowledged: bool,
    received_since_ping: bool,
}

/// The end of a connection.
enum Disconnect {
    /// The server closes it.
    Close(Close),
    /// The client is gone or does not read.
    ClientGone,
}

impl From<Close> for Disconnect {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl<E: Executor, A: ClientAuthenticator> WebSocketConnection<E, A> {
    pub(super) fn new(
        state: Arc<EndpointState<E, A>>,
        socket: WebSocket,
        credentials: Option<A::Credentials>,
    ) -> Self {
        let operations = Operations::new(Arc::clone(&state));
        let deadline = Some(Instant::now() + state.websocket_limits.init_timeout);
        Self {
            state,
            socket,
            operations,
            credentials,
            deadline,
            last_operation: None,
            acknowledged: false,
            received_since_ping: true,
        }
    }

    pub(super) async fn run(mut self, protocol_supported: bool) {
        let disconnect = if protocol_supported {
            self.run_loop().await
        } else {
            Close::unsupported_protocol().into()
        };
        // Operations are dropped before the close, which waits for the client.
        self.operations = Operations::new(Arc::clone(&self.state));
        if let Disconnect::Close(close) = disconnect
            && self.send_message(close.into_message()).await.is_ok()
        {
            let acknowledgement = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            let _ = timeout(CLOSE_TIMEOUT, acknowledgement).await;
        }
    }

    async fn run_loop(&mut self) -> Disconnect {
        let mut shutdown = self.state.shutdown.clone();
        let interval = self.state.websocket_limits.keep_alive;
        let mut keep_alive = time::interval_at(Instant::now() + interval, interval);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Each message is written before the next event is received, so that a slow reader delays
            // its own operations alone.
            if !self.operations.is_empty() {
                self.last_operation = self.last_operation.map(|_| Instant::now());
            }
            let idle_end =
                self.last_operation.map(|last| last + self.state.websocket_limits.idle_timeout);
            let step = tokio::select! {
                () = sleep_until(idle_end), if self.operations.is_empty() => {
                    Err(Close::idle().into())
                }
                () = shut_down(&mut shutdown) => Err(Close::going_away().into()),
                () = sleep_until(self.deadline) => Err(self.deadline_close().into()),
                _ = keep_alive.tick() => self.send_ping().await,
                received = self.socket.recv() => self.receive(received).await,
                event = self.operations.next() => self.send_event(event).await,
            };
            if let Err(disconnect) = step {
                return disconnect;
            }
        }
    }

    fn deadline_close(&self) -> Close {
        if self.acknowledged { Close::forbidden() } else { Close::init_timeout() }
    }

    async fn send_ping(&mut self) -> Result<(), Disconnect> {
        if !std::mem::take(&mut self.received_since_ping) {
            return Err(Disconnect::ClientGone);
        }
        self.send_message(Message::Ping(axum::body::Bytes::new())).await
    }

    async fn receive(
        &mut self,
        received: Option<Result<Message, axum::Error>>,
    ) -> Result<(), Disconnect> {
        self.received_since_ping = true;
        match received {
            Some(Ok(Message::Text(text))) => {
                let message = ClientMessage::from_text(&text, &self.state.executor.limits)?;
                self.handle(message).await
            }
            Some(Ok(Message::Binary(_))) => {
                Err(Close::invalid_message("Message must be text").into())
            }
            // The library answers a ping.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(Disconnect::ClientGone),
            Some(Err(error)) => {
                Err(receive_error(&error, self.state.executor.limits.max_body_bytes))
            }
        }
    }

    async fn handle(&mut self, message: ClientMessage) -> Result<(), Disconnect> {
        match message {
            ClientMessage::Init(_) if self.acknowledged => Err(Close::second_init().into()),
            ClientMessage::Init(payload) => self.initialise(&payload.unwrap_or_default()).await,
            ClientMessage::Ping(payload) => self.send_message(message::pong(payload)?).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe(..) if !self.acknowledged => Err(Close::unauthorized().into()),
            ClientMessage::Subscribe(id, params) => {
                Ok(self.operations.start_operation(id, params, self.credentials.clone())?)
            }
            ClientMessage::Complete(id) => {
                self.operations.stop_operation(&id);
                Ok(())
            }
        }
    }

    /// Authenticates the client. Credentials in the payload precede those of the handshake.
    async fn initialise(&mut self, payload: &Map<String, Value>) -> Result<(), Disconnect> {
        let state = Arc::clone(&self.state);
        let close = |error| Close::authentication_failed(&state.authentication_error(error));
        let authenticator = &state.authenticator;
        if let Some(credentials) = authenticator.credentials_from_payload(payload).map_err(close)? {
            self.credentials = Some(credentials);
        }
        let viewer = authenticator.verify_credentials(self.credentials.clone());
        let viewer = timeout(state.websocket_limits.init_timeout, viewer)
            .await
            .map_err(|_| Close::init_timeout())?
            .map_err(close)?;
        let lifetime = authenticator.lifetime(&viewer);
        self.deadline = lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime));
        self.acknowledged = true;
        self.last_operation = lifetime.is_none().then(Instant::now);
        self.send_message(message::ack()?).await
    }

    async fn send_event(
        &mut self,
        OperationEvent { id, kind }: OperationEvent,
    ) -> Result<(), Disconnect> {
        let policy = &*self.state.executor.error_policy;
        let (mut message, mut is_last) = match kind {
            EventKind::Outcome(outcome) => message::result(&id, outcome, policy)?,
            EventKind::Complete => (message::complete(&id)?, true),
            EventKind::Close(close) => return Err(close.into()),
        };
        let bytes = if let Message::Text(text) = &message { text.len() } else { 0 };
        // Counted until it is sent.
        let reserved = byte_budget::reserve_answer(bytes);
        if let Err(busy) = reserved {
            let outcome = RequestOutcome::RequestError(busy.into());
            (message, is_last) = message::result(&id, outcome, policy)?;
        }
        if is_last {
            self.operations.stop_operation(&id);
        }
        self.send_message(message).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), Disconnect> {
        match timeout(self.state.websocket_limits.send_timeout, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Disconnect::ClientGone),
        }
    }
}

/// Waits for the shutdown of the server.
async fn shut_down(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.wait_for(|shuts_down| *shuts_down).await.is_err() {
        // Its sender was dropped.
        std::future::pending::<()>().await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Distinguishes a message that is too large from a client that is gone or broken.
fn receive_error(error: &axum::Error, max_bytes: usize) -> Disconnect {
    // axum hides the library's own error type.
    if error.to_string().contains("Space limit exceeded") {
        Close::too_big(max_bytes).into()
    } else {
        Disconnect::ClientGone
    }
}

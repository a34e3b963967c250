//! The life of a socket.

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::extract::ws::{Message, WebSocket};
use chrono::Utc;
use schema::Viewer;
use tokio::{
    sync::watch,
    time::{self, Instant, MissedTickBehavior, timeout},
};

use super::{
    super::{Shared, answer::Answer},
    message::{self, Close, Incoming},
    operations::{Event, Operations, What},
};

/// How long the client may take to agree that the socket is closed.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct Connection<E> {
    shared: Arc<Shared<E>>,
    socket: WebSocket,
    operations: Operations<E>,
    token: Option<Arc<str>>,
    /// When the client is let go: before it has initialised the connection because it is late,
    /// after that because its token has expired.
    deadline: Option<Instant>,
    ready: bool,
    /// Whether the client has sent anything since it was last asked.
    heard: bool,
}

/// How a socket ends.
enum End {
    /// We close it.
    Close(Close),
    /// The client is gone or does not read.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

impl<E: Executor> Connection<E> {
    pub(super) fn new(shared: Arc<Shared<E>>, socket: WebSocket, token: Option<String>) -> Self {
        let operations = Operations::new(Arc::clone(&shared));
        let deadline = Some(Instant::now() + shared.sockets.init);
        let token = token.map(Arc::from);
        Self { shared, socket, operations, token, deadline, ready: false, heard: true }
    }

    pub(super) async fn run(mut self, spoken: bool) {
        let end = if spoken { self.live().await } else { Close::protocol().into() };
        // What still runs is dropped before the farewell.
        self.operations = Operations::new(Arc::clone(&self.shared));
        if let End::Close(close) = end
            && self.send(close.into_message()).await.is_ok()
        {
            let farewell = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            let _ = timeout(FAREWELL, farewell).await;
        }
    }

    async fn live(&mut self) -> End {
        let mut shutdown = self.shared.shutdown.clone();
        let every = self.shared.sockets.keep_alive;
        let mut keep_alive = time::interval_at(Instant::now() + every, every);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // One message is written before the next is taken from anywhere, so that a slow
            // reader holds up nothing but its own operations.
            let step = tokio::select! {
                () = ended(&mut shutdown) => Err(Close::going_away().into()),
                () = until(self.deadline) => Err(self.late().into()),
                _ = keep_alive.tick() => self.ask().await,
                received = self.socket.recv() => self.receive(received).await,
                event = self.operations.next() => self.say(event).await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn late(&self) -> Close {
        if self.ready { Close::forbidden() } else { Close::init_timeout() }
    }

    async fn ask(&mut self) -> Result<(), End> {
        if !std::mem::take(&mut self.heard) {
            return Err(End::Gone);
        }
        self.send(Message::Ping(axum::body::Bytes::new())).await
    }

    async fn receive(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = true;
        match received {
            Some(Ok(Message::Text(text))) => self.take(Incoming::read(&text)?).await,
            Some(Ok(Message::Binary(_))) => Err(Close::invalid("Message must be text").into()),
            // The library answers these.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Gone),
            Some(Err(error)) => Err(unreadable(&error)),
        }
    }

    async fn take(&mut self, message: Incoming) -> Result<(), End> {
        match message {
            Incoming::Init(_) if self.ready => Err(Close::second_init().into()),
            Incoming::Init(payload) => {
                let token = message::token(&payload.unwrap_or_default());
                let token = token.map_err(|error| Close::refused(&error))?;
                self.initialise(token).await
            }
            Incoming::Ping(payload) => self.send(message::pong(payload)?).await,
            Incoming::Pong => Ok(()),
            Incoming::Subscribe(..) if !self.ready => Err(Close::unauthorized().into()),
            Incoming::Subscribe(id, params) => {
                Ok(self.operations.start(id, params, self.token.clone())?)
            }
            Incoming::Complete(id) => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    /// Checks who it is. A token in the message goes before one in the headers.
    async fn initialise(&mut self, token: Option<String>) -> Result<(), End> {
        if let Some(token) = token {
            self.token = Some(token.into());
        }
        let viewer = match &self.token {
            None => Ok(Viewer::Anonymous),
            Some(token) => {
                let viewer = self.shared.authenticator.authenticate(token);
                let late = |_| Close::init_timeout();
                timeout(self.shared.sockets.init, viewer).await.map_err(late)?
            }
        };
        self.deadline = match viewer.map_err(|error| Close::refused(&error))? {
            Viewer::Anonymous => None,
            Viewer::User { expires_at, .. } => {
                let left = (expires_at - Utc::now()).to_std().unwrap_or_default();
                Instant::now().checked_add(left)
            }
        };
        self.ready = true;
        self.send(message::ack()?).await
    }

    async fn say(&mut self, Event { id, what }: Event) -> Result<(), End> {
        let (message, over) = match what {
            What::Answer(answer) => {
                (message::answer(&id, &answer)?, matches!(answer, Answer::Refused(_)))
            }
            What::Complete => (message::complete(&id)?, true),
            What::Close(close) => return Err(close.into()),
        };
        if over {
            self.operations.stop(&id);
        }
        self.send(message).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.shared.sockets.send, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }
}

/// Waits for the end of the service.
async fn ended(shutdown: &mut watch::Receiver<bool>) {
    if shutdown.wait_for(|ends| *ends).await.is_err() {
        // Nobody is left who could end it.
        std::future::pending::<()>().await;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Tells a message that is too large from a client that is gone or broken.
fn unreadable(error: &axum::Error) -> End {
    // The library has no other mark that can be seen through axum.
    if error.to_string().contains("Space limit exceeded") {
        Close::too_big().into()
    } else {
        End::Gone
    }
}

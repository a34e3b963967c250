//! The operations on a connection.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Executor, parser::types::OperationType};
use futures_util::{
    FutureExt, Stream, StreamExt,
    future::{AbortHandle, Abortable},
    stream::{self, BoxStream, SelectAll},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::message::Close;
use crate::{
    ClientAuthenticator, EndpointState,
    error::{EndpointErrorCode, RequestError},
    executor::Operation,
    params::RequestParams,
    response::RequestOutcome,
};

/// An event of an operation.
pub(super) struct OperationEvent {
    pub(super) id: Arc<str>,
    pub(super) kind: EventKind,
}

pub(super) enum EventKind {
    /// A result, or the error that ends the operation.
    Outcome(RequestOutcome),
    /// The operation has ended.
    Complete,
    /// The credentials became invalid.
    Close(Close),
}

type EventStream = BoxStream<'static, EventKind>;

/// The running operations of a connection. An operation advances only as its events are received.
pub(super) struct Operations<E, A> {
    state: Arc<EndpointState<E, A>>,
    running: HashMap<Arc<str>, AbortHandle>,
    /// The bytes that documents and variables may take.
    room: Arc<Semaphore>,
    events: SelectAll<Abortable<BoxStream<'static, OperationEvent>>>,
}

impl<E: Executor, A: ClientAuthenticator> Operations<E, A> {
    pub(super) fn new(state: Arc<EndpointState<E, A>>) -> Self {
        let room = Arc::new(Semaphore::new(state.websocket_limits.max_operation_bytes));
        Self { state, running: HashMap::new(), room, events: SelectAll::new() }
    }

    /// Returns true if no operation runs.
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Starts an operation. Its credentials are verified as those of any other request, so that a
    /// session that was ended is noticed.
    ///
    /// # Errors
    /// 4409 if an operation with this id runs.
    pub(super) fn start_operation(
        &mut self,
        id: String,
        params: RequestParams,
        credentials: Option<A::Credentials>,
    ) -> Result<(), Close> {
        if self.running.contains_key(id.as_str()) {
            return Err(Close::duplicate_id(&id));
        }
        let id: Arc<str> = id.into();
        let events = if self.running.len() < self.state.websocket_limits.max_operations {
            let room = Arc::clone(&self.room);
            stream::once(run(Arc::clone(&self.state), params, credentials, room)).flatten().boxed()
        } else {
            let message = "Too many operations at once on this socket.";
            single(request_error(RequestError::new(EndpointErrorCode::TooManyRequests, message)))
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.running.insert(Arc::clone(&id), abort);
        let events = events.map(move |kind| OperationEvent { id: Arc::clone(&id), kind }).boxed();
        self.events.push(Abortable::new(events, registration));
        Ok(())
    }

    /// Ends an operation without an event. Unknown ids are ignored.
    pub(super) fn stop_operation(&mut self, id: &str) {
        if let Some(abort) = self.running.remove(id) {
            abort.abort();
        }
    }

    /// Receives the next event; pending while no operation runs.
    pub(super) async fn next(&mut self) -> OperationEvent {
        match self.events.next().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

fn single(event: EventKind) -> EventStream {
    stream::once(std::future::ready(event)).boxed()
}

fn request_error(error: RequestError) -> EventKind {
    EventKind::Outcome(RequestOutcome::RequestError(error))
}

async fn run<E: Executor, A: ClientAuthenticator>(
    state: Arc<EndpointState<E, A>>,
    params: RequestParams,
    credentials: Option<A::Credentials>,
    room: Arc<Semaphore>,
) -> EventStream {
    // Until it is parsed, an operation takes as many bytes as its text.
    let Some(text) = take_room(&room, params.text_bytes()) else { return no_room() };
    let prepared = match state.identify(Ok(credentials)).await {
        Ok((viewer, rejection)) => {
            Operation::despite(rejection, state.executor.prepare(params, viewer))
        }
        Err(error) => Err(error),
    };
    let operation = match prepared {
        Ok(operation) => operation,
        Err(error) if error.rejects_credentials() => {
            return single(EventKind::Close(Close::forbidden()));
        }
        Err(error) => return single(request_error(error)),
    };
    drop(text);
    let Some(taken) = take_room(&room, operation.bytes) else { return no_room() };
    if operation.kind == OperationType::Subscription {
        let outcomes = state.executor.subscribe(operation).enumerate();
        return append_complete(outcomes.map(move |(index, outcome)| {
            let _ = &taken;
            if index == 0 { reject_failed_source(outcome) } else { outcome }
        }));
    }
    let time_limit = state.websocket_limits.operation_timeout;
    let outcome = tokio::time::timeout(time_limit, state.executor.execute(operation)).await;
    append_complete(stream::once(std::future::ready(outcome.unwrap_or_else(|_| {
        let message = "The operation took too long.";
        RequestOutcome::RequestError(RequestError::new(EndpointErrorCode::Timeout, message))
    }))))
}

fn take_room(room: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    Arc::clone(room).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}

fn no_room() -> EventStream {
    let message = "The operations on this socket are too large.";
    single(request_error(RequestError::new(EndpointErrorCode::TooManyRequests, message)))
}

/// Appends `Complete`, unless a request error ends the operation.
fn append_complete(outcomes: impl Stream<Item = RequestOutcome> + Send + 'static) -> EventStream {
    let complete = std::future::ready(EventKind::Complete).into_stream();
    let mut ended = false;
    outcomes
        .map(EventKind::Outcome)
        .chain(complete)
        .take_while(move |event| {
            let goes_on = !ended;
            ended = matches!(event, EventKind::Outcome(RequestOutcome::RequestError(_)));
            std::future::ready(goes_on)
        })
        .boxed()
}

/// Turns a first event that is an error of the subscription field itself into a request error: no
/// stream was created (GraphQL specification, section 6.2.3.1).
fn reject_failed_source(outcome: RequestOutcome) -> RequestOutcome {
    match outcome {
        RequestOutcome::Executed(response)
            if response.data == async_graphql::Value::Null
                && !response.errors.is_empty()
                && response.errors.iter().all(|error| error.path.len() == 1) =>
        {
            let code = EndpointErrorCode::Internal;
            RequestOutcome::RequestError(RequestError::from_errors(code, response.errors))
        }
        outcome => outcome,
    }
}

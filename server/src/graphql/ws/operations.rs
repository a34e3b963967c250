//! What runs on a socket.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Executor, parser::types::OperationType};
use futures_util::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable},
    stream::{self, BoxStream, SelectAll},
};
use schema::{Error, ErrorCode, Viewer};

use super::{
    super::{
        Shared,
        answer::{Answer, Refusal},
        params::Params,
    },
    message::Close,
};

/// What an operation says, with its id.
pub(super) struct Event {
    pub(super) id: Arc<str>,
    pub(super) what: What,
}

/// What an operation says.
pub(super) enum What {
    /// A result, or the error that ends it.
    Answer(Answer),
    /// It is over.
    Complete,
    /// The token it came with is not good any more.
    Close(Close),
}

/// The operations of a socket. None goes on faster than its answers are taken.
pub(super) struct Operations<E> {
    shared: Arc<Shared<E>>,
    running: HashMap<Arc<str>, AbortHandle>,
    events: SelectAll<Abortable<BoxStream<'static, Event>>>,
}

impl<E: Executor> Operations<E> {
    pub(super) fn new(shared: Arc<Shared<E>>) -> Self {
        Self { shared, running: HashMap::new(), events: SelectAll::new() }
    }

    /// Starts an operation. Its token is checked as that of any other request, so that a session
    /// that has ended is noticed.
    ///
    /// # Errors
    /// 4409 where the id is taken.
    pub(super) fn start(
        &mut self,
        id: String,
        params: Params,
        token: Option<Arc<str>>,
    ) -> Result<(), Close> {
        if self.running.contains_key(id.as_str()) {
            return Err(Close::exists(&id));
        }
        let id: Arc<str> = id.into();
        let events = if self.running.len() < self.shared.sockets.operations {
            stream::once(run(Arc::clone(&self.shared), params, token)).flatten().boxed()
        } else {
            let detail = "Too many operations at once on this socket.";
            just(refused(Error::new(ErrorCode::TooManyRequests, detail)))
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.running.insert(Arc::clone(&id), abort);
        let events = events.map(move |what| Event { id: Arc::clone(&id), what }).boxed();
        self.events.push(Abortable::new(events, registration));
        Ok(())
    }

    /// Ends an operation without a word. An id that is not known is none of an error.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(abort) = self.running.remove(id) {
            abort.abort();
        }
    }

    /// What is said next; waits for ever where nothing runs.
    pub(super) async fn next(&mut self) -> Event {
        match self.events.next().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

type Said = BoxStream<'static, What>;

fn just(what: What) -> Said {
    stream::once(std::future::ready(what)).boxed()
}

fn refused(error: impl Into<Refusal>) -> What {
    What::Answer(Answer::Refused(error.into()))
}

async fn run<E: Executor>(shared: Arc<Shared<E>>, params: Params, token: Option<Arc<str>>) -> Said {
    let viewer = match token {
        None => Viewer::Anonymous,
        Some(token) => match shared.authenticator.authenticate(&token).await {
            Ok(viewer) => viewer,
            Err(error) if error.code == ErrorCode::InvalidToken => {
                return just(What::Close(Close::forbidden()));
            }
            Err(error) => return just(refused(error)),
        },
    };
    let operation = match shared.engine.prepare(params, viewer) {
        Ok(operation) => operation,
        Err(refusal) => return just(refused(refusal)),
    };
    if operation.kind == OperationType::Subscription {
        let events = shared.engine.stream(operation).enumerate();
        return with_end(
            events.map(|(at, answer)| if at == 0 { subscribed(answer) } else { answer }),
        );
    }
    let limit = shared.sockets.operation;
    let answer = tokio::time::timeout(limit, shared.engine.run(operation)).await;
    let late =
        || Answer::Refused(Error::new(ErrorCode::Timeout, "The operation took too long.").into());
    with_end(stream::once(std::future::ready(answer.unwrap_or_else(|_| late()))))
}

/// Adds the end, unless an error is the end.
fn with_end(answers: impl futures_util::Stream<Item = Answer> + Send + 'static) -> Said {
    let end = std::future::ready(What::Complete).into_stream();
    let mut over = false;
    answers
        .map(What::Answer)
        .chain(end)
        .take_while(move |what| {
            let go_on = !over;
            over = matches!(what, What::Answer(Answer::Refused(_)));
            std::future::ready(go_on)
        })
        .boxed()
}

/// Where the very first answer is an error of the subscription field itself, there is no stream:
/// the subscription was refused (GraphQL specification, section 6.2.3.1).
fn subscribed(answer: Answer) -> Answer {
    match answer {
        Answer::Executed(response)
            if response.data == async_graphql::Value::Null
                && !response.errors.is_empty()
                && response.errors.iter().all(|error| error.path.len() == 1) =>
        {
            Answer::Refused(Refusal::many(ErrorCode::Internal, response.errors))
        }
        answer => answer,
    }
}

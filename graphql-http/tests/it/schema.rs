//! The schema of the tests.
#![allow(clippy::unused_async, reason = "the macros need async functions")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{Context, InputObject, Object, Result, SchemaBuilder, Subscription};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::Notify;

use crate::application::{Viewer, forbidden};

pub(crate) type Schema = async_graphql::Schema<Query, Mutation, Subscriptions>;

pub(crate) fn build(stage: Arc<Stage>) -> SchemaBuilder<Query, Mutation, Subscriptions> {
    let builder = Schema::build(Query, Mutation, Subscriptions).data(stage);
    builder.limit_depth(16).limit_complexity(200_000)
}

/// The state that tests and resolvers share.
#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) go: Notify,
    pub(crate) begun: Notify,
    pub(crate) count: AtomicUsize,
    /// Streams that were created and not dropped.
    pub(crate) streams: AtomicUsize,
}

fn stage<'a>(ctx: &Context<'a>) -> &'a Arc<Stage> {
    ctx.data_unchecked::<Arc<Stage>>()
}

/// Panics; the macros reject a body that never returns.
fn fail() -> bool {
    panic!("as the test expects")
}

pub(crate) struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &'static str {
        "world"
    }

    async fn echo(&self, text: String) -> String {
        text
    }

    async fn size(&self, of: Option<Input>) -> usize {
        of.map_or(0, |input| input.text.len())
    }

    async fn me(&self, ctx: &Context<'_>) -> Option<i64> {
        Viewer::id(ctx)
    }

    /// Returns after `releases` was executed.
    async fn waits(&self, ctx: &Context<'_>) -> bool {
        stage(ctx).begun.notify_one();
        stage(ctx).go.notified().await;
        true
    }

    async fn releases(&self, ctx: &Context<'_>) -> bool {
        stage(ctx).go.notify_one();
        true
    }

    async fn header(&self, ctx: &Context<'_>) -> bool {
        ctx.insert_http_header("x-own", "1");
        true
    }

    async fn node(&self) -> Option<Node> {
        Some(Node)
    }

    // Not `Result<Option<_>>`: an error of that nulls the parent.
    async fn fails(&self) -> Option<Result<bool>> {
        Some(Err(forbidden()))
    }

    async fn leaks(&self) -> Option<Result<bool>> {
        Some(Err(async_graphql::Error::new("SELECT secret")))
    }

    async fn panics(&self) -> bool {
        fail()
    }
}

#[derive(InputObject)]
struct Input {
    text: String,
}

struct Node;

#[Object]
impl Node {
    async fn node(&self) -> Node {
        Node
    }

    async fn name(&self) -> &'static str {
        "node"
    }

    async fn fails(&self) -> Result<bool> {
        Err(forbidden())
    }
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn count(&self, ctx: &Context<'_>) -> Counted {
        Counted(stage(ctx).count.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Returns after the test calls `go`.
    async fn slow(&self, ctx: &Context<'_>) -> bool {
        stage(ctx).begun.notify_one();
        stage(ctx).go.notified().await;
        stage(ctx).count.fetch_add(1, Ordering::SeqCst);
        true
    }

    async fn login(&self) -> bool {
        true
    }

    async fn sign_up(&self) -> bool {
        true
    }

    async fn panics(&self) -> bool {
        fail()
    }
}

struct Counted(usize);

#[Object]
impl Counted {
    async fn times(&self) -> usize {
        self.0
    }

    async fn again(&self) -> usize {
        self.0
    }
}

pub(crate) struct Subscriptions;

/// Counts a stream until it is dropped.
struct Alive(Arc<Stage>);

impl Alive {
    fn keep<T: Send + 'static>(
        ctx: &Context<'_>,
        events: impl Stream<Item = T> + Send + 'static,
    ) -> BoxStream<'static, T> {
        let stage = Arc::clone(stage(ctx));
        stage.streams.fetch_add(1, Ordering::SeqCst);
        let alive = Self(stage);
        events
            .map(move |event| {
                let _ = &alive;
                event
            })
            .boxed()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}

#[Subscription]
impl Subscriptions {
    async fn numbers(&self, ctx: &Context<'_>, to: usize) -> BoxStream<'static, usize> {
        Alive::keep(ctx, stream::iter(1..=to))
    }

    async fn never(&self, ctx: &Context<'_>) -> BoxStream<'static, bool> {
        Alive::keep(ctx, stream::pending())
    }

    async fn me(&self, ctx: &Context<'_>) -> BoxStream<'static, Option<i64>> {
        Alive::keep(ctx, stream::iter([Viewer::id(ctx)]))
    }

    /// Counts the received ones of 1,000 events of 100 KB.
    async fn flood(&self, ctx: &Context<'_>) -> BoxStream<'static, String> {
        let counter = Arc::clone(stage(ctx));
        let events = stream::iter(0..1000).map(move |_| {
            counter.count.fetch_add(1, Ordering::SeqCst);
            "x".repeat(100_000)
        });
        Alive::keep(ctx, events)
    }

    async fn refused(&self) -> Result<BoxStream<'static, bool>> {
        Err(forbidden())
    }

    /// Its second event has an error.
    async fn nodes(&self, ctx: &Context<'_>) -> BoxStream<'static, Option<Node>> {
        Alive::keep(ctx, stream::iter([Some(Node), None]))
    }

    async fn panics(&self, ctx: &Context<'_>) -> BoxStream<'static, bool> {
        Alive::keep(ctx, stream::once(async { fail() }))
    }
}

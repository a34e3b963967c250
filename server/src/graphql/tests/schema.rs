//! The schema of the tests.
#![allow(clippy::unused_async)] // the macros want them so

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ::schema::{Error, ErrorCode, Viewer};
use async_graphql::{Context, InputObject, Object, Subscription};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::Notify;

pub(super) type Schema = async_graphql::Schema<Query, Mutation, Subscriptions>;

pub(super) fn build(stage: Arc<Stage>) -> Schema {
    let builder = Schema::build(Query, Mutation, Subscriptions).data(stage);
    ::schema::limits::apply(builder).finish()
}

/// What the resolvers leave behind.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) go: Notify,
    pub(super) begun: Notify,
    pub(super) count: AtomicUsize,
    /// Streams that are alive.
    pub(super) streams: AtomicUsize,
}

fn stage<'a>(ctx: &Context<'a>) -> &'a Arc<Stage> {
    ctx.data_unchecked::<Arc<Stage>>()
}

fn refused() -> Error {
    Error::new(ErrorCode::Forbidden, "Not yours.")
}

/// The macros cannot take a body that never returns.
fn fall() -> bool {
    panic!("as the test wants")
}

pub(super) struct Query;

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
        Viewer::from_ctx(ctx).id()
    }

    /// Is over only after `releases` was run.
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

    // Not `Result<Option<_>>`: the executor takes the parent with that.
    async fn fails(&self) -> Option<Result<bool, Error>> {
        Some(Err(refused()))
    }

    async fn leaks(&self) -> Option<async_graphql::Result<bool>> {
        Some(Err(async_graphql::Error::new("SELECT secret")))
    }

    async fn panics(&self) -> bool {
        fall()
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

    async fn fails(&self) -> Result<bool, Error> {
        Err(refused())
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn count(&self, ctx: &Context<'_>) -> Counted {
        Counted(stage(ctx).count.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Is over only after the test says so.
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
        fall()
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

pub(super) struct Subscriptions;

/// Counts itself as long as it is alive.
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
        Alive::keep(ctx, stream::iter([Viewer::from_ctx(ctx).id()]))
    }

    /// Counts what is taken of 1,000 events of 100 KB.
    async fn flood(&self, ctx: &Context<'_>) -> BoxStream<'static, String> {
        let counter = Arc::clone(stage(ctx));
        let events = stream::iter(0..1000).map(move |_| {
            counter.count.fetch_add(1, Ordering::SeqCst);
            "x".repeat(100_000)
        });
        Alive::keep(ctx, events)
    }

    async fn refused(&self) -> Result<BoxStream<'static, bool>, Error> {
        Err(refused())
    }

    /// Its second event has an error.
    async fn nodes(&self, ctx: &Context<'_>) -> BoxStream<'static, Option<Node>> {
        Alive::keep(ctx, stream::iter([Some(Node), None]))
    }

    async fn panics(&self, ctx: &Context<'_>) -> BoxStream<'static, bool> {
        Alive::keep(ctx, stream::once(async { fall() }))
    }
}

//! A GraphQL server. Prints its address; `--stock` serves the same schema with `async-graphql-axum`.
use async_graphql::{EmptyMutation, Object, Schema, Subscription};
use async_graphql_axum::{GraphQL, GraphQLSubscription};
use axum::Router;
use futures_util::{Stream, stream};
use graphql_http::{Endpoint, PATH, WEBSOCKET_PATH, router};

struct Query;
#[Object]
impl Query {
    async fn hello(&self, name: Option<String>) -> String {
        format!("Hello, {}!", name.as_deref().unwrap_or("world"))
    }
}

struct Subscriptions;
#[Subscription]
impl Subscriptions {
    async fn count(&self, to: u32) -> impl Stream<Item = u32> {
        stream::iter(1..=to)
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let schema = Schema::build(Query, EmptyMutation, Subscriptions);
    let app = if std::env::args().any(|argument| argument == "--stock") {
        let schema = schema.finish();
        Router::new()
            .route_service(PATH, GraphQL::new(schema.clone()))
            .route_service(WEBSOCKET_PATH, GraphQLSubscription::new(schema))
    } else {
        router(Endpoint::new(schema, ()))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}

//! However many users are named, one request and one statement bring their offers.

use std::fmt::Write;

use entity::offer;
use sea_orm::EntityTrait;
use serde_json::json;

use crate::metrics::counter;
use crate::seed::seed;
use crate::stack::{Layout, Stack};

/// Runs each scenario with one worker thread and with several, which share the look-ups of a query.
macro_rules! with_workers {
    ($($test:ident: $scenario:ident),+ $(,)?) => {
        $(async fn $test(layout: Layout) {
            for workers in ["1", "2", "4"] {
                $scenario(seeded(layout, workers).await).await;
            }
        })+
        on_every_stack!($($test),+);
    };
}

with_workers!(
    fifty_users_in_a_connection: users_in_a_connection,
    fifty_users_by_id: users_by_id,
    fifty_users_by_name: users_by_name,
    many_queries_at_once: queries_at_once,
    many_lists_at_once: lists_at_once,
);

/// What `offers-api` has counted: requests of its GraphQL, and statements.
async fn counts(stack: &Stack) -> [u64; 2] {
    let graphql = |labels: &str| labels.contains("/graphql");
    let requests = counter(&stack.offers, "http_requests_total", graphql).await;
    [requests, counter(&stack.offers, "db_statements_total", |_| true).await]
}

async fn seeded(layout: Layout, workers: &str) -> Stack {
    let stack = layout.set("WORKERS", workers).start().await;
    seed(&stack.database, stack.folder(), 50, 3).await;
    let rows = stack.database.connect().await;
    assert_eq!(offer::Entity::find().all(&rows).await.unwrap().len(), 150);
    stack
}

async fn users_in_a_connection(stack: Stack) {
    let before = counts(&stack).await;
    let query = "{ users(first: 50) { edges { node { username offers { id } } } } }";
    let data = stack.users.query(query).await;
    let [requests, statements] = counts(&stack).await;
    assert_eq!([requests - before[0], statements - before[1]], [1, 1]);
    let edges = data["users"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 50);
    assert!(edges.iter().all(|edge| edge["node"]["offers"].as_array().unwrap().len() == 3));
}

/// The same where each user is a field of its own.
async fn fifty_fields(stack: Stack, argument: impl Fn(usize) -> String) {
    let before = counts(&stack).await;
    let mut query = "{".to_owned();
    for number in 1..=50 {
        let argument = argument(number);
        write!(query, " u{number}: user({argument}) {{ username offers {{ id }} }}").unwrap();
    }
    query += " }";
    let data = stack.users.query(&query).await;
    let [requests, statements] = counts(&stack).await;
    for number in 1..=50 {
        let user = &data[format!("u{number}")];
        assert_eq!(user["username"], format!("demo{number}"));
        assert_eq!(user["offers"].as_array().unwrap().len(), 3);
    }
    assert_eq!([requests - before[0], statements - before[1]], [1, 1]);
}

async fn users_by_id(stack: Stack) {
    // The demo users are the first ones of a new database.
    fifty_fields(stack, |number| format!("id: \"{number}\"")).await;
}

async fn users_by_name(stack: Stack) {
    fifty_fields(stack, |number| format!("username: \"demo{number}\"")).await;
}

/// Queries of the same moment share requests: fewer requests than queries.
async fn queries_at_once(stack: Stack) {
    let before = counts(&stack).await;
    let asked = (1..=50).map(|number| {
        let api = stack.users.clone();
        tokio::spawn(async move {
            let query = "query($name: String) { user(username: $name) { offers { id } } }";
            let variables = json!({ "name": format!("demo{number}") });
            api.graphql(query, variables).await.data()["user"]["offers"].as_array().unwrap().len()
        })
    });
    for count in futures_util::future::join_all(asked).await {
        assert_eq!(count.unwrap(), 3);
    }
    let [requests, statements] = counts(&stack).await;
    let [requests, statements] = [requests - before[0], statements - before[1]];
    assert!((1..50).contains(&requests), "{requests}");
    assert!((1..=requests).contains(&statements), "{statements} of {requests}");
}

/// Lists of the same moment that start at different users, and each gets its own.
async fn lists_at_once(stack: Stack) {
    const LIST: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
        users(first: $first, after: $after, last: $last, before: $before) {
            nodes { username offersConnection(first: 2) { nodes { id } } }
            pageInfo { hasPreviousPage hasNextPage } } }";
    let all = stack.users.query("{ users(first: 50) { edges { cursor } } }").await;
    let cursors: Vec<_> = all["users"]["edges"].as_array().unwrap().iter().collect();
    let cursor = |number: usize| cursors[number - 1]["cursor"].clone();
    let mut lists = Vec::new();
    for number in 1..=50 {
        let size = 1 + number % 3;
        let after = json!({ "first": size, "after": cursor(number) });
        lists.push((after, number + 1..=(number + size).min(50), [true, number + size < 50]));
        let start = number.saturating_sub(size).max(1);
        let before = json!({ "last": size, "before": cursor(number) });
        lists.push((before, start..=number - 1, [start > 1, true]));
    }
    let asked = lists.into_iter().map(|(variables, users, others)| {
        let api = stack.users.clone();
        tokio::spawn(async move {
            let page = api.graphql(LIST, variables).await.data()["users"].clone();
            let nodes = page["nodes"].as_array().unwrap();
            let found: Vec<_> = nodes.iter().map(|node| node["username"].clone()).collect();
            assert_eq!(found, users.map(|n| json!(format!("demo{n}"))).collect::<Vec<_>>());
            let offers = |node: &serde_json::Value| node["offersConnection"]["nodes"].clone();
            assert!(nodes.iter().all(|node| offers(node).as_array().unwrap().len() == 2));
            let [previous, next] = others;
            assert_eq!(
                page["pageInfo"],
                json!({ "hasPreviousPage": previous, "hasNextPage": next })
            );
        })
    });
    for list in futures_util::future::join_all(asked).await {
        list.unwrap();
    }
}

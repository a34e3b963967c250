//! Batching: the offers of many users are loaded in one request and one statement.

use std::fmt::Write;

use entity::offer;
use sea_orm::EntityTrait;
use serde_json::json;

use crate::support::metrics::counter;
use crate::support::services::{Services, Topology};

/// Runs each scenario with one worker thread and with several, which share the look-ups of a query.
macro_rules! with_workers {
    ($($test:ident: $scenario:ident),+ $(,)?) => {
        $(async fn $test(topology: Topology) {
            for workers in ["1", "2", "4"] {
                $scenario(start_seeded(topology, workers).await).await;
            }
        })+
        on_every_topology!($($test),+);
    };
}

with_workers!(
    connection_loads_all_offers_in_one_request: load_connection,
    users_by_id_share_one_request: load_users_by_id,
    users_by_name_share_one_request: load_users_by_name,
    concurrent_queries_share_requests: query_concurrently,
    concurrent_lists_return_their_own_pages: list_concurrently,
);

/// Returns how many GraphQL requests `offers-api` has served and how many statements it has run.
async fn counts(services: &Services) -> [u64; 2] {
    let graphql = |labels: &str| labels.contains("/graphql");
    let requests = counter(&services.offers, "http_requests_total", graphql).await;
    [requests, counter(&services.offers, "db_statements_total", |_| true).await]
}

/// Starts the services with 50 users of 3 offers each.
async fn start_seeded(topology: Topology, workers: &str) -> Services {
    let services = topology.set("WORKERS", workers).start().await;
    services.seed(50, 3).await;
    let rows = services.database.connect().await;
    assert_eq!(offer::Entity::find().all(&rows).await.unwrap().len(), 150);
    services
}

async fn load_connection(services: Services) {
    let before = counts(&services).await;
    let query = "{ users(first: 50) { edges { node { username offers { id } } } } }";
    let data = services.users.query(query).await;
    let [requests, statements] = counts(&services).await;
    assert_eq!([requests - before[0], statements - before[1]], [1, 1]);
    let edges = data["users"]["edges"].as_array().unwrap();
    assert_eq!(edges.len(), 50);
    assert!(edges.iter().all(|edge| edge["node"]["offers"].as_array().unwrap().len() == 3));
}

/// Asserts that 50 users, each a root field, are loaded in one request and one statement.
async fn assert_fields_share_one_request(services: Services, argument: impl Fn(usize) -> String) {
    let before = counts(&services).await;
    let mut query = "{".to_owned();
    for number in 1..=50 {
        let argument = argument(number);
        write!(query, " u{number}: user({argument}) {{ username offers {{ id }} }}").unwrap();
    }
    query += " }";
    let data = services.users.query(&query).await;
    let [requests, statements] = counts(&services).await;
    for number in 1..=50 {
        let user = &data[format!("u{number}")];
        assert_eq!(user["username"], format!("demo{number}"));
        assert_eq!(user["offers"].as_array().unwrap().len(), 3);
    }
    assert_eq!([requests - before[0], statements - before[1]], [1, 1]);
}

async fn load_users_by_id(services: Services) {
    // The demo users are the first rows of a new database.
    assert_fields_share_one_request(services, |number| format!("id: \"{number}\"")).await;
}

async fn load_users_by_name(services: Services) {
    assert_fields_share_one_request(services, |number| format!("username: \"demo{number}\"")).await;
}

/// There are fewer requests than concurrent queries.
async fn query_concurrently(services: Services) {
    let before = counts(&services).await;
    let queries = (1..=50).map(|number| {
        let api = services.users.clone();
        tokio::spawn(async move {
            let query = "query($name: String) { user(username: $name) { offers { id } } }";
            let variables = json!({ "name": format!("demo{number}") });
            api.graphql(query, variables).await.data()["user"]["offers"].as_array().unwrap().len()
        })
    });
    for count in futures_util::future::join_all(queries).await {
        assert_eq!(count.unwrap(), 3);
    }
    let [requests, statements] = counts(&services).await;
    let [requests, statements] = [requests - before[0], statements - before[1]];
    assert!((1..50).contains(&requests), "{requests}");
    assert!((1..=requests).contains(&statements), "{statements} of {requests}");
}

/// Concurrent lists start after or before different users.
async fn list_concurrently(services: Services) {
    const LIST: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
        users(first: $first, after: $after, last: $last, before: $before) {
            nodes { username offersConnection(first: 2) { nodes { id } } }
            pageInfo { hasPreviousPage hasNextPage } } }";
    let all = services.users.query("{ users(first: 50) { edges { cursor } } }").await;
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
    let queries = lists.into_iter().map(|(variables, users, others)| {
        let api = services.users.clone();
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
    for list in futures_util::future::join_all(queries).await {
        list.unwrap();
    }
}

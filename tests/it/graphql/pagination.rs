//! Pagination through many rows, in both directions, during inserts.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::client::ApiClient;
use crate::support::fixtures::pluck;
use crate::support::services::{Services, Topology};

on_every_topology!(
    pages_contain_every_offer_once_during_inserts,
    empty_page_has_a_page_before_or_after_it,
    invalid_page_arguments_have_a_code
);

const OFFERS: u32 = 1000;
const PAGE_SIZE: usize = 7;

/// A connection of offers: the query for it, and the JSON pointer to it in `data`.
struct Connection {
    api: ApiClient,
    query: String,
    pointer: &'static str,
}

fn connections(services: &Services, user: i64) -> [Connection; 3] {
    let of_user = "query($n: Int, $c: String) { user(id: USER) { offersConnection(ARGS) PAGE } }";
    let of_entity = "query($n: Int, $c: String) { _entities(representations:
        [{ __typename: \"User\", id: \"USER\" }]) { ... on User { offersConnection(ARGS) PAGE } } }";
    let direct = "query($n: Int, $c: String) { offers(userId: USER, ARGS) PAGE }";
    [
        (&services.users, of_user, "/user/offersConnection"),
        (&services.offers, of_entity, "/_entities/0/offersConnection"),
        (&services.offers, direct, "/offers"),
    ]
    .map(|(api, query, pointer)| {
        let page = "{ edges { cursor node { id } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }";
        let query = query.replace("USER", &user.to_string()).replace("PAGE", page);
        Connection { api: api.clone(), query, pointer }
    })
}

/// Reads all pages in one direction and returns the ids. A forward walk also returns rows that are
/// added meanwhile.
async fn read_pages(connection: &Connection, forward: bool) -> Vec<i64> {
    let arguments = if forward { "first: $n, after: $c" } else { "last: $n, before: $c" };
    let query = connection.query.replace("ARGS", arguments);
    let mut cursor = Value::Null;
    let mut ids_read = Vec::new();
    loop {
        let variables = json!({ "n": PAGE_SIZE, "c": cursor });
        let data = connection.api.graphql(&query, variables).await.data();
        let page = data.pointer(connection.pointer).unwrap();
        let nodes = pluck(&page["edges"], "node");
        let mut ids: Vec<i64> =
            nodes.iter().map(|node| node["id"].as_str().unwrap().parse().unwrap()).collect();
        assert!(ids.is_sorted(), "a page is ascending in both directions: {ids:?}");
        let info = &page["pageInfo"];
        let (more, end, back) = if forward {
            ("hasNextPage", "endCursor", "hasPreviousPage")
        } else {
            ids.reverse();
            ("hasPreviousPage", "startCursor", "hasNextPage")
        };
        assert_eq!(info[back], !cursor.is_null(), "the previous page exists");
        ids_read.extend(ids);
        if info[more] == false {
            return ids_read;
        }
        assert_eq!(page["edges"].as_array().unwrap().len(), PAGE_SIZE);
        cursor = info[end].clone();
    }
}

async fn pages_contain_every_offer_once_during_inserts(topology: Topology) {
    let services = topology.start_open().await;
    services.seed(1, OFFERS).await;
    let bystander = services.register("bystander").await["id"].clone();
    let data = services.users.query("{ user(username: \"demo1\") { id offers { id } } }").await;
    let user: i64 = data["user"]["id"].as_str().unwrap().parse().unwrap();
    let existing: Vec<i64> = pluck(&data["user"]["offers"], "id")
        .iter()
        .map(|id| id.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(existing.len(), OFFERS as usize);

    let mut writers = JoinSet::new();
    for owner in [json!(user), bystander] {
        let offers = services.offers.clone();
        writers.spawn(async move {
            for number in 0..100 {
                offers.create_offer(&owner, number.to_string(), "new").await.expect(201);
            }
        });
    }
    let connections = connections(&services, user);
    let walks = connections
        .iter()
        .flat_map(|connection| [read_pages(connection, true), read_pages(connection, false)]);
    let walks = join_all(walks).await;
    writers.join_all().await;
    for (number, ids_read) in walks.iter().enumerate() {
        let mut distinct = ids_read.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), ids_read.len(), "walk {number} returned an offer twice");
        let missed: Vec<_> =
            existing.iter().filter(|id| distinct.binary_search(id).is_err()).collect();
        assert!(missed.is_empty(), "walk {number} missed {missed:?}");
    }
}

/// Source: Relay, "GraphQL cursor connections specification", section 5.1, "Fields".
async fn empty_page_has_a_page_before_or_after_it(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    services.create_offer(&ann, "chair").await;
    for Connection { api, query, pointer } in connections(&services, ann.id) {
        let first = query.replace("ARGS", "first: $n, after: $c");
        let last = query.replace("ARGS", "last: $n, before: $c");
        let data = api.graphql(&first, json!({ "n": 1, "c": null })).await.data();
        let cursor = data.pointer(pointer).unwrap()["pageInfo"]["endCursor"].clone();
        for (query, has_next, has_previous) in [(first, false, true), (last, true, false)] {
            let data = api.graphql(&query, json!({ "n": 1, "c": cursor })).await.data();
            let page = data.pointer(pointer).unwrap();
            assert_eq!(page["edges"], json!([]), "{query}");
            let info = json!({ "hasNextPage": has_next, "hasPreviousPage": has_previous,
                "startCursor": null, "endCursor": null });
            assert_eq!(page["pageInfo"], info, "{query}");
        }
    }
}

async fn invalid_page_arguments_have_a_code(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await["id"].as_i64().unwrap();
    for connection in connections(&services, user) {
        for arguments in [
            "first: -1",
            "last: -2147483648",
            "first: 1001",
            "last: 2147483647",
            "first: 1, last: 1",
            "after: \"\"",
            "before: \"garbage\"",
            "after: \"aWQ6LTE\"",
            "after: \"💣\"",
            "before: \"aWQ6OTIyMzM3MjAzNjg1NDc3NTgwOA\"",
        ] {
            let query =
                connection.query.replace("ARGS", arguments).replace("($n: Int, $c: String)", "");
            let graphql = connection.api.graphql(&query, json!({})).await;
            assert_eq!(graphql.code(), "INVALID_INPUT", "{query}");
        }
        // A GraphQL `Int` has 32 bits.
        let query = connection.query.replace("ARGS", "first: 2147483648");
        let query = query.replace("($n: Int, $c: String)", "");
        let graphql = connection.api.graphql(&query, json!({})).await;
        assert_eq!(graphql.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
        // A valid cursor after the last row.
        let query = connection.query.replace("ARGS", "first: $n, after: $c");
        let variables = json!({ "n": 1000, "c": "aWQ6OTIyMzM3MjAzNjg1NDc3NTgwNw" });
        let data = connection.api.graphql(&query, variables).await.data();
        assert_eq!(data.pointer(connection.pointer).unwrap()["edges"], json!([]));
    }
}

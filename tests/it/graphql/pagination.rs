//! Long walks over connections, while rows are added.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::seed::seed;
use crate::support::client::Api;
use crate::support::fixtures::each;
use crate::support::services::{Layout, Stack};

on_every_stack!(a_walk_meets_every_offer_once, wrong_pages_have_a_code);

const OFFERS: u32 = 1000;
const STEP: usize = 7;

/// A connection of offers: where it is asked for, and where it is found in the answer.
struct Place {
    api: Api,
    head: String,
    path: &'static str,
}

fn places(stack: &Stack, user: i64) -> [Place; 3] {
    let of_user = "query($n: Int, $c: String) { user(id: USER) { offersConnection(ARGS) PAGE } }";
    let of_entity = "query($n: Int, $c: String) { _entities(representations:
        [{ __typename: \"User\", id: \"USER\" }]) { ... on User { offersConnection(ARGS) PAGE } } }";
    let direct = "query($n: Int, $c: String) { offers(userId: USER, ARGS) PAGE }";
    [
        (&stack.users, of_user, "/user/offersConnection"),
        (&stack.offers, of_entity, "/_entities/0/offersConnection"),
        (&stack.offers, direct, "/offers"),
    ]
    .map(|(api, head, path)| {
        let page = "{ edges { cursor node { id } }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }";
        let head = head.replace("USER", &user.to_string()).replace("PAGE", page);
        Place { api: api.clone(), head, path }
    })
}

/// Walks from one end to the other. Rows may be added at the far end of a forward walk, which
/// meets them then.
async fn walk(place: &Place, forward: bool) -> Vec<i64> {
    let arguments = if forward { "first: $n, after: $c" } else { "last: $n, before: $c" };
    let query = place.head.replace("ARGS", arguments);
    let mut cursor = Value::Null;
    let mut met = Vec::new();
    loop {
        let variables = json!({ "n": STEP, "c": cursor });
        let data = place.api.graphql(&query, variables).await.data();
        let page = data.pointer(place.path).unwrap();
        let nodes = each(&page["edges"], "node");
        let mut ids: Vec<i64> =
            nodes.iter().map(|node| node["id"].as_str().unwrap().parse().unwrap()).collect();
        assert!(ids.is_sorted(), "a page is in order, whichever way it is walked: {ids:?}");
        let info = &page["pageInfo"];
        let (more, end, back) = if forward {
            ("hasNextPage", "endCursor", "hasPreviousPage")
        } else {
            ids.reverse();
            ("hasPreviousPage", "startCursor", "hasNextPage")
        };
        assert_eq!(info[back], !cursor.is_null(), "what lies behind is there");
        met.extend(ids);
        if info[more] == false {
            return met;
        }
        assert_eq!(page["edges"].as_array().unwrap().len(), STEP);
        cursor = info[end].clone();
    }
}

async fn a_walk_meets_every_offer_once(layout: Layout) {
    let stack = layout.spec().await;
    seed(&stack.database, stack.folder(), 1, OFFERS).await;
    let bystander = stack.register("bystander").await["id"].clone();
    let data = stack.users.query("{ user(username: \"demo1\") { id offers { id } } }").await;
    let user: i64 = data["user"]["id"].as_str().unwrap().parse().unwrap();
    let there: Vec<i64> = each(&data["user"]["offers"], "id")
        .iter()
        .map(|id| id.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(there.len(), OFFERS as usize);

    let mut writers = JoinSet::new();
    for owner in [json!(user), bystander] {
        let offers = stack.offers.clone();
        writers.spawn(async move {
            for number in 0..100 {
                let body = json!({ "user_id": owner, "title": number.to_string(), "text": "new" });
                offers.post("/offer/create/", body).await.expect(201);
            }
        });
    }
    let places = places(&stack, user);
    let walks = places.iter().flat_map(|place| [walk(place, true), walk(place, false)]);
    let walks = join_all(walks).await;
    writers.join_all().await;
    for (number, met) in walks.iter().enumerate() {
        let mut once = met.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), met.len(), "walk {number} met an offer twice");
        let missed: Vec<_> = there.iter().filter(|id| once.binary_search(id).is_err()).collect();
        assert!(missed.is_empty(), "walk {number} missed {missed:?}");
    }
}

async fn wrong_pages_have_a_code(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await["id"].as_i64().unwrap();
    for place in places(&stack, user) {
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
            let query = place.head.replace("ARGS", arguments).replace("($n: Int, $c: String)", "");
            let graph = place.api.graphql(&query, json!({})).await;
            assert_eq!(graph.code(), "INVALID_INPUT", "{query}");
        }
        // No number of GraphQL: 32 bits at most.
        let query = place.head.replace("ARGS", "first: 2147483648");
        let query = query.replace("($n: Int, $c: String)", "");
        let graph = place.api.graphql(&query, json!({})).await;
        assert_eq!(graph.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
        // Far away, but a cursor: nothing is there.
        let query = place.head.replace("ARGS", "first: $n, after: $c");
        let variables = json!({ "n": 1000, "c": "aWQ6OTIyMzM3MjAzNjg1NDc3NTgwNw" });
        let data = place.api.graphql(&query, variables).await.data();
        assert_eq!(data.pointer(place.path).unwrap()["edges"], json!([]));
    }
}

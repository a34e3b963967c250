//! Connections, forward, as the Relay specification has them.

use serde_json::{Value, json};

use crate::support::client::Api;
use crate::support::fixtures::each;
use crate::support::services::{Layout, Stack};

on_every_stack!(
    users,
    offers,
    offers_of_a_user,
    a_variable_may_be_left_out,
    bad_arguments_have_a_code,
);

const PAGE: &str = "{ edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }";

/// Walks a connection by pages of two, and gives the ids that it met. `query` takes `$after` and
/// names the connection `page`; `path` is where that is found.
async fn walk(api: &Api, query: &str, path: &str) -> Vec<Value> {
    let mut after = Value::Null;
    let mut seen = Vec::new();
    loop {
        let data = api.graphql(query, json!({ "after": after })).await.data();
        let page = data.pointer(path).unwrap();
        let info = &page["pageInfo"];
        let cursors = each(&page["edges"], "cursor");
        assert_eq!(Some(&info["startCursor"]), cursors.first());
        assert_eq!(Some(&info["endCursor"]), cursors.last());
        assert!(info["hasPreviousPage"].is_boolean());
        if after.is_null() {
            assert_eq!(info["hasPreviousPage"], false);
        }
        seen.extend(each(&page["edges"], "node").into_iter().map(|node| node["id"].clone()));
        if info["hasNextPage"] == false {
            return seen;
        }
        assert_eq!(cursors.len(), 2);
        after = info["endCursor"].clone();
    }
}

fn texts(ids: &[Value]) -> Vec<Value> {
    ids.iter().map(|id| json!(id.to_string())).collect()
}

async fn five_offers(stack: &Stack) -> (i64, Vec<Value>) {
    let ann = stack.member("ann").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(stack.offer(&ann, &number.to_string()).await["id"].clone());
    }
    (ann.id, ids)
}

async fn users(layout: Layout) {
    let stack = layout.spec().await;
    let empty = stack.users.query(&format!("{{ users(first: 2) {PAGE} }}")).await;
    let info = json!({
        "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null,
    });
    assert_eq!(empty["users"], json!({ "edges": [], "pageInfo": info }));

    let mut ids = Vec::new();
    for name in ["e", "d", "c", "b", "a"] {
        ids.push(stack.register(name).await["id"].clone());
    }
    let query = format!("query($after: String) {{ users(first: 2, after: $after) {PAGE} }}");
    assert_eq!(walk(&stack.users, &query, "/users").await, texts(&ids));
    let whole = stack.users.query(&format!("{{ users {PAGE} }}")).await;
    assert_eq!(whole["users"]["edges"].as_array().unwrap().len(), 5);
}

async fn offers(layout: Layout) {
    let stack = layout.spec().await;
    let (user, ids) = five_offers(&stack).await;
    let query = format!(
        "query($after: String) {{ offers(userId: \"{user}\", first: 2, after: $after) {PAGE} }}"
    );
    assert_eq!(walk(&stack.offers, &query, "/offers").await, texts(&ids));
    let none = stack.offers.query("{ offers(userId: \"99999\") { edges { cursor } } }").await;
    assert_eq!(none["offers"]["edges"], json!([]));
}

async fn offers_of_a_user(layout: Layout) {
    let stack = layout.spec().await;
    let (user, ids) = five_offers(&stack).await;
    let query = format!(
        "query($after: String) {{
            user(id: \"{user}\") {{ offersConnection(first: 2, after: $after) {PAGE} }} }}"
    );
    let seen = walk(&stack.users, &query, "/user/offersConnection").await;
    assert_eq!(seen, texts(&ids));
}

async fn a_variable_may_be_left_out(layout: Layout) {
    let stack = layout.spec().await;
    let (user, ids) = five_offers(&stack).await;
    let users = "query($first: Int, $after: String) {
        users(first: $first, after: $after) { edges { node {
            offersConnection(first: $first, after: $after) { edges { node { id } } } } } } }";
    let offers = format!(
        "query($first: Int, $after: String) {{
            offers(userId: \"{user}\", first: $first, after: $after) {{
                edges {{ node {{ id }} }} }} }}"
    );
    for (api, query, path) in [
        (&stack.users, users, "/users/edges/0/node/offersConnection/edges"),
        (&stack.offers, offers.as_str(), "/offers/edges"),
    ] {
        for variables in [json!({}), json!({ "first": null }), json!({ "first": 7 })] {
            let data = api.graphql(query, variables).await.data();
            let edges = each(data.pointer(path).unwrap(), "node");
            let found = edges.iter().map(|node| node["id"].clone()).collect::<Vec<_>>();
            assert_eq!(found, texts(&ids));
        }
        let one = api.graphql(query, json!({ "first": 1 })).await.data();
        assert_eq!(one.pointer(path).unwrap().as_array().unwrap().len(), 1);
    }
}

async fn bad_arguments_have_a_code(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    for arguments in ["first: -1", "first: 1001", "after: \"garbage\"", "after: \"\""] {
        let users = format!("{{ users({arguments}) {{ edges {{ cursor }} }} }}");
        let offers = format!("{{ offers(userId: \"1\", {arguments}) {{ edges {{ cursor }} }} }}");
        for (api, query) in [(&stack.users, users), (&stack.offers, offers)] {
            let graph = api.graphql(&query, json!({})).await;
            assert_eq!(graph.code(), "INVALID_INPUT", "{arguments}");
        }
    }
    let graph = stack.offers.graphql("{ offers(userId: \"x\") { edges { cursor } } }", json!({}));
    assert_eq!(graph.await.code(), "INVALID_INPUT");
}

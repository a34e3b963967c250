//! Forward pagination of connections (Relay specification).

use serde_json::{Value, json};

use crate::support::client::ApiClient;
use crate::support::fixtures::pluck;
use crate::support::services::{Services, Topology};

on_every_topology!(
    walks_users,
    walks_offers,
    walks_offers_of_a_user,
    omitted_variables_use_defaults,
    invalid_arguments_have_a_code,
);

const PAGE: &str = "{ edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }";

/// Reads a connection in pages of two and returns the ids. `query` has a variable `$after`; `pointer` is
/// the JSON pointer to the connection in `data`.
async fn read_pages(api: &ApiClient, query: &str, pointer: &str) -> Vec<Value> {
    let mut after = Value::Null;
    let mut ids_read = Vec::new();
    loop {
        let data = api.graphql(query, json!({ "after": after })).await.data();
        let page = data.pointer(pointer).unwrap();
        let info = &page["pageInfo"];
        let cursors = pluck(&page["edges"], "cursor");
        assert_eq!(Some(&info["startCursor"]), cursors.first());
        assert_eq!(Some(&info["endCursor"]), cursors.last());
        assert!(info["hasPreviousPage"].is_boolean());
        if after.is_null() {
            assert_eq!(info["hasPreviousPage"], false);
        }
        ids_read.extend(pluck(&page["edges"], "node").into_iter().map(|node| node["id"].clone()));
        if info["hasNextPage"] == false {
            return ids_read;
        }
        assert_eq!(cursors.len(), 2);
        after = info["endCursor"].clone();
    }
}

fn as_strings(ids: &[Value]) -> Vec<Value> {
    ids.iter().map(|id| json!(id.to_string())).collect()
}

/// Creates a user with five offers, and returns the ids.
async fn create_five_offers(services: &Services) -> (i64, Vec<Value>) {
    let ann = services.register_and_log_in("ann").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(services.create_offer(&ann, &number.to_string()).await["id"].clone());
    }
    (ann.id, ids)
}

async fn walks_users(topology: Topology) {
    let services = topology.start_open().await;
    let empty = services.users.query(&format!("{{ users(first: 2) {PAGE} }}")).await;
    let info = json!({
        "hasNextPage": false, "hasPreviousPage": false, "startCursor": null, "endCursor": null,
    });
    assert_eq!(empty["users"], json!({ "edges": [], "pageInfo": info }));

    let mut ids = Vec::new();
    for name in ["e", "d", "c", "b", "a"] {
        ids.push(services.register(name).await["id"].clone());
    }
    let query = format!("query($after: String) {{ users(first: 2, after: $after) {PAGE} }}");
    assert_eq!(read_pages(&services.users, &query, "/users").await, as_strings(&ids));
    let all = services.users.query(&format!("{{ users {PAGE} }}")).await;
    assert_eq!(all["users"]["edges"].as_array().unwrap().len(), 5);
}

async fn walks_offers(topology: Topology) {
    let services = topology.start_open().await;
    let (user, ids) = create_five_offers(&services).await;
    let query = format!(
        "query($after: String) {{ offers(userId: \"{user}\", first: 2, after: $after) {PAGE} }}"
    );
    assert_eq!(read_pages(&services.offers, &query, "/offers").await, as_strings(&ids));
    let none = services.offers.query("{ offers(userId: \"99999\") { edges { cursor } } }").await;
    assert_eq!(none["offers"]["edges"], json!([]));
}

async fn walks_offers_of_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let (user, ids) = create_five_offers(&services).await;
    let query = format!(
        "query($after: String) {{
            user(id: \"{user}\") {{ offersConnection(first: 2, after: $after) {PAGE} }} }}"
    );
    let ids_read = read_pages(&services.users, &query, "/user/offersConnection").await;
    assert_eq!(ids_read, as_strings(&ids));
}

async fn omitted_variables_use_defaults(topology: Topology) {
    let services = topology.start_open().await;
    let (user, ids) = create_five_offers(&services).await;
    let users = "query($first: Int, $after: String) {
        users(first: $first, after: $after) { edges { node {
            offersConnection(first: $first, after: $after) { edges { node { id } } } } } } }";
    let offers = format!(
        "query($first: Int, $after: String) {{
            offers(userId: \"{user}\", first: $first, after: $after) {{
                edges {{ node {{ id }} }} }} }}"
    );
    for (api, query, pointer) in [
        (&services.users, users, "/users/edges/0/node/offersConnection/edges"),
        (&services.offers, offers.as_str(), "/offers/edges"),
    ] {
        for variables in [json!({}), json!({ "first": null }), json!({ "first": 7 })] {
            let data = api.graphql(query, variables).await.data();
            let edges = pluck(data.pointer(pointer).unwrap(), "node");
            let found = edges.iter().map(|node| node["id"].clone()).collect::<Vec<_>>();
            assert_eq!(found, as_strings(&ids));
        }
        let one = api.graphql(query, json!({ "first": 1 })).await.data();
        assert_eq!(one.pointer(pointer).unwrap().as_array().unwrap().len(), 1);
    }
}

async fn invalid_arguments_have_a_code(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    for arguments in ["first: -1", "first: 1001", "after: \"garbage\"", "after: \"\""] {
        let users = format!("{{ users({arguments}) {{ edges {{ cursor }} }} }}");
        let offers = format!("{{ offers(userId: \"1\", {arguments}) {{ edges {{ cursor }} }} }}");
        for (api, query) in [(&services.users, users), (&services.offers, offers)] {
            let graphql = api.graphql(&query, json!({})).await;
            assert_eq!(graphql.code(), "INVALID_INPUT", "{arguments}");
        }
    }
    let graphql =
        services.offers.graphql("{ offers(userId: \"x\") { edges { cursor } } }", json!({}));
    assert_eq!(graphql.await.code(), "INVALID_INPUT");
}

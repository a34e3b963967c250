//! Rules of the GraphQL specification for responses.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::services::Topology;

on_every_topology!(
    fields_keep_the_order_of_the_query,
    null_propagates_to_nearest_nullable_parent,
    aliases_fragments_and_directives_work,
    mutations_run_in_order,
    duplicate_selections_are_merged,
    direct_json_equals_resolved_json,
);

/// Asserts that the keys occur in this order.
#[track_caller]
fn assert_key_order(text: &str, names: &[&str]) {
    let mut rest = text;
    for name in names {
        let Some(position) = rest.find(&format!("\"{name}\":")) else {
            panic!("{name} is not after the previous key: {text}");
        };
        rest = &rest[position + 1..];
    }
}

/// The slow fields are first, so a response in order of completion would fail.
async fn fields_keep_the_order_of_the_query(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    services.create_offer(&ann, "chair").await;
    let query = "{ third: user(username: \"ann\") { offers { title id } username id email }
        second: users { pageInfo { hasNextPage } } first: __typename }";
    let text = services.users.graphql(query, json!({})).await.http.text();
    assert_key_order(
        &text,
        &["third", "offers", "title", "id", "username", "id", "email", "second", "first"],
    );
    let query = format!(
        "{{ b: offers(userId: \"{}\") {{ edges {{ node {{ text title id }} cursor }} }}
            a: __typename }}",
        ann.id
    );
    let text = services.offers.graphql(&query, json!({})).await.http.text();
    assert_key_order(&text, &["b", "edges", "node", "text", "title", "id", "cursor", "a"]);
}

async fn null_propagates_to_nearest_nullable_parent(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    // Both connections are non-null fields of the root, so `data` is null.
    let query = "{ user(username: \"ann\") { id } users(first: -1) { edges { cursor } } }";
    let graphql = services.users.graphql(query, json!({})).await;
    assert_eq!(graphql.body.get("data"), Some(&Value::Null), "{}", graphql.body);
    assert_eq!(graphql.body["errors"][0]["path"], json!(["users"]));
    let query = "{ offer(id: \"1\") { id } offers(userId: \"x\") { edges { cursor } } }";
    let graphql = services.offers.graphql(query, json!({})).await;
    assert_eq!(graphql.body.get("data"), Some(&Value::Null), "{}", graphql.body);
    assert_eq!(graphql.body["errors"][0]["path"], json!(["offers"]));
    // A null in a nullable field does not propagate.
    let query = "{ user(username: \"ann\") { username
        offersConnection(first: -1) { edges { cursor } } } }";
    let graphql = services.users.graphql(query, json!({})).await;
    let user = json!({ "username": "ann", "offersConnection": null });
    assert_eq!(graphql.body["data"]["user"], user);
    assert_eq!(graphql.body["errors"][0]["path"], json!(["user", "offersConnection"]));
}

async fn aliases_fragments_and_directives_work(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    let query = "query Named($no: Boolean!, $name: String = \"ann\") {
            a: user(username: $name) { ...name id @skip(if: true) }
            b: user(username: \"ANN\") { ... on User { __typename email @include(if: $no) } } }
        fragment name on User { called: username }";
    let data = services.users.graphql(query, json!({ "no": false })).await.data();
    assert_eq!(data, json!({ "a": { "called": "ann" }, "b": { "__typename": "User" } }));
}

async fn mutations_run_in_order(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].to_string();
    let mut query = "mutation {".to_owned();
    for number in 0..5 {
        let input = format!("{{ userId: \"{id}\", title: \"{number}\", text: \"x\" }}");
        write!(query, " m{number}: createOffer(input: {input}) {{ id }}").unwrap();
    }
    query += " }";
    let data = services.offers.query(&query).await;
    let ids: Vec<i64> = (0..5)
        .map(|number| data[format!("m{number}")]["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

/// Source: GraphQL, section 6.4.3.
async fn duplicate_selections_are_merged(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    services.create_offer(&ann, "chair").await;
    for (more, fragment) in [
        ("offers { title }", ""),
        ("... { offers { title } }", ""),
        ("...More", "fragment More on User { offers { title } }"),
    ] {
        let query =
            format!("{{ user(username: \"ann\") {{ offers {{ id }} {more} }} }} {fragment}");
        let data = services.users.query(&query).await;
        let offer = &data["user"]["offers"][0];
        assert_eq!(offer["title"], "chair", "{more}");
        assert!(offer["id"].is_string(), "{more}");
    }
}

/// Plain selections are written as JSON directly; others use resolvers.
async fn direct_json_equals_resolved_json(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let text = "\"quoted\" \\ \n\t\u{1}\u{7f} ёж 💣 </script>";
    let price = json!({ "amount": 12_000, "currency": "EUR" });
    let body = json!({ "user_id": ann.id, "title": "\"A\" \\ ёж", "text": text, "price": price });
    services.offers.post_offer(body).await.expect(201);
    services.create_offer(&ann, "free").await;
    let fields = "__typename id userId title text price { __typename amount currency } status
        createdAt updatedAt";
    let pages = "__typename nodes { FIELDS } edges { __typename cursor node { FIELDS } }
        pageInfo { __typename hasNextPage hasPreviousPage startCursor endCursor }";
    for api in services.both() {
        let one = format!(
            "{{ _entities(representations: [{{ __typename: \"User\", id: \"{}\" }}]) {{
            ... on User {{ offers {{ FIELDS }} offersConnection {{ {pages} }} }} }} }}",
            ann.id
        );
        let direct = api.query(&one.replace("FIELDS", fields)).await;
        // A document with a duplicate field uses resolvers.
        let resolved = api.query(&one.replace("FIELDS", &format!("{fields} id"))).await;
        assert_eq!(direct, resolved);
        let user = &direct["_entities"][0];
        assert_eq!(user["offers"][0]["text"], text);
        assert_eq!(user["offersConnection"]["edges"][0]["node"], user["offers"][0]);
    }
    let users = format!(
        "{{ users(first: 10) {{ __typename nodes {{ FIELDS offers {{ {fields} }} }}
        edges {{ cursor node {{ FIELDS offersConnection {{ kind: __typename nodes {{ {fields} }} }} }} }}
        pageInfo {{ hasNextPage }} }}
        user(id: \"{}\") {{ FIELDS offersConnection {{ nodes {{ {fields} }} }} }} }}",
        ann.id
    );
    let fields = "__typename id username email createdAt";
    let direct = services.users.query(&users.replace("FIELDS", fields)).await;
    let resolved = services.users.query(&users.replace("FIELDS", &format!("{fields} id"))).await;
    assert_eq!(direct, resolved);
    assert_eq!(direct["users"]["nodes"][0]["offers"][0]["text"], text);
    assert_eq!(direct["user"]["offersConnection"]["nodes"][0]["text"], text);
}

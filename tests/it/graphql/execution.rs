//! What the GraphQL specification asks of an answer.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::services::Layout;

on_every_stack!(
    fields_keep_the_order_of_the_query,
    null_of_a_non_null_field_travels_up,
    aliases_fragments_and_directives_work,
    mutations_run_in_order,
    what_is_selected_twice_is_merged,
    an_answer_is_the_same_however_it_is_selected,
);

/// Fails unless the texts stand in this order.
#[track_caller]
fn in_order(text: &str, names: &[&str]) {
    let mut rest = text;
    for name in names {
        let Some(place) = rest.find(&format!("\"{name}\":")) else {
            panic!("{name} is not after the one before it: {text}");
        };
        rest = &rest[place + 1..];
    }
}

/// The slow fields stand first, so that an answer in order of completion is found out.
async fn fields_keep_the_order_of_the_query(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    stack.offer(&ann, "chair").await;
    let query = "{ third: user(username: \"ann\") { offers { title id } username id email }
        second: users { pageInfo { hasNextPage } } first: __typename }";
    let text = stack.users.graphql(query, json!({})).await.answer.text();
    in_order(
        &text,
        &["third", "offers", "title", "id", "username", "id", "email", "second", "first"],
    );
    let query = format!(
        "{{ b: offers(userId: \"{}\") {{ edges {{ node {{ text title id }} cursor }} }}
            a: __typename }}",
        ann.id
    );
    let text = stack.offers.graphql(&query, json!({})).await.answer.text();
    in_order(&text, &["b", "edges", "node", "text", "title", "id", "cursor", "a"]);
}

async fn null_of_a_non_null_field_travels_up(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    // Both connections are non-null fields of the root, which leaves no data at all.
    let query = "{ user(username: \"ann\") { id } users(first: -1) { edges { cursor } } }";
    let graph = stack.users.graphql(query, json!({})).await;
    assert_eq!(graph.body.get("data"), Some(&Value::Null), "{}", graph.body);
    assert_eq!(graph.body["errors"][0]["path"], json!(["users"]));
    let query = "{ offer(id: \"1\") { id } offers(userId: \"x\") { edges { cursor } } }";
    let graph = stack.offers.graphql(query, json!({})).await;
    assert_eq!(graph.body.get("data"), Some(&Value::Null), "{}", graph.body);
    assert_eq!(graph.body["errors"][0]["path"], json!(["offers"]));
    // A nullable field keeps the null to itself.
    let query = "{ user(username: \"ann\") { username
        offersConnection(first: -1) { edges { cursor } } } }";
    let graph = stack.users.graphql(query, json!({})).await;
    let user = json!({ "username": "ann", "offersConnection": null });
    assert_eq!(graph.body["data"]["user"], user);
    assert_eq!(graph.body["errors"][0]["path"], json!(["user", "offersConnection"]));
}

async fn aliases_fragments_and_directives_work(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    let query = "query Named($no: Boolean!, $name: String = \"ann\") {
            a: user(username: $name) { ...name id @skip(if: true) }
            b: user(username: \"ANN\") { ... on User { __typename email @include(if: $no) } } }
        fragment name on User { called: username }";
    let data = stack.users.graphql(query, json!({ "no": false })).await.data();
    assert_eq!(data, json!({ "a": { "called": "ann" }, "b": { "__typename": "User" } }));
}

async fn mutations_run_in_order(layout: Layout) {
    let stack = layout.spec().await;
    let id = stack.register("ann").await["id"].to_string();
    let mut query = "mutation {".to_owned();
    for number in 0..5 {
        let input = format!("{{ userId: \"{id}\", title: \"{number}\", text: \"x\" }}");
        write!(query, " m{number}: createOffer(input: {input}) {{ id }}").unwrap();
    }
    query += " }";
    let data = stack.offers.query(&query).await;
    let ids: Vec<i64> = (0..5)
        .map(|number| data[format!("m{number}")]["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert!(ids.is_sorted(), "{ids:?}");
}

/// Source: GraphQL, section 6.4.3.
async fn what_is_selected_twice_is_merged(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    stack.offer(&ann, "chair").await;
    for (more, fragment) in [
        ("offers { title }", ""),
        ("... { offers { title } }", ""),
        ("...More", "fragment More on User { offers { title } }"),
    ] {
        let query =
            format!("{{ user(username: \"ann\") {{ offers {{ id }} {more} }} }} {fragment}");
        let data = stack.users.query(&query).await;
        let offer = &data["user"]["offers"][0];
        assert_eq!(offer["title"], "chair", "{more}");
        assert!(offer["id"].is_string(), "{more}");
    }
}

/// What is at hand is written at once, and anything else goes through resolvers.
async fn an_answer_is_the_same_however_it_is_selected(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let text = "\"quoted\" \\ \n\t\u{1}\u{7f} ёж 💣 </script>";
    let offer = json!({ "user_id": ann.id, "title": "\"A\" \\ ёж", "text": text });
    stack.offers.post("/offer/create/", offer).await.expect(201);
    let fields = "__typename id userId title text createdAt";
    let pages = "__typename nodes { FIELDS } edges { __typename cursor node { FIELDS } }
        pageInfo { __typename hasNextPage hasPreviousPage startCursor endCursor }";
    for api in [&stack.users, &stack.offers] {
        let one = format!(
            "{{ _entities(representations: [{{ __typename: \"User\", id: \"{}\" }}]) {{
            ... on User {{ offers {{ FIELDS }} offersConnection {{ {pages} }} }} }} }}",
            ann.id
        );
        let at_once = api.query(&one.replace("FIELDS", fields)).await;
        // A document that selects anything twice goes through resolvers.
        let resolved = api.query(&one.replace("FIELDS", &format!("{fields} id"))).await;
        assert_eq!(at_once, resolved);
        let user = &at_once["_entities"][0];
        assert_eq!(user["offers"][0]["text"], text);
        assert_eq!(user["offersConnection"]["edges"][0]["node"], user["offers"][0]);
    }
    let users = format!(
        "{{ users {{ __typename nodes {{ FIELDS offers {{ {fields} }} }}
        edges {{ cursor node {{ FIELDS offersConnection {{ kind: __typename nodes {{ {fields} }} }} }} }}
        pageInfo {{ hasNextPage }} }}
        user(id: \"{}\") {{ FIELDS offersConnection {{ nodes {{ {fields} }} }} }} }}",
        ann.id
    );
    let fields = "__typename id username email createdAt";
    let at_once = stack.users.query(&users.replace("FIELDS", fields)).await;
    let resolved = stack.users.query(&users.replace("FIELDS", &format!("{fields} id"))).await;
    assert_eq!(at_once, resolved);
    assert_eq!(at_once["users"]["nodes"][0]["offers"][0]["text"], text);
    assert_eq!(at_once["user"]["offersConnection"]["nodes"][0]["text"], text);
}

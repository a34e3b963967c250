//! The access rules by GraphQL.

use serde_json::{Value, json};

use crate::support::client::Api;
use crate::support::fixtures::{Member, email_of};
use crate::support::services::Layout;

on_every_stack!(
    spec_asks_for_nothing,
    spec_checks_a_token,
    strict_needs_the_user,
    strict_hides_emails
);

/// Every mutation that creates, changes or deletes for a user: on which service, and its document.
fn mutations(of: &Member, offer: &Value) -> Vec<(bool, String)> {
    let (id, offer) = (of.id, &offer["id"]);
    let input = format!("{{ userId: \"{id}\", title: \"bell\", text: \"loud\" }}");
    let email = format!("changed-{id}@example.org");
    vec![
        (false, format!("mutation {{ createOffer(input: {input}) {{ id }} }}")),
        (
            false,
            format!(
                "mutation {{ updateOffer(id: \"{offer}\", input: {{ title: \"x\" }}) {{ id }} }}"
            ),
        ),
        (false, format!("mutation {{ deleteOffer(id: \"{offer}\") }}")),
        (
            true,
            format!(
                "mutation {{ updateUser(id: \"{id}\", input: {{ email: \"{email}\" }}) {{ id }} }}"
            ),
        ),
        (true, format!("mutation {{ deleteUser(id: \"{id}\") }}")),
    ]
}

async fn code(api: &Api, query: &str) -> String {
    api.graphql(query, json!({})).await.code().to_owned()
}

async fn spec_asks_for_nothing(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let offer = stack.offer(&ann, "chair").await;
    let data = stack.users.query("{ users { edges { node { email } } } }").await;
    assert_eq!(data["users"]["edges"][0]["node"]["email"], email_of("ann"));
    for (users, query) in mutations(&ann, &offer) {
        let api = if users { &stack.users } else { &stack.offers };
        api.query(&query).await;
    }
}

async fn spec_checks_a_token(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let offer = stack.offer(&ann, "chair").await;
    for (users, query) in mutations(&ann, &offer) {
        let api = if users { &stack.users } else { &stack.offers };
        assert_eq!(code(&api.bearer(&bob.access), &query).await, "FORBIDDEN", "{query}");
    }
    for (users, query) in mutations(&ann, &offer) {
        let api = if users { &stack.users } else { &stack.offers };
        api.bearer(&ann.access).query(&query).await;
    }
}

async fn strict_needs_the_user(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let offer = stack.offer(&ann, "chair").await;
    for (users, query) in mutations(&ann, &offer) {
        let api = if users { &stack.users } else { &stack.offers };
        assert_eq!(code(api, &query).await, "UNAUTHENTICATED", "{query}");
        assert_eq!(code(&api.bearer(&bob.access), &query).await, "FORBIDDEN", "{query}");
    }
    let list = "{ users { edges { node { id } } } }";
    assert_eq!(code(&stack.users, list).await, "UNAUTHENTICATED");
    let data = stack.users.bearer(&bob.access).query(list).await;
    assert_eq!(data["users"]["edges"].as_array().unwrap().len(), 2);
    for (users, query) in mutations(&ann, &offer) {
        let api = if users { &stack.users } else { &stack.offers };
        api.bearer(&ann.access).query(&query).await;
    }
}

/// Also by the way that a gateway takes.
async fn strict_hides_emails(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let entities = |id: i64| {
        format!(
            "{{ _entities(representations: [{{ __typename: \"User\", id: \"{id}\" }}]) {{
                ... on User {{ email }} }} }}"
        )
    };
    let by_name = "{ user(username: \"ann\") { email } }";
    let own = json!({ "email": email_of("ann") });
    let hidden = json!({ "email": null });
    for (api, expected) in [
        (stack.users.clone(), &hidden),
        (stack.users.bearer(&bob.access), &hidden),
        (stack.users.bearer(&ann.access), &own),
    ] {
        assert_eq!(&api.query(by_name).await["user"], expected);
        assert_eq!(&api.query(&entities(ann.id)).await["_entities"][0], expected);
    }
    let list = "{ users { edges { node { email } } } me { email } }";
    let data = stack.users.bearer(&ann.access).query(list).await;
    assert_eq!(data["me"], own);
    let expected = json!([{ "node": own }, { "node": hidden }]);
    assert_eq!(data["users"]["edges"], expected);
}

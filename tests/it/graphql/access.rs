//! Access rules over GraphQL.

use serde_json::{Value, json};

use crate::support::client::ApiClient;
use crate::support::fixtures::{TestUser, email_of};
use crate::support::services::{Services, Topology};

on_every_topology!(
    open_mode_requires_no_token,
    open_mode_checks_a_token_if_sent,
    strict_mode_requires_the_owner,
    strict_mode_hides_emails_of_others
);

/// Returns every mutation that acts for a user, with a client of its service.
fn mutations<'a>(
    services: &'a Services,
    user: &TestUser,
    offer: &Value,
) -> [(&'a ApiClient, String); 5] {
    let (id, offer) = (user.id, &offer["id"]);
    let input = format!("{{ userId: \"{id}\", title: \"bell\", text: \"loud\" }}");
    let email = format!("changed-{id}@example.org");
    [
        (&services.offers, format!("createOffer(input: {input}) {{ id }}")),
        (
            &services.offers,
            format!("updateOffer(id: \"{offer}\", input: {{ title: \"x\" }}) {{ id }}"),
        ),
        (&services.offers, format!("deleteOffer(id: \"{offer}\")")),
        (
            &services.users,
            format!("updateUser(id: \"{id}\", input: {{ email: \"{email}\" }}) {{ id }}"),
        ),
        (&services.users, format!("deleteUser(id: \"{id}\")")),
    ]
    .map(|(api, field)| (api, format!("mutation {{ {field} }}")))
}

async fn error_code(api: &ApiClient, query: &str) -> String {
    api.graphql(query, json!({})).await.code().to_owned()
}

async fn open_mode_requires_no_token(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let offer = services.create_offer(&ann, "chair").await;
    let data = services.users.query("{ users { edges { node { email } } } }").await;
    assert_eq!(data["users"]["edges"][0]["node"]["email"], email_of("ann"));
    for (api, query) in mutations(&services, &ann, &offer) {
        api.query(&query).await;
    }
}

async fn open_mode_checks_a_token_if_sent(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let offer = services.create_offer(&ann, "chair").await;
    for (api, query) in mutations(&services, &ann, &offer) {
        assert_eq!(
            error_code(&api.bearer(&bob.access_token), &query).await,
            "FORBIDDEN",
            "{query}"
        );
    }
    for (api, query) in mutations(&services, &ann, &offer) {
        api.bearer(&ann.access_token).query(&query).await;
    }
}

async fn strict_mode_requires_the_owner(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let offer = services.create_offer(&ann, "chair").await;
    for (api, query) in mutations(&services, &ann, &offer) {
        assert_eq!(error_code(api, &query).await, "UNAUTHENTICATED", "{query}");
        assert_eq!(
            error_code(&api.bearer(&bob.access_token), &query).await,
            "FORBIDDEN",
            "{query}"
        );
    }
    let list = "{ users { edges { node { id } } } }";
    assert_eq!(error_code(&services.users, list).await, "UNAUTHENTICATED");
    let data = services.users.bearer(&bob.access_token).query(list).await;
    assert_eq!(data["users"]["edges"].as_array().unwrap().len(), 2);
    for (api, query) in mutations(&services, &ann, &offer) {
        api.bearer(&ann.access_token).query(&query).await;
    }
}

/// Also through `_entities`, which a gateway uses.
async fn strict_mode_hides_emails_of_others(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let entities = |id: i64| {
        format!(
            "{{ _entities(representations: [{{ __typename: \"User\", id: \"{id}\" }}]) {{
                ... on User {{ email }} }} }}"
        )
    };
    let by_name = "{ user(username: \"ann\") { email } }";
    let visible = json!({ "email": email_of("ann") });
    let hidden = json!({ "email": null });
    for (api, expected) in [
        (services.users.clone(), &hidden),
        (services.users.bearer(&bob.access_token), &hidden),
        (services.users.bearer(&ann.access_token), &visible),
    ] {
        assert_eq!(&api.query(by_name).await["user"], expected);
        assert_eq!(&api.query(&entities(ann.id)).await["_entities"][0], expected);
    }
    let list = "{ users { edges { node { email } } } me { email } }";
    let data = services.users.bearer(&ann.access_token).query(list).await;
    assert_eq!(data["me"], visible);
    let expected = json!([{ "node": visible }, { "node": hidden }]);
    assert_eq!(data["users"]["edges"], expected);
}

//! Fields of both schemas, by introspection.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::services::Topology;

on_every_topology!(
    users_api_has_its_documented_fields,
    offers_api_has_its_documented_fields,
    both_services_are_federation_subgraphs,
    no_field_returns_a_secret,
    introspection_can_be_switched_off,
);

const USERS: &[&str] = &[
    "Query.user(id: ID, username: String): User",
    "Query.users(first: Int, after: String): UserConnection!",
    "Query.me: User",
    "Mutation.register(input: RegisterInput!): User!",
    "Mutation.authenticate(input: AuthenticateInput!): Session!",
    "Mutation.refresh(refreshToken: String!): Session!",
    "Mutation.logout(refreshToken: String!): Boolean!",
    "Mutation.changePassword(input: ChangePasswordInput!): Boolean!",
    "Mutation.updateUser(id: ID!, input: UpdateUserInput!): User!",
    "Mutation.deleteUser(id: ID!): Boolean!",
    "User.id: ID!",
    "User.username: String!",
    "User.email: String",
    "User.createdAt: DateTime!",
    "User.offers: [Offer!]",
    "User.offersConnection(first: Int, after: String): OfferConnection",
    "UserConnection.edges: [UserEdge!]!",
    "UserConnection.pageInfo: PageInfo!",
    "UserEdge.cursor: String!",
    "UserEdge.node: User!",
    "PageInfo.endCursor: String",
    "PageInfo.hasNextPage: Boolean!",
    "PageInfo.hasPreviousPage: Boolean!",
    "PageInfo.startCursor: String",
];

const OFFERS: &[&str] = &[
    "Query.offer(id: ID!): Offer",
    "Query.offers(userId: ID, filter: OfferFilter, orderBy: OfferOrder!, first: Int, \
     after: String): OfferConnection!",
    "OfferFilter.search: String",
    "OfferFilter.status: OfferStatus",
    "OfferFilter.currency: String",
    "OfferFilter.minPrice: BigInt",
    "OfferFilter.maxPrice: BigInt",
    "Mutation.createOffer(input: CreateOfferInput!): Offer!",
    "Mutation.updateOffer(id: ID!, input: UpdateOfferInput!): Offer!",
    "Mutation.deleteOffer(id: ID!): Boolean!",
    "Offer.id: ID!",
    "Offer.title: String!",
    "Offer.text: String!",
    "Offer.price: Money",
    "Offer.status: OfferStatus!",
    "Offer.createdAt: DateTime!",
    "Offer.updatedAt: DateTime!",
    "Offer.userId: ID!",
    "Offer.user: User!",
    "User.id: ID!",
    "User.offers: [Offer!]",
    "User.offersConnection(first: Int, after: String): OfferConnection",
    "OfferConnection.edges: [OfferEdge!]!",
    "OfferConnection.pageInfo: PageInfo!",
    "OfferEdge.cursor: String!",
    "OfferEdge.node: Offer!",
    "Money.amount: BigInt!",
    "Money.currency: String!",
];

const INTROSPECTION: &str = "{ __schema { types { name
    fields(includeDeprecated: true) { name
        args(includeDeprecated: true) { name type { ...type } } type { ...type } }
    inputFields { name type { ...type } } } } }
    fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// Returns a type in SDL.
fn type_text(of: &Value) -> String {
    match of["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", type_text(&of["ofType"])),
        "LIST" => format!("[{}]", type_text(&of["ofType"])),
        _ => of["name"].as_str().unwrap().to_owned(),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Returns each field of each type, with its arguments. Optional arguments for backward pagination
/// are left out: they do not break clients.
fn field_lines(data: &Value) -> BTreeSet<String> {
    const BACKWARD: [&str; 2] = ["last", "before"];
    let mut lines = BTreeSet::new();
    for of in list(&data["__schema"]["types"]) {
        let name = of["name"].as_str().unwrap();
        for field in list(&of["fields"]).chain(list(&of["inputFields"])) {
            let arguments: Vec<_> = list(&field["args"])
                .map(|one| (one["name"].as_str().unwrap(), type_text(&one["type"])))
                .filter(|(name, of)| !BACKWARD.contains(name) || of.ends_with('!'))
                .map(|(name, of)| format!("{name}: {of}"))
                .collect();
            let arguments = if arguments.is_empty() {
                String::new()
            } else {
                format!("({})", arguments.join(", "))
            };
            let field_name = field["name"].as_str().unwrap();
            lines.insert(format!("{name}.{field_name}{arguments}: {}", type_text(&field["type"])));
        }
    }
    lines
}

#[track_caller]
fn assert_contains(found: &BTreeSet<String>, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(**line)).collect();
    assert!(missing.is_empty(), "missing: {missing:#?}\nfound: {found:#?}");
}

async fn users_api_has_its_documented_fields(topology: Topology) {
    let services = topology.start_open().await;
    let found = field_lines(&services.users.query(INTROSPECTION).await);
    assert_contains(&found, USERS);
    // The schema is complete without the gateway: it contains all fields of an offer.
    assert_contains(&found, &["Offer.id: ID!", "Offer.title: String!", "Offer.text: String!"]);
}

async fn offers_api_has_its_documented_fields(topology: Topology) {
    let services = topology.start_open().await;
    assert_contains(&field_lines(&services.offers.query(INTROSPECTION).await), OFFERS);
}

async fn both_services_are_federation_subgraphs(topology: Topology) {
    let services = topology.start_open().await;
    for (api, keys) in [(&services.users, &["User"][..]), (&services.offers, &["Offer", "User"])] {
        let data = api.query("{ _service { sdl } }").await;
        let sdl = data["_service"]["sdl"].as_str().unwrap();
        assert!(sdl.contains("https://specs.apollo.dev/federation/v2."), "{sdl}");
        for name in keys {
            let start = sdl.find(&format!("type {name} ")).unwrap_or_else(|| panic!("{sdl}"));
            let head = sdl[start..].lines().next().unwrap();
            assert!(head.contains(r#"@key(fields: "id""#), "{head}");
        }
    }
}

async fn no_field_returns_a_secret(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        for line in field_lines(&api.query(INTROSPECTION).await) {
            let is_output = !line.split('.').next().unwrap().ends_with("Input");
            let line = line.to_lowercase();
            assert!(!line.contains("hash"), "{line}");
            let names_password = line.contains("password") && !line.contains("changepassword");
            assert!(!(is_output && names_password), "{line}");
        }
    }
}

/// `_service` returns the schema too. A gateway composes from the files in `schema/`.
async fn introspection_can_be_switched_off(topology: Topology) {
    let services = topology.set("INTROSPECTION", "off").start().await;
    for api in services.both() {
        for query in [
            "{ __schema { queryType { name } } }",
            "{ a: __type(name: \"Query\") { name } }",
            "{ _service { sdl } }",
            "{ ...F } fragment F on Query { ... { _service { sdl } } }",
        ] {
            let graphql = api.graphql(query, json!({})).await;
            assert_eq!(graphql.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
            graphql.http.expect(400);
        }
        // No error suggests a name.
        let graphql = api.graphql("{ __typenam }", json!({})).await;
        let message = graphql.body["errors"][0]["message"].as_str().unwrap();
        assert!(!message.contains("Did you mean"), "{message}");
        let data = api.query("{ __typename }").await;
        assert_eq!(data, json!({ "__typename": "Query" }));
    }
}

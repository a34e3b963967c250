//! The shape of both schemas, as they tell it themselves.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::services::Layout;

on_every_stack!(
    users_has_its_shape,
    offers_has_its_shape,
    both_are_federation_subgraphs,
    no_secret_is_a_field,
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
    "Query.offers(userId: ID!, first: Int, after: String): OfferConnection!",
    "Mutation.createOffer(input: CreateOfferInput!): Offer!",
    "Mutation.updateOffer(id: ID!, input: UpdateOfferInput!): Offer!",
    "Mutation.deleteOffer(id: ID!): Boolean!",
    "Offer.id: ID!",
    "Offer.title: String!",
    "Offer.text: String!",
    "Offer.createdAt: DateTime!",
    "Offer.userId: ID!",
    "Offer.user: User!",
    "User.id: ID!",
    "User.offers: [Offer!]",
    "User.offersConnection(first: Int, after: String): OfferConnection",
    "OfferConnection.edges: [OfferEdge!]!",
    "OfferConnection.pageInfo: PageInfo!",
    "OfferEdge.cursor: String!",
    "OfferEdge.node: Offer!",
];

const INTROSPECTION: &str = "{ __schema { types { name
    fields(includeDeprecated: true) { name
        args(includeDeprecated: true) { name type { ...type } } type { ...type } }
    inputFields { name type { ...type } } } } }
    fragment type on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// A type as it stands in the schema language.
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

/// Each field of each type, with those arguments alone that `expected` may name: more optional
/// ones, such as the backward half of a connection, break nobody.
fn lines(data: &Value) -> BTreeSet<String> {
    const LATER: [&str; 2] = ["last", "before"];
    let mut lines = BTreeSet::new();
    for of in list(&data["__schema"]["types"]) {
        let name = of["name"].as_str().unwrap();
        for field in list(&of["fields"]).chain(list(&of["inputFields"])) {
            let arguments: Vec<_> = list(&field["args"])
                .map(|one| (one["name"].as_str().unwrap(), type_text(&one["type"])))
                .filter(|(name, of)| !LATER.contains(name) || of.ends_with('!'))
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
fn check(found: &BTreeSet<String>, expected: &[&str]) {
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(**line)).collect();
    assert!(missing.is_empty(), "missing: {missing:#?}\nfound: {found:#?}");
}

async fn users_has_its_shape(layout: Layout) {
    let stack = layout.spec().await;
    let found = lines(&stack.users.query(INTROSPECTION).await);
    check(&found, USERS);
    // Complete alone: it shows an offer whole.
    check(&found, &["Offer.id: ID!", "Offer.title: String!", "Offer.text: String!"]);
}

async fn offers_has_its_shape(layout: Layout) {
    let stack = layout.spec().await;
    check(&lines(&stack.offers.query(INTROSPECTION).await), OFFERS);
}

async fn both_are_federation_subgraphs(layout: Layout) {
    let stack = layout.spec().await;
    for (api, keys) in [(&stack.users, &["User"][..]), (&stack.offers, &["Offer", "User"])] {
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

async fn no_secret_is_a_field(layout: Layout) {
    let stack = layout.spec().await;
    for api in [&stack.users, &stack.offers] {
        for line in lines(&api.query(INTROSPECTION).await) {
            let of_answers = !line.split('.').next().unwrap().ends_with("Input");
            let line = line.to_lowercase();
            assert!(!line.contains("hash"), "{line}");
            let named = line.contains("password") && !line.contains("changepassword");
            assert!(!(of_answers && named), "{line}");
        }
    }
}

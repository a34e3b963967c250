//! Sections 2 and 5 of the GraphQL specification, rule by rule, with documents that a service accepts
//! and documents that it refuses.

use async_graphql::ServerError;
use graphql_http::{Endpoint, router};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{code, pets};

struct Rule {
    name: &'static str,
    accepted: &'static [&'static str],
    refused: &'static [&'static str],
}

const fn rule(
    name: &'static str,
    accepted: &'static [&'static str],
    refused: &'static [&'static str],
) -> Rule {
    Rule { name, accepted, refused }
}

/// The rules of October 2021 and September 2025.
const RULES: &[Rule] = &[
    rule(
        "2.1.1 source text",
        &["{ text(value: \"\u{7}\u{10ffff}\") }", "# \u{1}\n{ __typename }"],
        &["{ \u{1} __typename }", "{ __typename\u{a0} }", "{ é }"],
    ),
    rule(
        "2.1.2 white space and byte order marks",
        &["\u{feff}{\t\u{feff}__typename\r\n}"],
        &["{ type\u{feff}name }"],
    ),
    rule(
        "2.1.4 comments",
        &["#a\r{ #}\n__typename } #", "{ ... on#a\nQuery { __typename } }"],
        &["#{ __typename }", "// a\n{ __typename }"],
    ),
    rule(
        "2.1.5 commas",
        &[",,,{,__typename,,}", "{ number(int: 1,,float: 1) }"],
        &["{ __typename; }"],
    ),
    rule(
        "2.1.6 lexical tokens",
        &["{...{__typename}}", "{ t:__typename }"],
        &[
            "{ .. { __typename } }",
            "queryA { __typename }",
            "mutationA { rename(name: \"\") { name } }",
            "{ ...A } fragmentA on Query { __typename }",
        ],
    ),
    rule(
        "2.1.9 names",
        &["{ _:__typename _1A:__typename }"],
        &["{ 1a: __typename }", "{ a-b: __typename }"],
    ),
    rule(
        "2.3 operations",
        &[
            "query{__typename}",
            "query query { __typename }",
            "\"text\" query A { __typename }",
            "query($a: Int) { number(int: $a) }",
        ],
        &[
            "",
            "{}",
            "query",
            "query {}",
            "Query { __typename }",
            "query() { __typename }",
            "type A { a: Int }",
            "\"text\" { __typename }",
        ],
    ),
    rule("2.5 fields", &["{ dog { name } }"], &["{ dog {} }", "{ dog. name }"]),
    rule(
        "2.6 arguments",
        &["{ number(float: 1 int: 2) }"],
        &["{ number() }", "{ number(int) }", "{ number(int: ) }"],
    ),
    rule(
        "2.7 aliases",
        &["{ on: __typename true: __typename }"],
        &["{ a: b: __typename }", "{ a: }"],
    ),
    rule(
        "2.8 fragments",
        &[
            "{ ...onDog } fragment onDog on Query { __typename }",
            "{ ...{ __typename } }",
            "{ ...@include(if: true) { __typename } }",
        ],
        &[
            "{ ...on } fragment on on Query { __typename }",
            "{ ...A } fragment A { __typename }",
            "{ ... on { __typename } }",
        ],
    ),
    rule(
        "2.9.1 integers",
        &["{ number(int: -0) }", "{ number(int: 0) }", "{ number(int: 12) }"],
        &[
            "{ number(int: 00) }",
            "{ number(int: 01) }",
            "{ number(int: +1) }",
            "{ number(int: - 1) }",
            "{ number(int: 0x1) }",
            "{ number(int: 1a) }",
            "{ number(int: 1_0) }",
            "{ booleanList(booleanListArg: [00]) }",
        ],
    ),
    rule(
        "2.9.2 floats",
        &["{ number(float: 1.5) }", "{ number(float: -0.0e-10) }", "{ number(float: 1E+2) }"],
        &[
            "{ number(float: 1.) }",
            "{ number(float: .5) }",
            "{ number(float: 1.e1) }",
            "{ number(float: 1e) }",
            "{ number(float: 1.5.3) }",
            "{ number(float: 1.5a) }",
        ],
    ),
    rule(
        "2.9.3 booleans",
        &["{ flag(required: true) }"],
        &["{ flag(required: True) }", "{ flag(required: trueish) }"],
    ),
    rule(
        "2.9.4 strings",
        &[
            r#"{ text(value: "\"\\\/\b\f\n\r\t\u00E4") }"#,
            r#"{ text(value: "\uD83D\uDCA3\u{1F4A3}\u{00041}") }"#,
            r#"{ text(value: "") }"#,
        ],
        &[
            r#"{ text(value: "\x") }"#,
            r#"{ text(value: "\u12") }"#,
            r#"{ text(value: "\uD83D") }"#,
            r#"{ text(value: "\uDCA3\uD83D") }"#,
            r#"{ text(value: "\u{}") }"#,
            r#"{ text(value: "\u{110000}") }"#,
            r#"{ text(value: "\u{D800}") }"#,
            r#"{ text(value: "a) }"#,
            "{ text(value: \"a\nb\") }",
            "{ text(value: 'a') }",
        ],
    ),
    rule(
        "2.9.4 block strings",
        &[r#"{ text(value: """""") }"#, "{ text(value: \"\"\"\n  a \"b\" \\\"\"\" \\x\n\"\"\") }"],
        &[r#"{ text(value: """") }"#, r#"{ text(value: """a) }"#, r#"{ text(value: """a\""") }"#],
    ),
    rule(
        "2.9.5 null",
        &["{ text(value: null) }"],
        &["{ text(value: NULL) }", "{ text(value: nullable) }"],
    ),
    rule(
        "2.9.6 enum values",
        &["{ dog { doesKnowCommand(dogCommand: SIT) } }"],
        &[
            "{ dog { doesKnowCommand(dogCommand: true) } }",
            "{ dog { doesKnowCommand(dogCommand: null) } }",
        ],
    ),
    rule(
        "2.9.7 lists",
        &["{ booleanList(booleanListArg: []) }", "{ booleanList(booleanListArg: [true false,]) }"],
        &["{ booleanList(booleanListArg: [true) }"],
    ),
    rule(
        "2.9.8 input objects",
        &["{ findDog(searchBy: {}) { name } }"],
        &["{ findDog(searchBy: { name }) { name } }"],
    ),
    rule(
        "2.10 variables",
        &[
            "query($a: Int = 1) { number(int: $a) }",
            "query($a: Int, $a_1: Int) { number(int: $a) b: number(int: $a_1) }",
        ],
        &[
            "query($a) { number(int: $a) }",
            "query(a: Int) { number(int: $a) }",
            "query($a: Int = $b, $b: Int) { number(int: $a) }",
            "query($a: Int @include(if: $b), $b: Boolean!) { number(int: $a) }",
            "query($a: Int @include(if: true) = 1) { number(int: $a) }",
        ],
    ),
    rule(
        "2.11 type references",
        &[
            "query($a: [ Boolean ! ] = [ true ]) { booleanList(booleanListArg: $a) }",
            "query($a:[Boolean!]!=true) { booleanList(booleanListArg: $a) }",
        ],
        &[
            "query($a: Int!!) { number(int: $a) }",
            "query($a: [Int) { number(int: $a) }",
            "query($a: []) { number(int: $a) }",
        ],
    ),
    rule(
        "2.12 directives",
        &["{ __typename@skip(if:true) }"],
        &["{ @skip(if: true) __typename }", "{ __typename @ }"],
    ),
    rule(
        "5.1.1 executable definitions",
        &["query A { __typename }"],
        &["{ __typename } type A { a: Int }", "{ __typename } extend type Dog { a: Int }"],
    ),
    rule("5.2.1.1 operation type existence", &["mutation { rename(name: \"a\") { name } }"], &[]),
    rule(
        "5.2.2.1 operation name uniqueness",
        &["query A { __typename } query B { __typename }"],
        &[
            "query A { __typename } query A { __typename }",
            "query A { dog { name } } mutation A { rename(name: \"a\") { name } }",
        ],
    ),
    rule(
        "5.2.3.1 lone anonymous operation",
        &["{ __typename }"],
        &[
            "{ __typename } query A { __typename }",
            "query A { __typename } { __typename }",
            "{ __typename } { __typename }",
        ],
    ),
    rule(
        "5.2.4.1 single root field",
        &[
            "subscription { newMessage }",
            "subscription { ...A newMessage } fragment A on Subscriptions { newMessage }",
        ],
        &[
            "subscription { newMessage other }",
            "subscription { ...A } fragment A on Subscriptions { newMessage other }",
            "subscription { __typename }",
            "subscription { newMessage ... { __typename } }",
            "subscription { newMessage @skip(if: true) }",
            "subscription { ... @include(if: true) { newMessage } }",
        ],
    ),
    rule(
        "5.3.1 field selections",
        &[
            "{ pet { name __typename } catOrDog { __typename ... on Dog { barkVolume } } __schema { types { name } } }",
        ],
        &[
            "{ meowVolume }",
            "{ dog { meowVolume } }",
            "{ pet { nickname } }",
            "{ catOrDog { name } }",
            "{ ...A } fragment A on Query { dog { meowVolume } }",
            "{ dog { __schema { types { name } } } }",
            "mutation { __type(name: \"Dog\") { name } }",
        ],
    ),
    rule(
        "5.3.2 field selection merging",
        &[
            "{ dog { name name } }",
            "{ dog { a: name a: name } }",
            "{ dog { doesKnowCommand(dogCommand: SIT) ...A } } fragment A on Dog { doesKnowCommand(dogCommand: SIT) }",
            "{ pet { ... on Dog { volume: barkVolume } ... on Cat { volume: meowVolume } } }",
            "{ pet { ... on Dog { doesKnowCommand(dogCommand: SIT) } ... on Cat { doesKnowCommand(catCommand: JUMP) } } }",
            "query($a: Int) { number(int: $a) ... { number(int: $a) } }",
            "{ findDog(searchBy: { name: \"a\", owner: \"b\" }) { name } ... { findDog(searchBy: { owner: \"b\", name: \"a\" }) { name } } }",
        ],
        &[
            "{ dog { name: nickname name } }",
            "{ dog { doesKnowCommand(dogCommand: SIT) doesKnowCommand(dogCommand: HEEL) } }",
            "{ number(int: 1) ...A } fragment A on Query { number(int: 2) }",
            "{ number(int: 1) ... { number } }",
            "{ number(int: 1) ... on Query { ... { number(float: 1) } } }",
            "query($a: Int, $b: Int) { number(int: $a) ... { number(int: $b) } }",
            "{ dog { owner { name } } ... { dog { owner { name: __typename } } } }",
            "{ pet { ... on Dog { name: nickname } name } }",
            "{ pet { ... on Dog { some: nickname } ... on Cat { some: meowVolume } } }",
            "{ pet { ... on Dog { some: name } ... on Cat { some: nickname } } }",
            "{ pet { ... on Dog { a: owner { name } } ... on Cat { a: name } } }",
            "{ human { pets { ... on Dog { x: owner { y: name } } ... on Dog { x: owner { y: __typename } } } } }",
            "mutation { rename(name: \"a\") { name } ...A } fragment A on Mutation { rename(name: \"b\") { name } }",
        ],
    ),
    rule(
        "5.3.3 leaf field selections",
        &["{ dog { barkVolume owner { name } } }"],
        &[
            "{ dog { barkVolume { a } } }",
            "{ dog }",
            "{ human { pets } }",
            "{ catOrDog }",
            "{ __typename { a } }",
        ],
    ),
    rule(
        "5.4.1 argument names",
        &["{ number(int: 1) }"],
        &[
            "{ number(nope: 1) }",
            "{ dog { name(a: 1) } }",
            "{ dog { name @include(if: true, unless: false) } }",
            "{ __typename(a: 1) }",
        ],
    ),
    rule(
        "5.4.2 argument uniqueness",
        &["{ number(int: 1, float: 1) }"],
        &["{ number(int: 1, int: 1) }", "{ __typename @skip(if: true, if: true) }"],
    ),
    rule(
        "5.4.3 required arguments",
        &["{ flag(required: true) }", "{ text }", "{ dog { isHouseTrained } }"],
        &[
            "{ flag }",
            "{ flag(required: null) }",
            "{ flag(required: true, optional: null) }",
            "{ multipleRequirements(x: 1) }",
            "{ dog { doesKnowCommand } }",
            "{ __typename @skip }",
            "{ findPet }",
        ],
    ),
    rule(
        "5.5.1.1 fragment name uniqueness",
        &["{ ...A ...B } fragment A on Query { __typename } fragment B on Query { __typename }"],
        &["{ ...A } fragment A on Query { __typename } fragment A on Query { __typename }"],
    ),
    rule(
        "5.5.1.2 fragment spread type existence",
        &["{ ... on Query { __typename } }"],
        &["{ ... on Nope { __typename } }", "{ ...A } fragment A on Nope { __typename }"],
    ),
    rule(
        "5.5.1.3 fragments on composite types",
        &["{ pet { ... on Pet { name } } catOrDog { ... on CatOrDog { __typename } } }"],
        &[
            "{ dog { ... on Int { a } } }",
            "{ dog { ...A } } fragment A on FindDogInput { name }",
            "{ dog { ... on DogCommand { a } } }",
        ],
    ),
    rule(
        "5.5.1.4 fragments must be used",
        &["{ ...A } fragment A on Query { ...B } fragment B on Query { __typename }"],
        &[
            "{ __typename } fragment A on Query { __typename }",
            "{ __typename } fragment A on Query { ...A }",
            "fragment A on Query { __typename }",
        ],
    ),
    rule(
        "5.5.2.1 fragment spread target defined",
        &["{ ...A } fragment A on Query { __typename }"],
        &["{ ...A }", "{ dog { ... { ...A } } }"],
    ),
    rule(
        "5.5.2.2 fragment spreads must not form cycles",
        &["{ ...A ...B } fragment A on Query { ...B } fragment B on Query { __typename }"],
        &[
            "{ ...A } fragment A on Query { ...A }",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { __typename ...A }",
            "{ dog { ...A } } fragment A on Dog { owner { pets { ...A } } }",
        ],
    ),
    rule(
        "5.5.2.3 fragment spread is possible",
        &[
            "{ dog { ... on Dog { name } ... on Pet { name } ... on CatOrDog { ... on Cat { name } } } }",
            "{ pet { ... on CatOrDog { ... on Cat { meowVolume } } } }",
            "{ human { ... on Sentient { name } } }",
        ],
        &[
            "{ dog { ... on Cat { meowVolume } } }",
            "{ dog { ...A } } fragment A on Cat { meowVolume }",
            "{ human { ... on Pet { name } } }",
            "{ pet { ... on Sentient { name } } }",
            "{ catOrDog { ...A } } fragment A on Human { name }",
            "{ ... on __Schema { description } }",
        ],
    ),
    rule(
        "5.6.1 values of correct type",
        &[
            "{ flag(required: true) }",
            "{ number(int: 2147483647, float: 1) }",
            "{ booleanList(booleanListArg: true) }",
            "{ id(value: 1) a: id(value: \"a\") }",
            "{ findDog(searchBy: { name: \"a\", owner: null }) { name } }",
            "query($a: FindDogInput = { name: \"a\" }) { findDog(searchBy: $a) { name } }",
        ],
        &[
            "{ number(int: \"1\") }",
            "{ number(int: 1.0) }",
            "{ number(int: 2147483648) }",
            "{ number(int: -2147483649) }",
            "{ number(int: true) }",
            "{ number(float: \"1\") }",
            "{ text(value: 1) }",
            "{ text(value: SIT) }",
            "{ flag(required: \"true\") }",
            "{ flag(required: 1) }",
            "{ id(value: 1.5) }",
            "{ id(value: true) }",
            "{ text(value: [\"a\"]) }",
            "{ text(value: {}) }",
            "{ booleanList(booleanListArg: [null]) }",
            "{ booleanList(booleanListArg: [1]) }",
            "{ dog { doesKnowCommand(dogCommand: \"SIT\") } }",
            "{ dog { doesKnowCommand(dogCommand: JUMP) } }",
            "{ findDog(searchBy: \"a\") { name } }",
            "{ findDog(searchBy: { name: 1 }) { name } }",
            "query($a: Int = \"1\") { number(int: $a) }",
            "query($a: Boolean! = null) { flag(required: $a) }",
            "query($a: [Boolean!] = [1]) { booleanList(booleanListArg: $a) }",
            "{ __typename @skip(if: 1) }",
        ],
    ),
    rule(
        "5.6.2 input object field names",
        &["{ findDog(searchBy: { name: \"a\" }) { name } }"],
        &[
            "{ findDog(searchBy: { nope: \"a\" }) { name } }",
            "query($a: FindDogInput = { nope: 1 }) { findDog(searchBy: $a) { name } }",
        ],
    ),
    rule(
        "5.6.3 input object field uniqueness",
        &["{ findDog(searchBy: { name: \"a\", owner: \"a\" }) { name } }"],
        &[
            "{ findDog(searchBy: { name: \"a\", name: \"a\" }) { name } }",
            "query($a: FindDogInput = { name: \"a\", name: \"b\" }) { findDog(searchBy: $a) { name } }",
        ],
    ),
    rule(
        "5.6.4 one-of input objects and required fields",
        &[
            "{ findPet(input: { cat: \"a\" }) }",
            "query($a: String! = \"a\") { findPet(input: { cat: $a }) }",
        ],
        &[
            "{ findPet(input: {}) }",
            "{ findPet(input: { cat: \"a\", dog: \"b\" }) }",
            "{ findPet(input: { cat: null }) }",
            "{ findPet(input: { cat: \"a\", dog: null }) }",
            "query($a: String) { findPet(input: { cat: $a }) }",
            "query($a: String = \"a\") { findPet(input: { cat: $a }) }",
        ],
    ),
    rule(
        "5.7.1 directives are defined",
        &["{ dog @include(if: true) { name } }"],
        &[
            "{ __typename @nope }",
            "query @nope { __typename }",
            "query($a: Int @nope) { number(int: $a) }",
            "{ ...A } fragment A on Query @nope { __typename }",
            "{ ... @nope { __typename } }",
        ],
    ),
    rule(
        "5.7.2 directives are in valid locations",
        &["{ ...A @skip(if: false) } fragment A on Query { __typename }"],
        &[
            "query @skip(if: true) { __typename }",
            "query($a: Int @skip(if: true)) { number(int: $a) }",
            "{ ...A } fragment A on Query @skip(if: true) { __typename }",
            "{ __typename @deprecated }",
        ],
    ),
    rule(
        "5.7.3 directives are unique per location",
        &[
            "{ __typename @skip(if: false) @include(if: true) }",
            "{ a: __typename @skip(if: true) b: __typename @skip(if: true) }",
        ],
        &[
            "{ __typename @skip(if: true) @skip(if: true) }",
            "{ ... @include(if: true) @include(if: false) { __typename } }",
        ],
    ),
    rule(
        "5.8.1 variable uniqueness",
        &["query($a: Int, $b: Int) { number(int: $a) b: number(int: $b) }"],
        &[
            "query($a: Int, $a: Int) { number(int: $a) }",
            "query($a: Int, $a: String) { number(int: $a) }",
        ],
    ),
    rule(
        "5.8.2 variables are input types",
        &[
            "query($a: FindDogInput, $b: DogCommand = SIT) { findDog(searchBy: $a) { doesKnowCommand(dogCommand: $b) } }",
        ],
        &[
            "query($a: Dog) { number(int: $a) }",
            "query($a: [Pet!]) { number(int: $a) }",
            "query($a: CatOrDog) { __typename }",
            "query($a: Nope) { number(int: $a) }",
            "query($a: [Nope!] = [1]) { __typename }",
        ],
    ),
    rule(
        "5.8.3 all variable uses defined",
        &["query($a: Int) { ...A } fragment A on Query { number(int: $a) }"],
        &[
            "{ number(int: $a) }",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { number(int: $a) }",
            "query A($a: Int) { ...A } query B { ...A } fragment A on Query { number(int: $a) }",
            "{ findDog(searchBy: { name: $a }) { name } }",
            "{ __typename @skip(if: $a) }",
        ],
    ),
    rule(
        "5.8.4 all variables used",
        &[
            "query($a: Boolean = true) { booleanList(booleanListArg: [$a]) }",
            "query($a: Boolean! = true) { __typename @include(if: $a) }",
        ],
        &[
            "query($a: Int) { __typename }",
            "query A($a: Int) { __typename } query B($a: Int) { number(int: $a) }",
            "query($a: Int) { ... { __typename } }",
        ],
    ),
    rule(
        "5.8.5 all variable usages are allowed",
        &[
            "query($a: Int = 1) { multipleRequirements(x: $a, y: 1) }",
            "query($a: Boolean) { flag(required: true, optional: $a) }",
            "query($a: [Boolean!]! = []) { booleanList(booleanListArg: $a) }",
            "query($a: Boolean = true) { __typename @skip(if: $a) }",
        ],
        &[
            "query($a: Int) { text(value: $a) }",
            "query($a: String) { number(int: $a) }",
            "query($a: Int) { number(float: $a) }",
            "query($a: Int) { id(value: $a) }",
            "query($a: Int) { multipleRequirements(x: $a, y: 1) }",
            "query($a: Int = null) { multipleRequirements(x: $a, y: 1) }",
            "query($a: Boolean) { flag(required: $a) }",
            "query($a: Boolean!) { booleanList(booleanListArg: $a) }",
            "query($a: [Boolean]) { booleanList(booleanListArg: $a) }",
            "query($a: Boolean) { __typename @skip(if: $a) }",
            "query($a: FindDogInput) { findDog(searchBy: { name: $a }) { name } }",
            "query($a: DogCommand) { text(value: $a) }",
        ],
    ),
];

const REFUSALS: [&str; 2] = ["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"];

/// Returns whether the endpoint refuses a document before execution.
async fn refuses(app: &axum::Router, query: &str) -> bool {
    // The first operation runs if there are several.
    let mut body = json!({ "query": query });
    if query.matches("query A").count() + query.matches("query B").count() > 1 {
        body["operationName"] = json!("A");
    }
    let request = axum::http::Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .body(axum::body::Body::from(body.to_string()));
    let response = app.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let refused = REFUSALS.contains(&code(&answer).as_str());
    assert!(!refused || status == 400, "{query}: {status} {answer}");
    refused
}

/// Returns whether async-graphql as it comes refuses a document: without a path, before execution.
async fn library_refuses(query: &'static str) -> bool {
    let schema = pets::build().finish();
    let execution = tokio::spawn(async move {
        let mut request = async_graphql::Request::new(query);
        if query.matches("query A").count() + query.matches("query B").count() > 1 {
            request = request.operation_name("A");
        }
        let has_no_path = |error: &ServerError| error.path.is_empty();
        let errors = if query.starts_with("subscription") {
            use futures_util::StreamExt;
            schema.execute_stream(request).next().await.map_or(Vec::new(), |first| first.errors)
        } else {
            schema.execute(request).await.errors
        };
        !errors.is_empty() && errors.iter().all(has_no_path)
    });
    // A panic is no refusal.
    execution.await.unwrap_or_default()
}

#[tokio::test]
async fn every_rule_of_the_specification_holds() {
    let app = router(Endpoint::new(pets::build(), ()));
    let (mut wrong, mut library_passes) = (Vec::new(), 0);
    for Rule { name, accepted, refused } in RULES {
        let examples = accepted.iter().map(|one| (one, false));
        let examples = examples.chain(refused.iter().map(|one| (one, true)));
        let mut library_passes_all = true;
        for (query, expected) in examples {
            if refuses(&app, query).await != expected {
                wrong.push(format!("{name}: {query}"));
            }
            library_passes_all &= library_refuses(query).await == expected;
        }
        library_passes += usize::from(library_passes_all);
    }
    let rules = RULES.len();
    println!(
        "rules that hold: graphql-http {rules} of {rules}, async-graphql {library_passes} of {rules}"
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

//! Expensive documents are rejected immediately, and those of common tools accepted.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{Server, code};

/// The introspection query of GraphiQL and other tools.
const INTROSPECTION: &str = include_str!("introspection.graphql");

#[tokio::test]
async fn introspection_query_of_tools_succeeds() {
    let server = Server::start().await;
    let (status, answer) = server.query(INTROSPECTION).await;
    assert_eq!((status, answer.get("errors")), (200, None));
    assert_eq!(answer["data"]["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let server = Server::with(|endpoint| endpoint.introspection = false).await;
    for query in ["{ __type(name: \"Query\") { name } }", INTROSPECTION] {
        let (status, code) = server.request_error(query).await;
        assert_eq!((status, code.as_str()), (400, "GRAPHQL_VALIDATION_FAILED"));
    }
    assert_eq!(server.query("{ __typename }").await.0, 200);
    let (_, answer) = server.query("{ helo }").await;
    assert!(!answer.to_string().contains("hello"), "{answer}");
}

fn repeated(part: &str, times: usize) -> String {
    part.repeat(times)
}

fn numbered(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect::<Vec<_>>().concat()
}

/// Returns fragments of which each spreads the next twice.
fn doubling(levels: usize, last: &str) -> String {
    let fragments = numbered(levels, |at| {
        let next = at + 1;
        format!("fragment F{at} on Query {{ ...F{next} ...F{next} }} ")
    });
    format!("{{ ...F0 }} {fragments} fragment F{levels} on Query {{ {last} }}")
}

fn expensive_documents() -> Vec<(&'static str, String)> {
    let nested = |open: &str, middle: &str, close: &str, times| {
        format!("{}{middle}{}", repeated(open, times), repeated(close, times))
    };
    let fragments = numbered(200, |at| format!("fragment F{at} on Query {{ hello }} "));
    vec![
        ("tokens", format!("{{ {} }}", repeated("hello ", 40_000))),
        ("nested fields", format!("{{ {} }}", nested("node {", "name", "}", 10_000))),
        ("nested values", format!("{{ echo(text: {}) }}", nested("[", "1", "]", 100_000))),
        ("nested types", format!("query($a: {}) {{ hello }}", nested("[", "Int", "]", 100_000))),
        ("depth", format!("{{ node {{ {} }} }}", nested("node {", "name", "}", 16))),
        ("a long name", format!("{{ {} }}", repeated("a", 200_000))),
        ("root fields", format!("{{ {} }}", repeated("hello ", 101))),
        ("aliases", format!("{{ {} }}", repeated("a: hello ", 51))),
        ("aliases in fragments", doubling(6, "a: hello")),
        ("directives", format!("{{ hello {} }}", repeated("@skip(if: false) ", 9))),
        ("directives of an operation", format!("query {} {{ hello }}", repeated("@a ", 9))),
        ("directives of a fragment", format!(
            "{{ ...F }} fragment F on Query {} {{ hello }}", repeated("@a ", 9))),
        ("directives of a spread", format!(
            "{{ ...F {} }} fragment F on Query {{ hello }}", repeated("@a ", 9))),
        ("fragments that spread", doubling(40, "hello")),
        ("fragments that spread nothing", doubling(40, "...unknown")),
        ("many fragments", format!("{{ hello }} {fragments}")),
        ("operations", numbered(200, |at| format!("query Q{at} {{ hello }} "))),
        ("circular introspection", format!(
            "{{ __schema {{ types {{ {} }} }} }}", nested("fields { type {", "name", "} }", 5))),
        ("introspection side by side", format!(
            "{{ __schema {{ types {{ {} }} }} }}",
            repeated("fields { type { fields { type { name } } } } ", 100))),
        ("introspection in fragments",
            "{ __schema { types { ...A } } } fragment A on __Type { fields { type { ...B ...B } } } \
             fragment B on __Type { fields { type { ...C ...C } } } \
             fragment C on __Type { fields { type { fields { type { name } } } } }".to_owned()),
    ]
}

#[tokio::test]
async fn expensive_documents_are_rejected_immediately() {
    let server = Server::start().await;
    for (name, document) in expensive_documents() {
        let start = Instant::now();
        let (status, code) = server.request_error(&document).await;
        assert_eq!((status, code.as_str()), (400, "QUERY_TOO_COMPLEX"), "{name}");
        assert!(start.elapsed() < Duration::from_secs(5), "{name}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn fragment_cycles_are_invalid() {
    let server = Server::start().await;
    for query in [
        "{ ...A } fragment A on Query { ...A ...A }",
        "{ ...A } fragment A on Query { ...B ...B } fragment B on Query { node { name } ...A ...A }",
        "{ hello } fragment A on Query { ...A }",
    ] {
        let (status, code) = server.request_error(query).await;
        assert_eq!((status, code.as_str()), (400, "GRAPHQL_VALIDATION_FAILED"), "{query}");
    }
}

#[tokio::test]
async fn large_variables_may_be_read_once() {
    let server = Server::start().await;
    let read = |times: usize| {
        let fields = numbered(times, |at| format!("a{at}: size(of: $v) "));
        let list = vec![1; 9_000];
        json!({ "query": format!("query($v: Input) {{ {fields} }}"), "variables": { "v": list } })
    };
    let (_, answer) = server.answer(read(1)).await;
    assert_ne!(code(&answer), "QUERY_TOO_COMPLEX");
    let (status, answer) = server.answer(read(50)).await;
    assert_eq!((status, code(&answer).as_str()), (400, "QUERY_TOO_COMPLEX"));
    let mut many = read(1);
    many["variables"] = json!({ "unused": vec![1; 10_001] });
    let (status, answer) = server.answer(many).await;
    assert_eq!((status, code(&answer).as_str()), (400, "QUERY_TOO_COMPLEX"));
    let small = json!({ "text": "x".repeat(1000) });
    let mut request = read(50);
    request["variables"]["v"] = small;
    assert_eq!(server.answer(request).await.0, 200);
}

#[tokio::test]
async fn messages_do_not_repeat_long_input() {
    let server = Server::start().await;
    let long = "x".repeat(100_000);
    for request in [
        json!({ "query": format!("{{ echo(text: {long}\"") }),
        json!({ "query": format!("{{ {} }}", repeated("nothing ", 90)) }),
        json!({ "query": "query($t: String!) { echo(text: $t) }", "variables": { "t": [long] } }),
        json!({ "query": "query($i: Input) { size(of: $i) }", "variables": { "i": [long] } }),
    ] {
        let response = server.post(request.to_string()).send().await.unwrap();
        let length = response.bytes().await.unwrap().len();
        assert!(length < 30_000, "{length}");
    }
}

#[tokio::test]
async fn single_use_fields_are_limited_to_one_per_request() {
    let server = Server::start().await;
    for query in [
        "mutation { a: login b: login }",
        "mutation { login signUp }",
        "mutation { login ...F } fragment F on Mutation { ... { x: login } }",
        "mutation { login @skip(if: true) signUp }",
    ] {
        let (status, code) = server.request_error(query).await;
        assert_eq!((status, code.as_str()), (400, "QUERY_TOO_COMPLEX"), "{query}");
    }
    assert_eq!(server.query("mutation { login count { times } }").await.0, 200);
    let (status, answer) = server
        .answer(
            json!({ "query": "mutation A { login } mutation B { signUp }", "operationName": "B" }),
        )
        .await;
    assert_eq!((status, answer), (200, json!({ "data": { "signUp": true } })));
}

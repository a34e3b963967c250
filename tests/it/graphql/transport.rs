//! GraphQL over HTTP.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::{Answer, Api};
use crate::support::graphql::GRAPHQL;
use crate::support::services::{Layout, Stack};

on_every_stack!(
    answers_in_the_type_that_is_asked_for,
    takes_queries_by_get,
    runs_no_mutation_by_get,
    refuses_batches_and_other_types,
    refuses_what_is_no_request,
    bad_documents_have_a_code,
    a_browser_gets_graphiql,
);

fn both(stack: &Stack) -> [&Api; 2] {
    [&stack.users, &stack.offers]
}

async fn get(api: &Api, parameters: &[(&str, &str)], accept: &str) -> Answer {
    let mut url = api.url("/graphql");
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    let request = api.request(Method::GET, url.as_str());
    Answer::to(request.header(header::ACCEPT, accept)).await
}

async fn post(api: &Api, of: &str, body: impl ToString) -> Answer {
    let request = api.request(Method::POST, "/graphql").header(header::CONTENT_TYPE, of);
    Answer::to(request.header(header::ACCEPT, GRAPHQL).body(body.to_string())).await
}

/// Fails unless this is a refusal with that status, with a code and no data.
#[track_caller]
fn refused(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}: {}", answer.text());
    let body = answer.parse();
    assert!(body.get("data").is_none(), "{body}");
    let code = match body.get("errors") {
        Some(errors) => &errors[0]["extensions"]["code"],
        None => &body["code"],
    };
    assert!(code.as_str().is_some_and(crate::support::problem::is_code), "{body}");
}

async fn answers_in_the_type_that_is_asked_for(layout: Layout) {
    let stack = layout.spec().await;
    let body = json!({ "query": "{ __typename }" });
    for api in both(&stack) {
        for (accept, expected) in [
            (GRAPHQL, GRAPHQL),
            ("application/json", "application/json"),
            ("application/graphql-response+json, application/json;q=0.9", GRAPHQL),
        ] {
            let request = api.request(Method::POST, "/graphql").header(header::ACCEPT, accept);
            let answer = Answer::to(request.json(&body)).await.expect(200);
            assert_eq!(answer.media_type(), Some(expected));
            assert_eq!(answer.parse(), json!({ "data": { "__typename": "Query" } }));
        }
    }
}

async fn takes_queries_by_get(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    let query = "query One($name: String) { user(username: $name) { username } }
        query Two { me { id } }";
    let variables = json!({ "name": "ann" }).to_string();
    let parameters = [("query", query), ("variables", &variables), ("operationName", "One")];
    let answer = get(&stack.users, &parameters, GRAPHQL).await.expect(200);
    assert_eq!(answer.parse(), json!({ "data": { "user": { "username": "ann" } } }));
    let query = [("query", "{ offer(id: \"1\") { id } }")];
    let answer = get(&stack.offers, &query, GRAPHQL).await.expect(200);
    assert_eq!(answer.parse(), json!({ "data": { "offer": null } }));
}

async fn runs_no_mutation_by_get(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let delete = format!("mutation {{ deleteUser(id: \"{}\") }}", ann.id);
    let named = format!("query Q {{ __typename }} {delete}").replace("mutation", "mutation M");
    let create = format!(
        "mutation {{ createOffer(input: {{ userId: \"{}\", title: \"x\", text: \"x\" }}) {{ id }} }}",
        ann.id
    );
    for (api, parameters) in [
        (&stack.users, vec![("query", delete.as_str())]),
        (&stack.users, vec![("query", named.as_str()), ("operationName", "M")]),
        (&stack.offers, vec![("query", create.as_str())]),
    ] {
        let answer = get(api, &parameters, GRAPHQL).await;
        refused(&answer, 405);
        assert!(answer.header(header::ALLOW).unwrap().contains("POST"));
    }
    let user = stack.users.get(&ann.path()).await.expect(200).json();
    assert_eq!(user["offers"], json!([]));
}

async fn refuses_batches_and_other_types(layout: Layout) {
    let stack = layout.spec().await;
    let one = json!({ "query": "{ __typename }" });
    for api in both(&stack) {
        for batch in [json!([one]), json!([one, one]), json!([])] {
            refused(&post(api, "application/json", batch).await, 400);
        }
        for of in ["text/plain", "application/x-www-form-urlencoded", "application/graphql"] {
            refused(&post(api, of, &one).await, 415);
        }
        let form = "multipart/form-data; boundary=x";
        let body = "--x\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n\
            {\"query\":\"{ __typename }\"}\r\n--x--\r\n";
        refused(&post(api, form, body).await, 415);
        let large = json!({ "query": "{ __typename }", "padding": "x".repeat(256 * 1024) });
        refused(&post(api, "application/json", large).await, 413);
    }
}

async fn refuses_what_is_no_request(layout: Layout) {
    let stack = layout.spec().await;
    for api in both(&stack) {
        for body in ["", "{", "null", "\"query\"", "{}", r#"{"query":1}"#, r#"{"query":null}"#] {
            refused(&post(api, "application/json", body).await, 400);
        }
        refused(&get(api, &[], GRAPHQL).await, 400);
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = Answer::to(api.request(method, "/graphql")).await;
            refused(&answer, 405);
            assert!(answer.header(header::ALLOW).unwrap().contains("POST"));
        }
    }
}

async fn bad_documents_have_a_code(layout: Layout) {
    let stack = layout.spec().await;
    for api in both(&stack) {
        let mut codes = Vec::new();
        for query in ["{", "{ nothing }", "query($a: Int!) { __typename }"] {
            let body = json!({ "query": query });
            let answer = post(api, "application/json", &body).await;
            refused(&answer, 400);
            codes.push(answer.parse()["errors"][0]["extensions"]["code"].clone());
            // Old clients of `application/json` read the body of a 200 alone.
            let request = api.request(Method::POST, "/graphql");
            let request = request.header(header::ACCEPT, "application/json");
            let answer = Answer::to(request.json(&body)).await;
            let code = &answer.parse()["errors"][0]["extensions"]["code"];
            assert_eq!(Some(code), codes.last());
        }
        assert_eq!(codes[0], "GRAPHQL_PARSE_FAILED");
        assert_eq!(codes[1], "GRAPHQL_VALIDATION_FAILED");
    }
}

async fn a_browser_gets_graphiql(layout: Layout) {
    let stack = layout.spec().await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for api in both(&stack) {
        let answer = get(api, &[], accept).await.expect(200);
        assert_eq!(answer.media_type(), Some("text/html"));
        assert!(answer.text().to_lowercase().contains("graphiql"));
        assert_ne!(answer.body.len(), 0);
        let plain: Value = get(api, &[("query", "{ __typename }")], "*/*").await.parse();
        assert_eq!(plain["data"]["__typename"], "Query");
    }
}

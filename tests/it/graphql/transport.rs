//! GraphQL over HTTP.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::{ApiClient, HttpResponse, send};
use crate::support::graphql::GRAPHQL;
use crate::support::problem::is_code;
use crate::support::services::Topology;

on_every_topology!(
    response_has_the_accepted_media_type,
    get_runs_queries,
    get_rejects_mutations,
    rejects_batches_and_other_media_types,
    rejects_malformed_request,
    invalid_documents_have_a_code,
    browser_gets_graphiql,
);

async fn get(api: &ApiClient, parameters: &[(&str, &str)], accept: &str) -> HttpResponse {
    let mut url = api.url("/graphql");
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    let request = api.request(Method::GET, url.as_str());
    send(request.header(header::ACCEPT, accept)).await
}

async fn post(api: &ApiClient, content_type: &str, body: impl ToString) -> HttpResponse {
    let request = api.request(Method::POST, "/graphql").header(header::CONTENT_TYPE, content_type);
    send(request.header(header::ACCEPT, GRAPHQL).body(body.to_string())).await
}

/// Asserts the status of an error that has a code and no `data`.
#[track_caller]
fn assert_error(response: &HttpResponse, status: u16) {
    assert_eq!(response.status, status, "{response:?}: {}", response.text());
    let body = response.parse();
    assert!(body.get("data").is_none(), "{body}");
    let code = match body.get("errors") {
        Some(errors) => &errors[0]["extensions"]["code"],
        None => &body["code"],
    };
    assert!(code.as_str().is_some_and(is_code), "{body}");
}

async fn response_has_the_accepted_media_type(topology: Topology) {
    let services = topology.start_open().await;
    let body = json!({ "query": "{ __typename }" });
    for api in services.both() {
        for (accept, expected) in [
            (GRAPHQL, GRAPHQL),
            ("application/json", "application/json"),
            ("application/graphql-response+json, application/json;q=0.9", GRAPHQL),
        ] {
            let request = api.request(Method::POST, "/graphql").header(header::ACCEPT, accept);
            let response = send(request.json(&body)).await.expect(200);
            assert_eq!(response.media_type(), Some(expected));
            assert_eq!(response.parse(), json!({ "data": { "__typename": "Query" } }));
        }
    }
}

async fn get_runs_queries(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    let query = "query One($name: String) { user(username: $name) { username } }
        query Two { me { id } }";
    let variables = json!({ "name": "ann" }).to_string();
    let parameters = [("query", query), ("variables", &variables), ("operationName", "One")];
    let response = get(&services.users, &parameters, GRAPHQL).await.expect(200);
    assert_eq!(response.parse(), json!({ "data": { "user": { "username": "ann" } } }));
    let query = [("query", "{ offer(id: \"1\") { id } }")];
    let response = get(&services.offers, &query, GRAPHQL).await.expect(200);
    assert_eq!(response.parse(), json!({ "data": { "offer": null } }));
}

async fn get_rejects_mutations(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let delete = format!("mutation {{ deleteUser(id: \"{}\") }}", ann.id);
    let named = format!("query Q {{ __typename }} {delete}").replace("mutation", "mutation M");
    let create = format!(
        "mutation {{ createOffer(input: {{ userId: \"{}\", title: \"x\", text: \"x\" }}) {{ id }} }}",
        ann.id
    );
    for (api, parameters) in [
        (&services.users, vec![("query", delete.as_str())]),
        (&services.users, vec![("query", named.as_str()), ("operationName", "M")]),
        (&services.offers, vec![("query", create.as_str())]),
    ] {
        let response = get(api, &parameters, GRAPHQL).await;
        assert_error(&response, 405);
        assert!(response.header(header::ALLOW).unwrap().contains("POST"));
    }
    let user = services.users.get_user(ann.id).await.expect(200).json();
    assert_eq!(user["offers"], json!([]));
}

async fn rejects_batches_and_other_media_types(topology: Topology) {
    let services = topology.start_open().await;
    let one = json!({ "query": "{ __typename }" });
    for api in services.both() {
        for batch in [json!([one]), json!([one, one]), json!([])] {
            assert_error(&post(api, "application/json", batch).await, 400);
        }
        for content_type in
            ["text/plain", "application/x-www-form-urlencoded", "application/graphql"]
        {
            assert_error(&post(api, content_type, &one).await, 415);
        }
        let form = "multipart/form-data; boundary=x";
        let body = "--x\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n\
            {\"query\":\"{ __typename }\"}\r\n--x--\r\n";
        assert_error(&post(api, form, body).await, 415);
        let large = json!({ "query": "{ __typename }", "padding": "x".repeat(256 * 1024) });
        assert_error(&post(api, "application/json", large).await, 413);
    }
}

async fn rejects_malformed_request(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        for body in ["", "{", "null", "\"query\"", "{}", r#"{"query":1}"#, r#"{"query":null}"#] {
            assert_error(&post(api, "application/json", body).await, 400);
        }
        assert_error(&get(api, &[], GRAPHQL).await, 400);
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let response = send(api.request(method, "/graphql")).await;
            assert_error(&response, 405);
            assert!(response.header(header::ALLOW).unwrap().contains("POST"));
        }
    }
}

async fn invalid_documents_have_a_code(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        let mut codes = Vec::new();
        for query in ["{", "{ nothing }", "query($a: Int!) { __typename }"] {
            let body = json!({ "query": query });
            let response = post(api, "application/json", &body).await;
            assert_error(&response, 400);
            codes.push(response.parse()["errors"][0]["extensions"]["code"].clone());
            // Older clients of `application/json` read only the body of a 200.
            let request = api.request(Method::POST, "/graphql");
            let request = request.header(header::ACCEPT, "application/json");
            let response = send(request.json(&body)).await;
            let code = &response.parse()["errors"][0]["extensions"]["code"];
            assert_eq!(Some(code), codes.last());
        }
        assert_eq!(codes[0], "GRAPHQL_PARSE_FAILED");
        assert_eq!(codes[1], "GRAPHQL_VALIDATION_FAILED");
    }
}

async fn browser_gets_graphiql(topology: Topology) {
    let services = topology.start_open().await;
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for api in services.both() {
        let response = get(api, &[], accept).await.expect(200);
        assert_eq!(response.media_type(), Some("text/html"));
        assert!(response.text().to_lowercase().contains("graphiql"));
        assert_ne!(response.body.len(), 0);
        let plain: Value = get(api, &[("query", "{ __typename }")], "*/*").await.parse();
        assert_eq!(plain["data"]["__typename"], "Query");
    }
}

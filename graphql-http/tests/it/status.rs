//! The status of each failure, and the code in its body.

use serde_json::{Value, json};

use crate::{Server, code};

const RESPONSE: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

/// Returns the status and the code of a request error in this media type.
async fn status(server: &Server, accept: &str, body: &str) -> (u16, String) {
    let request = server.http.post(server.url()).body(body.to_owned());
    let request = request.header("content-type", JSON).header("accept", accept);
    let response = request.send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind, format!("{accept}; charset=utf-8"));
    assert_eq!(response.headers()["vary"], "accept");
    let status = response.status().as_u16();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer.get("data"), None, "{answer}");
    (status, code(&answer))
}

#[tokio::test]
async fn malformed_request_is_400_in_both_media_types() {
    let server = Server::start().await;
    for body in ["", "{", "7", "[]", r#"[{"query":"{hello}"}]"#, "{}", r#"{"query":7}"#] {
        for accept in [RESPONSE, JSON] {
            let (status, code) = status(&server, accept, body).await;
            assert_eq!((status, code.as_str()), (400, "BAD_REQUEST"), "{body}");
        }
    }
}

#[tokio::test]
async fn invalid_document_is_400_or_200_for_application_json() {
    let server = Server::start().await;
    let many = format!("{{ {} }}", "hello ".repeat(5000));
    for (body, expected) in [
        (json!({ "query": "{" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "{ hello" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "" }), "GRAPHQL_PARSE_FAILED"),
        (json!({ "query": "{ nothing }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "{ node }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "{ echo }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "query($a: No = 1) { hello }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "query($a: [[No!]] = [[1]]) { hello }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "{ hello }", "operationName": "A" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "query A { hello } query B { me }" }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "query": "query($t: String!) { echo(text: $t) }" }), "GRAPHQL_VALIDATION_FAILED"),
        (
            json!({ "query": "query($t: String!) { echo(text: $t) }", "variables": { "t": null } }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            json!({ "query": "query($t: String!) { echo(text: $t) }", "variables": { "t": 7 } }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (json!({ "query": many }), "QUERY_TOO_COMPLEX"),
        (
            json!({ "extensions": { "persistedQuery": {
                "version": 1, "sha256Hash": "0".repeat(64) } } }),
            "PERSISTED_QUERY_NOT_FOUND",
        ),
    ] {
        let body = body.to_string();
        assert_eq!(status(&server, RESPONSE, &body).await, (400, expected.to_owned()), "{body}");
        assert_eq!(status(&server, JSON, &body).await, (200, expected.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn executed_request_is_200_and_has_data() {
    let server = Server::start().await;
    for (query, data) in [
        ("{ hello }", json!({ "hello": "world" })),
        ("{ fails }", json!({ "fails": null })),
        ("mutation { login }", json!({ "login": true })),
    ] {
        let (status, answer) = server.query(query).await;
        assert_eq!((status, &answer["data"]), (200, &data));
    }
}

#[tokio::test]
async fn unacceptable_media_type_406() {
    let server = Server::start().await;
    for accept in ["text/html", "application/xml", "application/json;charset=latin1"] {
        let request = server.http.post(server.url()).header("accept", accept);
        let request = request.header("content-type", JSON).body(r#"{"query":"{ hello }"}"#);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 406);
        assert_eq!(code(&response.json().await.unwrap()), "NOT_ACCEPTABLE");
    }
}

#[tokio::test]
async fn unsupported_content_type_415() {
    let server = Server::start().await;
    let body = r#"{"query":"{ hello }"}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json; charset=utf-16",
        "",
    ] {
        let mut request = server.http.post(server.url()).body(body);
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 415, "{kind}");
        assert_eq!(code(&response.json().await.unwrap()), "UNSUPPORTED_MEDIA_TYPE");
    }
    let packed = server.post(body).header("content-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.status(), 415);
    for kind in ["application/json", "Application/JSON; Charset=UTF-8", "application/json;x=y"] {
        let request = server.http.post(server.url()).body(body).header("content-type", kind);
        assert_eq!(request.send().await.unwrap().status(), 200, "{kind}");
    }
}

#[tokio::test]
async fn unsupported_method_405() {
    let server = Server::start().await;
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
        let response = server.http.request(method, server.url()).send().await.unwrap();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
        assert_eq!(code(&response.json().await.unwrap()), "METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn oversized_body_413() {
    let server = Server::start().await;
    let body = |length: usize| {
        let around = r#"{"query":"{ hello }","x":""}"#.len();
        format!(r#"{{"query":"{{ hello }}","x":"{}"}}"#, "x".repeat(length - around))
    };
    let response = server.post(body(256 * 1024)).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let response = server.post(body(256 * 1024 + 1)).send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(code(&response.json().await.unwrap()), "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn invalid_token_401_and_busy_authenticator_503() {
    let server = Server::start().await;
    let ask = |token: &str| {
        let request = server.post(r#"{"query":"{ me }"}"#);
        request.header("authorization", token.to_owned()).send()
    };
    let response = ask("Bearer good").await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap(), json!({ "data": { "me": 7 } }));
    for token in ["Bearer bad", "Bearer ", "Basic good"] {
        let response = ask(token).await.unwrap();
        assert_eq!(response.status(), 401, "{token}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
        assert_eq!(code(&response.json().await.unwrap()), "INVALID_TOKEN");
    }
    let response = ask("Bearer busy").await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(code(&response.json().await.unwrap()), "BUSY");
}

#[tokio::test]
async fn subscription_over_http_is_400() {
    let server = Server::start().await;
    let (status, code) = server.request_error("subscription { never }").await;
    assert_eq!((status, code.as_str()), (400, "BAD_REQUEST"));
}

/// A client may send old credentials with the request that replaces them.
#[tokio::test]
async fn rejected_credentials_do_not_matter_to_fields_that_need_none() {
    let server = Server::with(|endpoint| endpoint.credential_fields = &["login", "logout"]).await;
    for (token, query, status) in [
        ("bad", "mutation { login }", 200),
        ("bad", "mutation { ...F } fragment F on Mutation { a: login }", 200),
        ("bad", "mutation { login signUp }", 401),
        ("bad", "mutation { signUp }", 401),
        ("bad", "{ __typename }", 401),
        ("bad", "mutation { nothing }", 401),
        ("bad", "mutation {", 401),
        ("busy", "mutation { login }", 503),
    ] {
        let request = server.post(json!({ "query": query }).to_string());
        let response = request.bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), status, "{token} {query}");
    }
}

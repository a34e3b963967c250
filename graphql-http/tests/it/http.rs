//! `GET`, headers, the landing page and persisted queries.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Server, code};

impl Server {
    fn get(&self, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let query = form(parameters);
        self.http.get(format!("{}?{query}", self.url()))
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| hex(text.as_bytes(), "%");
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn hex(bytes: &[u8], before: &str) -> String {
    bytes.iter().map(|byte| format!("{before}{byte:02x}")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn get_executes_only_queries() {
    let server = Server::start().await;
    let query = "query A($t: String!) { echo(text: $t) } mutation B { count { times } }";
    let variables = r#"{"t":"ä & b"}"#;
    let parameters = [("query", query), ("operationName", "A"), ("variables", variables)];
    let response = server.get(&parameters).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({ "data": { "echo": "ä & b" } }));

    for accept in ["application/json", "application/graphql-response+json"] {
        let request = server.get(&[("query", query), ("operationName", "B")]);
        let response = request.header("accept", accept).send().await.unwrap();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "POST");
        assert_eq!(code(&response.json().await.unwrap()), "METHOD_NOT_ALLOWED");
    }
    assert_eq!(server.stage.count.load(std::sync::atomic::Ordering::SeqCst), 0);

    let request = server.http.get(server.url()).header("accept", "application/json");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(code(&response.json().await.unwrap()), "BAD_REQUEST");
}

#[tokio::test]
async fn head_equals_get_without_body() {
    let server = Server::start().await;
    let url = format!("{}?query=%7Bhello%7D", server.url());
    let response = server.http.head(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    assert!(response.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn browser_gets_the_landing_page() {
    let server = Server::start().await;
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let response = server.http.get(server.url()).header("accept", browser).send().await.unwrap();
    assert_eq!(response.headers()["vary"], "accept");
    assert_eq!(response.text().await.unwrap(), "the page");
    let asks = server.get(&[("query", "{ hello }")]).header("accept", browser).send();
    assert_eq!(asks.await.unwrap().headers()["content-type"], "application/json; charset=utf-8");

    let without = Server::with(|endpoint| endpoint.landing_page = None).await;
    let response = without.http.get(without.url()).header("accept", browser).send().await.unwrap();
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn response_headers_match_the_operation() {
    let server = Server::start().await;
    let send = |query: &str| server.post(json!({ "query": query }).to_string()).send();
    let response = send("{ header }").await.unwrap();
    assert_eq!(response.headers()["x-own"], "1");
    assert!(!response.headers().contains_key("cache-control"));
    for query in ["mutation { login }", "{ nothing }"] {
        assert_eq!(send(query).await.unwrap().headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn persisted_query_is_registered_by_hash() {
    let server = Server::start().await;
    let query = "{ hello me }";
    let hash = hex(&Sha256::digest(query), "");
    let persisted = |hash: &str| json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });

    let alone = json!({ "extensions": persisted(&hash) });
    let (status, answer) = server.answer(alone.clone()).await;
    assert_eq!((status, code(&answer).as_str()), (400, "PERSISTED_QUERY_NOT_FOUND"));
    assert_eq!(answer["errors"][0]["message"], "PersistedQueryNotFound");

    let both = |hash: &str| json!({ "query": query, "extensions": persisted(hash) });
    let (status, answer) = server.answer(both(&"0".repeat(64))).await;
    assert_eq!((status, code(&answer).as_str()), (400, "BAD_REQUEST"));
    assert_eq!(server.answer(alone.clone()).await.0, 400, "a wrong hash registers nothing");

    let data = json!({ "data": { "hello": "world", "me": null } });
    assert_eq!(server.answer(both(&hash)).await, (200, data.clone()));
    assert_eq!(server.answer(alone).await, (200, data.clone()));
    let extensions = persisted(&hash.to_uppercase()).to_string();
    let response = server.get(&[("extensions", &extensions)]).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap(), data);
}

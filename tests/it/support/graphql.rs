//! GraphQL over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{ApiClient, HttpResponse, send};
use super::problem::is_code;

/// The media type of a GraphQL response.
pub(crate) const GRAPHQL: &str = "application/graphql-response+json";

/// A well-formed GraphQL response: every error in it has a message and a code.
#[derive(Debug)]
pub(crate) struct GraphqlResponse {
    pub(crate) http: HttpResponse,
    pub(crate) body: Value,
}

impl ApiClient {
    /// Runs a document.
    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> GraphqlResponse {
        let body = json!({ "query": query, "variables": variables });
        let request = self.request(Method::POST, "/graphql");
        let http = send(request.header("accept", GRAPHQL).json(&body)).await;
        GraphqlResponse::new(http)
    }

    /// Runs a document without variables, asserts that it succeeds, and returns its `data`.
    pub(crate) async fn query(&self, query: &str) -> Value {
        self.graphql(query, json!({})).await.data()
    }
}

impl GraphqlResponse {
    #[track_caller]
    fn new(http: HttpResponse) -> Self {
        assert_eq!(http.media_type(), Some(GRAPHQL), "{http:?}");
        let body = http.parse();
        for error in body["errors"].as_array().into_iter().flatten() {
            assert!(error["message"].is_string(), "{body}");
            let code = error["extensions"]["code"].as_str();
            assert!(code.is_some_and(is_code), "{body}");
        }
        Self { http, body }
    }

    /// Returns `data`, and asserts that there are no errors.
    #[track_caller]
    pub(crate) fn data(self) -> Value {
        assert!(self.body.get("errors").is_none(), "{}", self.body);
        self.http.expect(200);
        self.body["data"].clone()
    }

    /// Returns the code of the only error.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        let errors = self.body["errors"].as_array();
        match errors.map(Vec::as_slice) {
            Some([error]) => error["extensions"]["code"].as_str().unwrap(),
            _ => panic!("not exactly one error: {}", self.body),
        }
    }
}

//! GraphQL over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Api};
use crate::support::problem::is_code;

/// The media type of a GraphQL answer.
pub(crate) const GRAPHQL: &str = "application/graphql-response+json";

/// What a service answered to a GraphQL request.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) answer: Answer,
    pub(crate) body: Value,
}

impl Api {
    /// Runs a document.
    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Graph {
        let body = json!({ "query": query, "variables": variables });
        let request = self.request(Method::POST, "/graphql");
        let answer = Answer::to(request.header("accept", GRAPHQL).json(&body)).await;
        Graph::new(answer)
    }

    /// Runs a document without variables that has to succeed, and gives its `data`.
    pub(crate) async fn query(&self, query: &str) -> Value {
        self.graphql(query, json!({})).await.data()
    }
}

impl Graph {
    #[track_caller]
    pub(crate) fn new(answer: Answer) -> Self {
        assert_eq!(answer.media_type(), Some(GRAPHQL), "{answer:?}");
        let body = answer.parse();
        for error in body["errors"].as_array().into_iter().flatten() {
            assert!(error["message"].is_string(), "{body}");
            let code = error["extensions"]["code"].as_str();
            assert!(code.is_some_and(is_code), "{body}");
        }
        Self { answer, body }
    }

    /// The data of an answer without errors.
    #[track_caller]
    pub(crate) fn data(self) -> Value {
        assert!(self.body.get("errors").is_none(), "{}", self.body);
        self.answer.expect(200);
        self.body["data"].clone()
    }

    /// The code of the only error.
    #[track_caller]
    pub(crate) fn code(&self) -> &str {
        let errors = self.body["errors"].as_array();
        match errors.map(Vec::as_slice) {
            Some([error]) => error["extensions"]["code"].as_str().unwrap(),
            _ => panic!("not exactly one error: {}", self.body),
        }
    }
}

//! Problem details (RFC 9457), the form of every error over REST.

use reqwest::header;
use serde_json::Value;

use super::client::HttpResponse;

/// An error as `application/problem+json`.
#[derive(Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) detail: String,
    /// JSON pointers to the invalid fields, without the `#` of a URI fragment.
    pub(crate) pointers: Vec<String>,
}

impl Problem {
    /// Asserts that exactly these fields are invalid, in any order.
    #[track_caller]
    pub(crate) fn assert_pointers(&self, pointers: &[&str]) {
        let mut found = self.pointers.clone();
        found.sort_unstable();
        let mut expected = pointers.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{self:?}");
    }
}

impl HttpResponse {
    /// Returns the problem, and asserts that it is well-formed and has this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.status, status, "{}: {}", self.url, self.text());
        assert_eq!(self.media_type(), Some("application/problem+json"), "{self:?}");
        let body = self.parse();
        let text = |name: &str| match body[name].as_str() {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => panic!("{name} is not a non-empty string: {body}"),
        };
        assert!(!text("type").is_empty() && !text("title").is_empty());
        assert_eq!(body["status"], status, "{body}");
        let code = text("code");
        assert!(is_code(&code), "{body}");
        match status {
            401 => assert!(
                self.headers.contains_key(header::WWW_AUTHENTICATE),
                "RFC 9110 requires WWW-Authenticate with every 401: {self:?}"
            ),
            405 => assert!(self.headers.contains_key(header::ALLOW), "{self:?}"),
            429 | 503 => assert!(self.headers.contains_key(header::RETRY_AFTER), "{self:?}"),
            _ => {}
        }
        Problem { code, detail: text("detail"), pointers: pointers(&body) }
    }
}

/// Returns whether this looks like an error code, such as `USERNAME_TAKEN`.
pub(crate) fn is_code(code: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
    code.split('_').all(word)
}

fn pointers(body: &Value) -> Vec<String> {
    let Some(errors) = body.get("errors") else {
        return Vec::new();
    };
    let errors = errors.as_array().unwrap().iter();
    errors
        .map(|error| {
            assert!(error["detail"].is_string(), "{body}");
            let pointer = error["pointer"].as_str().unwrap();
            pointer.trim_start_matches('#').to_owned()
        })
        .collect()
}

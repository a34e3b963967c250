//! A client of one service, as strict as a careful user would be.

use reqwest::header::{self, HeaderMap};
use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;

/// One service, and the token that is sent to it.
#[derive(Clone)]
pub(crate) struct Api {
    base: Url,
    http: reqwest::Client,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self::with_client(base, http)
    }

    pub(crate) fn with_client(base: &str, http: reqwest::Client) -> Self {
        Self { base: Url::parse(base).unwrap(), http, token: None }
    }

    /// The same service with an access token.
    pub(crate) fn bearer(&self, token: &str) -> Self {
        let token = Some(token.to_owned());
        Self { token, ..self.clone() }
    }

    /// An absolute address on this service.
    pub(crate) fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    /// A request to be filled in, and sent by `Answer::to`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::to(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::to(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::DELETE, path)).await
    }
}

/// What a service answered, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        Self::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            url: response.url().clone(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.url, self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header that stands at most once.
    #[track_caller]
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "a header stands twice: {self:?}");
        value
    }

    /// The media type without its parameters.
    pub(crate) fn media_type(&self) -> Option<&str> {
        let value = self.header(header::CONTENT_TYPE)?;
        value.split(';').next().map(str::trim)
    }

    /// The body of an answer whose type says JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.media_type(), Some("application/json"), "{self:?}");
        self.parse()
    }

    /// The body as JSON, whatever its type says.
    #[track_caller]
    pub(crate) fn parse(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Where the next page is, from the `Link` header, as path and query.
    #[track_caller]
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.header(header::LINK)?;
        let (target, parameters) = link.split_once('>').unwrap();
        assert_eq!(parameters.trim(), r#"; rel="next""#, "{link}");
        let target = self.url.join(target.trim_start_matches('<')).unwrap();
        assert_eq!(target.origin(), self.url.origin(), "{link}");
        Some(format!("{}?{}", target.path(), target.query().unwrap()))
    }
}

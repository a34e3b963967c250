//! An HTTP client of one service, with a method for each route.

use std::fmt::Display;

use reqwest::header::{self, HeaderMap};
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;
use serde_json::{Value, json};

/// A client of one service that sends the same access token and client address, if any, with every
/// request.
#[derive(Clone)]
pub(crate) struct ApiClient {
    base: Url,
    http: reqwest::Client,
    pub(super) token: Option<String>,
    pub(super) forwarded_for: Option<String>,
}

impl ApiClient {
    pub(crate) fn new(base: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self::with_client(base, http)
    }

    pub(crate) fn with_client(base: &str, http: reqwest::Client) -> Self {
        Self { base: Url::parse(base).unwrap(), http, token: None, forwarded_for: None }
    }

    /// Returns a client of the same service that sends this access token.
    pub(crate) fn bearer(&self, token: &str) -> Self {
        let token = Some(token.to_owned());
        Self { token, ..self.clone() }
    }

    /// Returns a client of the same service whose requests come as from a proxy that adds this
    /// address to `X-Forwarded-For`.
    pub(crate) fn forwarded_for(&self, address: &str) -> Self {
        let forwarded_for = Some(address.to_owned());
        Self { forwarded_for, ..self.clone() }
    }

    /// Returns the absolute URL of a path on this service.
    pub(crate) fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    /// Starts a request, to be completed by the test and sent with [`send`].
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.http.request(method, self.url(path));
        if let Some(address) = &self.forwarded_for {
            request = request.header("x-forwarded-for", address);
        }
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> HttpResponse {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> HttpResponse {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> HttpResponse {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> HttpResponse {
        send(self.request(Method::DELETE, path)).await
    }
}

/// The routes of `users-api`. A user is named by id or username.
impl ApiClient {
    /// `POST /user/registry/`
    pub(crate) async fn post_registration(&self, body: Value) -> HttpResponse {
        self.post("/user/registry/", body).await
    }

    /// `POST /user/auth/`
    pub(crate) async fn post_login(
        &self,
        username: impl Serialize,
        password: impl Serialize,
    ) -> HttpResponse {
        self.post("/user/auth/", json!({ "username": username, "password": password })).await
    }

    /// `POST /user/refresh/`
    pub(crate) async fn post_refresh(&self, refresh_token: impl Serialize) -> HttpResponse {
        self.post("/user/refresh/", json!({ "refresh_token": refresh_token })).await
    }

    /// `POST /user/logout/`
    pub(crate) async fn post_logout(&self, refresh_token: impl Serialize) -> HttpResponse {
        self.post("/user/logout/", json!({ "refresh_token": refresh_token })).await
    }

    /// `POST /user/password/`
    pub(crate) async fn post_password(
        &self,
        old: impl Serialize,
        new: impl Serialize,
    ) -> HttpResponse {
        self.post("/user/password/", json!({ "old_password": old, "new_password": new })).await
    }

    /// `GET /user/`
    pub(crate) async fn get_users(&self) -> HttpResponse {
        self.get("/user/").await
    }

    /// `POST /user/`
    pub(crate) async fn post_user(&self, body: Value) -> HttpResponse {
        self.post("/user/", body).await
    }

    /// `GET /user/{user}/`
    pub(crate) async fn get_user(&self, user: impl Display) -> HttpResponse {
        self.get(&format!("/user/{user}/")).await
    }

    /// `PATCH /user/{user}/`
    pub(crate) async fn patch_user(&self, user: impl Display, body: Value) -> HttpResponse {
        self.patch(&format!("/user/{user}/"), body).await
    }

    /// `DELETE /user/{user}/`
    pub(crate) async fn delete_user(&self, user: impl Display) -> HttpResponse {
        self.delete(&format!("/user/{user}/")).await
    }
}

/// The routes of `offers-api`.
impl ApiClient {
    /// `POST /offer/create/`
    pub(crate) async fn create_offer(
        &self,
        user_id: impl Serialize,
        title: impl Serialize,
        text: impl Serialize,
    ) -> HttpResponse {
        self.post_offer(json!({ "user_id": user_id, "title": title, "text": text })).await
    }

    /// `POST /offer/create/` with any body.
    pub(crate) async fn post_offer(&self, body: Value) -> HttpResponse {
        self.post("/offer/create/", body).await
    }

    /// `POST /offer/` by id.
    pub(crate) async fn find_offer(&self, offer_id: impl Serialize) -> HttpResponse {
        self.post("/offer/", json!({ "offer_id": offer_id })).await
    }

    /// `POST /offer/` by user.
    pub(crate) async fn find_offers_of(&self, user_id: impl Serialize) -> HttpResponse {
        self.post("/offer/", json!({ "user_id": user_id })).await
    }
}

/// The routes of one offer.
impl ApiClient {
    /// `GET /offer/{offer_id}/`
    pub(crate) async fn get_offer(&self, offer_id: impl Display) -> HttpResponse {
        self.get(&format!("/offer/{offer_id}/")).await
    }

    /// `PATCH /offer/{offer_id}/`
    pub(crate) async fn patch_offer(&self, offer_id: impl Display, body: Value) -> HttpResponse {
        self.patch(&format!("/offer/{offer_id}/"), body).await
    }

    /// `DELETE /offer/{offer_id}/`
    pub(crate) async fn delete_offer(&self, offer_id: impl Display) -> HttpResponse {
        self.delete(&format!("/offer/{offer_id}/")).await
    }
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) url: Url,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads the response to its end.
pub(crate) async fn send(request: RequestBuilder) -> HttpResponse {
    let response = request.send().await.unwrap();
    HttpResponse {
        url: response.url().clone(),
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.bytes().await.unwrap().to_vec(),
    }
}

impl HttpResponse {
    /// Asserts the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}: {}", self.url, self.text());
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the value of a header, `None` if it is absent. Panics if it is repeated.
    #[track_caller]
    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert!(values.next().is_none(), "a header is repeated: {self:?}");
        value
    }

    /// Returns the media type without its parameters, `None` if there is no `Content-Type`.
    pub(crate) fn media_type(&self) -> Option<&str> {
        let value = self.header(header::CONTENT_TYPE)?;
        value.split(';').next().map(str::trim)
    }

    /// Returns the body, and asserts that its type is `application/json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.media_type(), Some("application/json"), "{self:?}");
        self.parse()
    }

    /// Parses the body as JSON, whatever its media type.
    #[track_caller]
    pub(crate) fn parse(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Returns the path and query of the `Link` header with `rel="next"`, `None` on the last page.
    #[track_caller]
    pub(crate) fn next_page(&self) -> Option<String> {
        let link = self.header(header::LINK)?;
        let (target, parameters) = link.split_once('>').unwrap();
        assert_eq!(parameters.trim(), r#"; rel="next""#, "{link}");
        let target = self.url.join(target.trim_start_matches('<')).unwrap();
        assert_eq!(target.origin(), self.url.origin(), "{link}");
        Some(format!("{}?{}", target.path(), target.query().unwrap()))
    }
}

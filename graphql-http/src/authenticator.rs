//! The seam between a request and its client's identity.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};

/// Identifies the client of a request.
///
/// The [`Viewer`](Self::Viewer) becomes data of each request, where resolvers find it. `()` accepts
/// every client and reads nothing.
pub trait ClientAuthenticator: Send + Sync + 'static {
    /// A client's proof of its identity, such as an access token.
    type Credentials: Clone + Send + Sync + 'static;
    /// The identity of a client, or the lack of one.
    type Viewer: Clone + Send + Sync + 'static;
    /// A failure; [`ErrorPolicy::status_and_headers`](crate::ErrorPolicy::status_and_headers) gives it a status. With 401 or 403 it
    /// closes a WebSocket with 4403, with any other status it answers a single operation.
    type Error: Into<async_graphql::Error> + Send;

    /// Reads the credentials of an HTTP request or a WebSocket handshake; `None` if there are none.
    ///
    /// # Errors
    /// The headers hold credentials that are malformed.
    fn credentials_from_headers(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<Self::Credentials>, Self::Error>;

    /// Reads the credentials in the payload of `connection_init`; with `None` those of the handshake
    /// count. Unless overridden, the field `Authorization`, in any case, is read as that header.
    ///
    /// # Errors
    /// The payload holds credentials that are malformed.
    fn credentials_from_payload(
        &self,
        payload: &Map<String, Value>,
    ) -> Result<Option<Self::Credentials>, Self::Error> {
        let mut fields = payload.iter();
        let Some((_, value)) = fields.find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        else {
            return Ok(None);
        };
        let value = HeaderValue::from_str(value.as_str().unwrap_or_default())
            .unwrap_or(HeaderValue::from_static(""));
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        self.credentials_from_headers(&headers)
    }

    /// Verifies credentials. A WebSocket verifies them for each operation, so that a session that was
    /// ended is noticed.
    ///
    /// # Errors
    /// The credentials are invalid, or cannot be verified at the moment.
    fn verify_credentials(
        &self,
        credentials: Option<Self::Credentials>,
    ) -> impl Future<Output = Result<Self::Viewer, Self::Error>> + Send;

    /// Returns the time until a viewer's credentials expire, which closes their WebSocket with 4403;
    /// `None` if they do not expire.
    fn lifetime(&self, viewer: &Self::Viewer) -> Option<Duration> {
        let _ = viewer;
        None
    }
}

impl ClientAuthenticator for () {
    type Credentials = ();
    type Viewer = ();
    type Error = async_graphql::Error;

    fn credentials_from_headers(&self, _: &HeaderMap) -> Result<Option<()>, Self::Error> {
        Ok(None)
    }

    async fn verify_credentials(&self, _: Option<()>) -> Result<(), Self::Error> {
        Ok(())
    }
}

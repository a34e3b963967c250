//! The HTTP client for requests between services.

use std::{
    fmt::{self, Display, Formatter},
    io,
    path::Path,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use reqwest::{Certificate, Client, RequestBuilder, Response, redirect::Policy};

use crate::telemetry::traces;

/// Time for a connection to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for a response, from the first byte sent to the last one received.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that an idle connection stays open: shorter than the server keeps it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(8);

/// Builds a client that keeps connections alive, follows no redirects, and trusts only the
/// certificates in the file `ca` if there is one.
///
/// # Errors
/// Names the file and describes the problem with it.
pub fn build(ca: Option<&Path>) -> io::Result<Client> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(RESPONSE_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(Policy::none());
    if let Some(file) = ca {
        let file_error = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", file.display()))
        };
        let pem = std::fs::read(file).map_err(|error| file_error(&error))?;
        let certificates =
            Certificate::from_pem_bundle(&pem).map_err(|error| file_error(&error))?;
        if certificates.is_empty() {
            return Err(file_error(&"holds no certificate"));
        }
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(io::Error::other)
}

/// A body that cannot be read to its end.
#[derive(Debug)]
pub enum BodyError {
    /// The connection failed, or it took too long.
    Interrupted(reqwest::Error),
    /// It is larger than this number of bytes.
    TooLarge(usize),
}

impl Display for BodyError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted(error) => error.fmt(f),
            Self::TooLarge(max_bytes) => write!(f, "the response is larger than {max_bytes} bytes"),
        }
    }
}

/// Reads the body of a response.
///
/// # Errors
/// Fails if it is larger than `max_bytes`, or cannot be read.
pub async fn read_body(mut response: Response, max_bytes: usize) -> Result<Bytes, BodyError> {
    let mut body = BytesMut::new();
    while let Some(part) = response.chunk().await.map_err(BodyError::Interrupted)? {
        if body.len() + part.len() > max_bytes {
            return Err(BodyError::TooLarge(max_bytes));
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// Sends a request as a client span of the current trace.
///
/// # Errors
/// If no response came.
pub async fn send_traced(request: RequestBuilder) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let mut request = request?;
    let span = traces::start_client_span(&mut request);
    let response = client.execute(request).await;
    if let Some(span) = span {
        span.end_with_status(response.as_ref().ok().map(Response::status));
    }
    response
}

//! The HTTP client that one service reaches the other with.

use std::{io, path::Path, time::Duration};

use reqwest::{Certificate, Client, RequestBuilder, Response, redirect::Policy};

use crate::telemetry::traces;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take, from the first byte sent to the last received.
const ANSWER: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: less than the other side keeps it.
const IDLE: Duration = Duration::from_secs(8);

/// A client that keeps connections alive, follows no redirect, and trusts the certificates in the
/// file where one is named.
///
/// # Errors
/// Names the file and says what is wrong with it.
pub fn new(ca: Option<&Path>) -> io::Result<Client> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(Policy::none());
    if let Some(file) = ca {
        let bad = |error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", file.display()))
        };
        let pem = std::fs::read(file).map_err(|error| bad(&error))?;
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|error| bad(&error))?;
        if certificates.is_empty() {
            return Err(bad(&"holds no certificate"));
        }
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(io::Error::other)
}

/// Sends a request, as a part of the trace under way.
///
/// # Errors
/// Where no answer came.
pub async fn send(request: RequestBuilder) -> reqwest::Result<Response> {
    let (client, request) = request.build_split();
    let mut request = request?;
    let call = traces::call(&mut request);
    let answer = client.execute(request).await;
    if let Some(call) = call {
        call.answered(answer.as_ref().ok().map(Response::status));
    }
    answer
}

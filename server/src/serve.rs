//! Listeners: bound first, so that their addresses can be printed, then served.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener},
    time::Duration,
};

use axum::{Router, ServiceExt, extract::Request};
use axum_server::{
    Handle, Server,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::rt::TokioTimer;
use socket2::SockRef;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tower_http::normalize_path::NormalizePath;

use crate::{
    connection_limits::{self, LimitingAcceptor, TcpAcceptor},
    http1_stream::{Http1Acceptor, Protocols},
    output,
    settings::BindAddress,
    tls::CertificateFiles,
};

/// Time for the head of a request to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit on the head of an HTTP/1.1 request, in bytes, with a GraphQL document in its query.
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// The same limit over HTTP/2.
const MAX_HEADER_BYTES_HTTP2: u32 = 64 * 1024;
/// Interval of pings on an HTTP/2 connection, and time for each answer: a client that stops in the
/// middle of anything is disconnected after the sum of both.
const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(5);
/// Time for a TLS handshake.
const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for open requests to finish at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);
/// Time for the last accepted connections to send their request before shutdown.
const LAST_REQUEST_WINDOW: Duration = Duration::from_secs(2);
/// Limit on concurrent requests on one HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 128;

/// The router of a service, behind the removal of trailing slashes from paths.
pub type AppService = NormalizePath<Router>;

/// The bound sockets of a service.
pub struct Listeners {
    http: Option<TcpListener>,
    https: Option<(TcpListener, RustlsConfig)>,
    // Handled before the addresses are printed: whatever reads them may send a signal at once.
    signals: [Signal; 2],
}

impl Listeners {
    /// Binds the addresses that are not off, HTTPS with these certificate files.
    ///
    /// # Errors
    /// Names the setting and describes why its address cannot be bound or its file read.
    pub fn bind(
        http: (&str, BindAddress),
        https: (&str, BindAddress),
        certificate: &CertificateFiles,
    ) -> io::Result<Self> {
        let with_tls = |socket| certificate.clone().load_and_watch().map(|config| (socket, config));
        let listeners = Self {
            http: bind(http)?,
            https: bind(https)?.map(with_tls).transpose()?,
            signals: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?],
        };
        if listeners.http.is_none() && listeners.https.is_none() {
            return Err(io::Error::other(format!("{} and {} are both off", http.0, https.0)));
        }
        Ok(listeners)
    }

    /// Prints the addresses of this service to standard output, one a line.
    pub fn print_addresses(&self, service: &str) {
        let https = self.https.as_ref().map(|(socket, _)| socket);
        for (scheme, socket) in [("http", self.http.as_ref()), ("https", https)] {
            if let Some(address) = socket.and_then(|socket| socket.local_addr().ok()) {
                output::print_line(format_args!("{service} {scheme}://{address}"));
            }
        }
    }

    /// Returns a URL for plain HTTP on this machine; `None` if it is off.
    #[must_use]
    pub fn http(&self) -> Option<String> {
        url(self.http.as_ref(), "http")
    }

    /// Returns a URL for HTTPS on this machine; `None` if it is off.
    #[must_use]
    pub fn https(&self) -> Option<String> {
        url(self.https.as_ref().map(|(socket, _)| socket), "https")
    }

    /// Serves until a signal. Then it sets `stop`, accepts new connections for as long as `drain`,
    /// finishes open requests, and waits until every receiver of `stop` is dropped.
    ///
    /// # Errors
    /// Describes why a socket cannot be served.
    pub async fn serve(
        self,
        app: AppService,
        stop: watch::Sender<bool>,
        drain: Duration,
    ) -> io::Result<()> {
        let served = self.serve_until_signal(app, &stop, drain).await;
        // WebSockets outlive the requests that opened them, and end with close frames of their own.
        let _ = tokio::time::timeout(SHUTDOWN_GRACE, stop.closed()).await;
        served
    }

    async fn serve_until_signal(
        self,
        app: AppService,
        stop: &watch::Sender<bool>,
        drain: Duration,
    ) -> io::Result<()> {
        let handle = Handle::new();
        let https = self.https.as_ref().map(|(socket, _)| socket);
        let sockets = self.http.iter().chain(https).map(TcpListener::try_clone);
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        let permits = connection_limits::connection_permits();
        let clients = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
        // Without TLS only HTTP/1.1 is served: the proxy in front of the service speaks HTTP/2 with
        // browsers.
        let http = async {
            let Some(socket) = self.http else { return Ok(()) };
            let acceptor = LimitingAcceptor::new(TcpAcceptor, &permits);
            let mut server = axum_server::from_tcp(socket)?
                .acceptor(Http1Acceptor::new(acceptor, Protocols::Http1));
            configure_protocols(&mut server);
            server.handle(handle.clone()).serve(clients.clone()).await
        };
        let https = async {
            let Some((socket, config)) = self.https else { return Ok(()) };
            let acceptor = RustlsAcceptor::new(config)
                .handshake_timeout(TLS_HANDSHAKE_TIMEOUT)
                .acceptor(TcpAcceptor);
            let acceptor = LimitingAcceptor::new(acceptor, &permits);
            let mut server = axum_server::from_tcp(socket)?
                .acceptor(Http1Acceptor::new(acceptor, Protocols::Http1AndHttp2));
            configure_protocols(&mut server);
            server.handle(handle.clone()).serve(clients.clone()).await
        };
        let [mut terminate, mut interrupt] = self.signals;
        let shutdown = async {
            let drain = tokio::select! {
                _ = terminate.recv() => drain,
                // Ctrl-C in a terminal: no load balancer watches the readiness.
                _ = interrupt.recv() => Duration::ZERO,
            };
            tracing::info!("shutting down");
            // Not ready from now on, so that load balancers send no new clients while these are
            // still accepted.
            stop.send_replace(true);
            tokio::select! {
                () = close_listeners(&sockets, drain) => (),
                // A second signal ends the wait.
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
            handle.graceful_shutdown(Some(SHUTDOWN_GRACE));
            std::future::pending().await
        };
        tokio::select! {
            result = async { tokio::try_join!(http, https) } => result.map(drop),
            never = shutdown => never,
        }
    }
}

/// Accepts new connections for as long as `drain`, then gives those that are open time to send a
/// request: closing one between its handshake and its request would lose that request.
async fn close_listeners(sockets: &[TcpListener], drain: Duration) {
    tokio::time::sleep(drain).await;
    for socket in sockets {
        // New connections are refused from now on, so that a proxy tries the next instance.
        if let Err(error) = SockRef::from(socket).shutdown(Shutdown::Both) {
            tracing::warn!(%error, "failed to stop accepting connections");
        }
    }
    tokio::time::sleep(drain.min(LAST_REQUEST_WINDOW)).await;
}

/// Sets the limits of the protocols.
fn configure_protocols<A>(server: &mut Server<SocketAddr, A>) {
    let builder = server.http_builder();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_INTERVAL)
        .keep_alive_timeout(HTTP2_PING_INTERVAL)
        .max_header_list_size(MAX_HEADER_BYTES_HTTP2)
        .max_concurrent_streams(MAX_HTTP2_STREAMS);
}

fn bind((setting, address): (&str, BindAddress)) -> io::Result<Option<TcpListener>> {
    let BindAddress::At(address) = address else { return Ok(None) };
    let socket = TcpListener::bind(address)
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .map_err(|error| io::Error::other(format!("{setting}={address}: {error}")))?;
    Ok(Some(socket))
}

fn url(socket: Option<&TcpListener>, scheme: &str) -> Option<String> {
    let mut address = socket?.local_addr().ok()?;
    // Clients cannot connect to a wildcard, and no certificate is valid for it.
    if address.ip().to_canonical().is_unspecified() {
        address.set_ip(match address.ip().to_canonical() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(format!("{scheme}://{address}"))
}

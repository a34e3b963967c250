//! Listeners: bound first, so that their addresses are known, then served.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener},
    time::Duration,
};

use axum::{Router, ServiceExt, extract::Request};
use axum_server::{
    Handle, Server,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto::Builder,
};
use socket2::SockRef;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};
use tower_http::normalize_path::NormalizePath;

use crate::{
    connection_limits::{self, Guard, Plain},
    settings::Listen,
    tls,
};

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// The most bytes of the head of a request over HTTP/1.1, a document in its query included.
const HEAD_BYTES: usize = 64 * 1024;
/// The same over HTTP/2, as [`HEAD_BYTES`].
const HEAD_BYTES_HTTP2: u32 = 64 * 1024;
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say
/// so: one that stops in the middle of anything is let go after the two.
const PING: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long requests under way are waited for at shutdown.
const GRACE: Duration = Duration::from_secs(30);

/// How long those who are let in last have for their request.
const HEARD: Duration = Duration::from_secs(2);
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// What is served: trailing slashes are gone before the router sees a path.
pub type App = NormalizePath<Router>;

/// The bound sockets of a service.
pub struct Listeners {
    http: Option<TcpListener>,
    https: Option<(TcpListener, RustlsConfig)>,
    // Listened for before an address is told: who knows it may end the service at once.
    signals: [Signal; 2],
}

impl Listeners {
    /// Binds what is on; HTTPS with these files.
    ///
    /// # Errors
    /// Names the setting and says why it cannot be bound or read.
    pub fn bind(
        http: (&str, Listen),
        https: (&str, Listen),
        files: &tls::Files,
    ) -> io::Result<Self> {
        let secured = |socket| files.clone().watch().map(|config| (socket, config));
        let listeners = Self {
            http: bind(http)?,
            https: bind(https)?.map(secured).transpose()?,
            signals: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?],
        };
        if listeners.http.is_none() && listeners.https.is_none() {
            return Err(io::Error::other(format!("{} and {} are both off", http.0, https.0)));
        }
        Ok(listeners)
    }

    /// Tells on standard output where this service listens, a line an address.
    pub fn announce(&self, service: &str) {
        for address in [self.http(), self.https()].into_iter().flatten() {
            println!("{service} {address}");
        }
    }

    /// The address for plain HTTP.
    #[must_use]
    pub fn http(&self) -> Option<String> {
        address(self.http.as_ref(), "http")
    }

    /// The address for HTTPS.
    #[must_use]
    pub fn https(&self) -> Option<String> {
        address(self.https.as_ref().map(|(socket, _)| socket), "https")
    }

    /// Serves until a signal; then tells so by `stop`, lets new connections in for as long as
    /// `drain`, answers what is under way, and waits for those who listen to `stop` to end.
    ///
    /// # Errors
    /// Says why a socket cannot be served.
    pub async fn serve(
        self,
        app: App,
        stop: watch::Sender<bool>,
        drain: Duration,
    ) -> io::Result<()> {
        let served = self.until_signal(app, &stop, drain).await;
        // WebSockets are told by their own close frames, past the requests that opened them.
        let _ = tokio::time::timeout(GRACE, stop.closed()).await;
        served
    }

    async fn until_signal(
        self,
        app: App,
        stop: &watch::Sender<bool>,
        drain: Duration,
    ) -> io::Result<()> {
        let handle = Handle::new();
        let https = self.https.as_ref().map(|(socket, _)| socket);
        let sockets = self.http.iter().chain(https).map(TcpListener::try_clone);
        let sockets = sockets.collect::<io::Result<Vec<_>>>()?;
        let room = connection_limits::room();
        let clients = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
        let http = async {
            let Some(socket) = self.http else { return Ok(()) };
            let mut server = axum_server::from_tcp(socket)?.acceptor(Guard::new(Plain, &room));
            limit(&mut server, true);
            server.handle(handle.clone()).serve(clients.clone()).await
        };
        let https = async {
            let Some((socket, config)) = self.https else { return Ok(()) };
            let acceptor = RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE).acceptor(Plain);
            let mut server = axum_server::from_tcp(socket)?.acceptor(Guard::new(acceptor, &room));
            limit(&mut server, false);
            server.handle(handle.clone()).serve(clients.clone()).await
        };
        let [mut terminate, mut interrupt] = self.signals;
        let ended = async {
            let drain = tokio::select! {
                _ = terminate.recv() => drain,
                // A person at a terminal, with nobody to be told.
                _ = interrupt.recv() => Duration::ZERO,
            };
            tracing::info!("shutting down");
            // Whoever looks at `/health/ready` sends nobody here any more before nobody is let in.
            stop.send_replace(true);
            tokio::select! {
                () = leave(&sockets, drain) => (),
                // A second signal has no patience.
                _ = terminate.recv() => (),
                _ = interrupt.recv() => (),
            }
            handle.graceful_shutdown(Some(GRACE));
            std::future::pending().await
        };
        tokio::select! {
            result = async { tokio::try_join!(http, https) } => result.map(drop),
            never = ended => never,
        }
    }
}

/// Lets new connections in for as long as `drain`, then those who are already in say what they
/// want: one that is closed between its handshake and its request loses that request.
async fn leave(sockets: &[TcpListener], drain: Duration) {
    tokio::time::sleep(drain).await;
    for socket in sockets {
        // Refused from now on, so that a proxy tries the next instance.
        if let Err(error) = SockRef::from(socket).shutdown(Shutdown::Both) {
            tracing::warn!(%error, "new connections are still let in");
        }
    }
    tokio::time::sleep(drain.min(HEARD)).await;
}

/// Limits on the protocol. Plain connections speak HTTP/1.1 alone: what stands before a service
/// speaks HTTP/2 with the browser.
fn limit<A>(server: &mut Server<SocketAddr, A>, plain: bool) {
    let builder = server.http_builder();
    if plain {
        *builder = std::mem::replace(builder, Builder::new(TokioExecutor::new())).http1_only();
    }
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_header_list_size(HEAD_BYTES_HTTP2)
        .max_concurrent_streams(STREAMS);
}

fn bind((setting, listen): (&str, Listen)) -> io::Result<Option<TcpListener>> {
    let Listen::At(address) = listen else { return Ok(None) };
    let socket = TcpListener::bind(address)
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .map_err(|error| io::Error::other(format!("{setting}={address}: {error}")))?;
    Ok(Some(socket))
}

fn address(socket: Option<&TcpListener>, scheme: &str) -> Option<String> {
    let address = socket?.local_addr().ok()?;
    Some(format!("{scheme}://{address}"))
}

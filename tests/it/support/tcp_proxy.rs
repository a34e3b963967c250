//! A TCP proxy that a test can disconnect, even if both services run in one process.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinSet;

/// The server behind a proxy.
#[derive(Clone)]
pub(crate) enum Target {
    Tcp(String),
    Unix(PathBuf),
}

/// Forwards connections to a target. While disconnected, it refuses them, as a stopped server does.
pub(crate) struct TcpProxy {
    address: SocketAddr,
    /// Reserves the port while nothing listens on it.
    _reservation: TcpSocket,
    listener: JoinSet<()>,
}

impl TcpProxy {
    /// Reserves a port. The proxy is not connected yet.
    pub(crate) fn bind() -> Self {
        let reservation = bind_socket(([127, 0, 0, 1], 0).into());
        let address = reservation.local_addr().unwrap();
        Self { address, _reservation: reservation, listener: JoinSet::new() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections and forwards them to `target` from now on.
    pub(crate) fn connect(&mut self, target: Target) {
        let listener = bind_socket(self.address).listen(128).unwrap();
        self.listener.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(forward(client, target.clone()));
            }
        });
    }

    /// Closes all connections and refuses new ones.
    pub(crate) async fn disconnect(&mut self) {
        self.listener.shutdown().await;
    }
}

fn bind_socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn forward(mut client: TcpStream, target: Target) {
    client.set_nodelay(true).unwrap();
    // Either side may close at any time, and the target may be down.
    let _ = match target {
        Target::Tcp(address) => copy(&mut client, TcpStream::connect(address).await).await,
        Target::Unix(path) => copy(&mut client, UnixStream::connect(path).await).await,
    };
}

async fn copy(
    client: &mut TcpStream,
    server: io::Result<impl AsyncRead + AsyncWrite + Unpin>,
) -> io::Result<()> {
    copy_bidirectional(client, &mut server?).await.map(drop)
}

//! A way to a service or a database that a test can cut, also where all run in one process.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinSet;

/// Where a relay leads.
#[derive(Clone)]
pub(crate) enum Target {
    Tcp(String),
    Unix(PathBuf),
}

/// Passes connections on to a target, until it is cut: then a connection is refused, as by a
/// server that does not run.
pub(crate) struct Relay {
    address: SocketAddr,
    /// Keeps the port while nobody listens at it.
    _place: TcpSocket,
    listener: JoinSet<()>,
}

impl Relay {
    /// A relay that is cut still.
    pub(crate) fn bind() -> Self {
        let place = socket(([127, 0, 0, 1], 0).into());
        let address = place.local_addr().unwrap();
        Self { address, _place: place, listener: JoinSet::new() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes on to `target` from now on.
    pub(crate) fn mend(&mut self, target: Target) {
        let listener = socket(self.address).listen(128).unwrap();
        self.listener.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, target.clone()));
            }
        });
    }

    /// Closes all connections and takes no new one.
    pub(crate) async fn cut(&mut self) {
        self.listener.shutdown().await;
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

async fn pass(mut client: TcpStream, target: Target) {
    client.set_nodelay(true).unwrap();
    // Either side may leave at any time, or not be there.
    let _ = match target {
        Target::Tcp(address) => both(&mut client, TcpStream::connect(address).await).await,
        Target::Unix(path) => both(&mut client, UnixStream::connect(path).await).await,
    };
}

async fn both(
    client: &mut TcpStream,
    server: io::Result<impl AsyncRead + AsyncWrite + Unpin>,
) -> io::Result<()> {
    copy_bidirectional(client, &mut server?).await.map(drop)
}

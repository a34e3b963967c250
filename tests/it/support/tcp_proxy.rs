//! A TCP proxy that a test can disconnect, even if both services run in one process.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinSet;

/// The server behind a proxy.
#[derive(Clone)]
pub(crate) enum Target {
    Tcp(String),
    Unix(PathBuf),
    /// A `PostgreSQL` that does not support LISTEN.
    PostgresWithoutListen(PathBuf),
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
        Target::PostgresWithoutListen(path) => {
            copy_without_listen(&mut client, UnixStream::connect(path).await).await
        }
    };
}

/// Answers what contains LISTEN with the error `feature_not_supported`, and that the next statement
/// may come (`PostgreSQL`, message formats: `ErrorResponse`, `ReadyForQuery`).
async fn copy_without_listen(
    client: &mut TcpStream,
    server: io::Result<UnixStream>,
) -> io::Result<()> {
    let fields = b"SERROR\0VERROR\0C0A000\0MLISTEN is not supported\0\0";
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    let refusal = [b"E", &length[..], fields, b"Z\0\0\0\x05I"].concat();
    let mut server = server?;
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match &from_client[..read?] {
                [] => return Ok(()),
                bytes if bytes.windows(6).any(|window| window == b"LISTEN") => {
                    client.write_all(&refusal).await?;
                }
                bytes => server.write_all(bytes).await?,
            },
            read = server.read(&mut from_server) => match &from_server[..read?] {
                [] => return Ok(()),
                bytes => client.write_all(bytes).await?,
            },
        }
    }
}

async fn copy(
    client: &mut TcpStream,
    server: io::Result<impl AsyncRead + AsyncWrite + Unpin>,
) -> io::Result<()> {
    copy_bidirectional(client, &mut server?).await.map(drop)
}

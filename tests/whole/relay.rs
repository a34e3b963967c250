//! A way between the two services that a test can cut, also where both run in one process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Passes connections on to a target, if it has one. Its port stays bound while it is cut, so that
/// nobody else can take it: a connection is then closed before it is answered.
pub(crate) struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<Option<String>>>,
    connections: Arc<Mutex<JoinSet<()>>>,
    listener: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn bind() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut relay = Self {
            address: socket.local_addr().unwrap(),
            target: Arc::default(),
            connections: Arc::default(),
            listener: JoinSet::new(),
        };
        let (target, connections) = (relay.target.clone(), relay.connections.clone());
        relay.listener.spawn(async move {
            while let Ok((mut client, _)) = socket.accept().await {
                let Some(target) = target.lock().unwrap().clone() else {
                    continue;
                };
                connections.lock().unwrap().spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(target).await {
                        // Either side may leave at any time.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        relay
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Passes on to `url` from now on.
    pub(crate) fn mend(&self, url: &str) {
        let target = url.trim_start_matches("http://").trim_end_matches('/');
        *self.target.lock().unwrap() = Some(target.to_owned());
    }

    /// Closes all connections and takes no new one.
    pub(crate) fn cut(&self) {
        *self.target.lock().unwrap() = None;
        self.connections.lock().unwrap().abort_all();
    }
}

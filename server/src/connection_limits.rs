//! Limits on connections of any protocol: their number, the time for the first bytes of a client,
//! and the time that it may leave a response unread.
//!
//! A WebSocket may be idle for any time: its pings detect clients that are gone.
//!
//! Source: OWASP denial of service cheat sheet ("Network": slow clients).

use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum_server::accept::Accept;
use futures_util::future::BoxFuture;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep},
};

/// Time for the first bytes of a client, until its protocol is known.
const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a write to make progress.
const WRITE_TIMEOUT: Duration = Duration::from_secs(8);
/// Limit on unsent data in the socket buffer of the kernel, in bytes (`TCP_NOTSENT_LOWAT`).
const NOTSENT_LOWAT_BYTES: u32 = 128 * 1024;
/// Limit on concurrent connections of a service.
const MAX_CONNECTIONS: u64 = 8192;
/// File descriptors that a process needs besides those of its connections.
const RESERVED_FDS: u64 = 256;

/// The first bytes of every HTTP/2 connection (RFC 9113, section 3.4). hyper waits for the rest of
/// it without a timeout.
pub(crate) const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Returns one permit for each connection that a service may have. The limit on open files is raised
/// as far as the system allows, and leaves room for two services in one process.
pub(crate) fn connection_permits() -> Arc<Semaphore> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let files = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    let files = files.current.unwrap_or(u64::MAX);
    let connections = (files.saturating_sub(RESERVED_FDS) / 2).clamp(1, MAX_CONNECTIONS);
    Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS)))
}

/// Sets `TCP_NODELAY` and a limit of [`NOTSENT_LOWAT_BYTES`] on a connection: without it the kernel
/// buffers megabytes for a client that does not read.
#[derive(Clone, Copy)]
pub(crate) struct TcpAcceptor;

impl<S> Accept<TcpStream, S> for TcpAcceptor {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let set = stream.set_nodelay(true);
        let set =
            set.and_then(|()| SockRef::from(&stream).set_tcp_notsent_lowat(NOTSENT_LOWAT_BYTES));
        ready(set.map(|()| (stream, service)))
    }
}

/// Adds the limits of this module to another acceptor. A connection above the limit is closed at
/// once.
#[derive(Clone)]
pub(crate) struct LimitingAcceptor<A> {
    inner: A,
    permits: Arc<Semaphore>,
}

impl<A> LimitingAcceptor<A> {
    pub(crate) fn new(inner: A, permits: &Arc<Semaphore>) -> Self {
        Self { inner, permits: Arc::clone(permits) }
    }
}

impl<A, I, S> Accept<I, S> for LimitingAcceptor<A>
where
    A: Accept<I, S, Future: Send + 'static>,
{
    type Stream = TimeoutStream<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let accepted = permit.map(|permit| (permit, self.inner.accept(stream, service)));
        Box::pin(async move {
            let (permit, accepted) = accepted.map_err(io::Error::other)?;
            let (stream, service) = accepted.await?;
            Ok((TimeoutStream::new(stream, permit), service))
        })
    }
}

/// A connection with time-outs for its first bytes and for each write.
pub(crate) struct TimeoutStream<S> {
    stream: S,
    /// `None` once the protocol is known.
    first_byte_timeout: Option<Pin<Box<Sleep>>>,
    /// Bytes of [`HTTP2_PREFACE`] received so far.
    preface_matched: usize,
    write_timeout: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl<S> TimeoutStream<S> {
    fn new(stream: S, permit: OwnedSemaphorePermit) -> Self {
        Self {
            stream,
            first_byte_timeout: Some(Box::pin(sleep(FIRST_BYTE_TIMEOUT))),
            preface_matched: 0,
            write_timeout: None,
            _permit: permit,
        }
    }

    /// Ends the first-byte time-out once the bytes received show the protocol.
    fn observe_bytes(&mut self, bytes: &[u8]) {
        let rest = HTTP2_PREFACE.get(self.preface_matched..).unwrap_or_default();
        if bytes.len() < rest.len() && rest.starts_with(bytes) {
            self.preface_matched += bytes.len();
        } else {
            self.first_byte_timeout = None;
        }
    }

    /// Fails a write that makes no progress for [`WRITE_TIMEOUT`].
    fn with_write_timeout<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timeout = None;
            return written;
        }
        let timeout = self.write_timeout.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        timeout.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match &mut self.first_byte_timeout {
            None => read,
            Some(timeout) if read.is_pending() => {
                timeout.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            Some(_) => {
                self.observe_bytes(buffer.filled().get(before..).unwrap_or_default());
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.with_write_timeout(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.with_write_timeout(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.with_write_timeout(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.with_write_timeout(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use axum_server::accept::DefaultAcceptor;

    use super::*;

    #[tokio::test]
    async fn excess_connection_is_closed_and_permits_return() {
        let acceptor = LimitingAcceptor::new(DefaultAcceptor, &Arc::new(Semaphore::new(2)));
        let first = acceptor.accept((), ()).await.unwrap();
        let second = acceptor.accept((), ()).await.unwrap();
        assert!(acceptor.accept((), ()).await.is_err());
        drop(first);
        let third = acceptor.accept((), ()).await.unwrap();
        assert!(acceptor.accept((), ()).await.is_err());
        drop((second, third));
        assert_eq!(acceptor.permits.available_permits(), 2);
    }

    #[tokio::test]
    async fn first_byte_timeout_ends_once_protocol_is_known() {
        let acceptor = LimitingAcceptor::new(DefaultAcceptor, &Arc::new(Semaphore::new(1)));
        for (received, known) in [
            (&[&b""[..]][..], false),
            (&[b"P", b"RI * HTT"], false),
            (&[b"P", b"OST"], true),
            (&[b"GET / HTTP/1.1\r\n"], true),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"], false),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"\n"], true),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n and more"], true),
        ] {
            let (mut stream, ()) = acceptor.accept((), ()).await.unwrap();
            for bytes in received {
                stream.observe_bytes(bytes);
            }
            assert_eq!(stream.first_byte_timeout.is_none(), known, "{received:?}");
        }
    }
}

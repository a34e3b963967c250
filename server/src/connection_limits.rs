//! Bounds on connections, whatever they speak: how many there are at once, how long a client may
//! take to say what it speaks, how long it may leave unread what it is sent.
//!
//! A WebSocket may be idle for as long as it likes: its pings tell whether the client is there.
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

/// How long a client may take to say its first bytes.
const OPENING: Duration = Duration::from_secs(10);
/// How long a client may leave unread what it is sent.
const STALL: Duration = Duration::from_secs(8);
/// The most bytes that wait to be sent to a client beside those that are on their way to it.
const UNSENT: u32 = 128 * 1024;
/// The most connections at once.
const CONNECTIONS: u64 = 8192;
/// The most open files that a service has beside its connections.
const OTHER_FILES: u64 = 256;

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4). The server waits for as much
/// of it as comes, without a limit of its own.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Room for as many connections as the limits of the system allow two services in one process,
/// which are raised as far as may be. The cap is on each service.
pub(crate) fn room() -> Arc<Semaphore> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let files = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    let files = files.current.unwrap_or(u64::MAX);
    let connections = (files.saturating_sub(OTHER_FILES) / 2).clamp(1, CONNECTIONS);
    Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS)))
}

/// Accepts a connection that sends at once what it is given, and takes no more than [`UNSENT`]: else
/// the system keeps megabytes for whoever does not read.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl<S> Accept<TcpStream, S> for Plain {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let set = stream.set_nodelay(true);
        let set = set.and_then(|()| SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT));
        ready(set.map(|()| (stream, service)))
    }
}

/// Accepts what another accepts, within bounds. A connection too many is closed at once.
#[derive(Clone)]
pub(crate) struct Guard<A> {
    inner: A,
    room: Arc<Semaphore>,
}

impl<A> Guard<A> {
    pub(crate) fn new(inner: A, room: &Arc<Semaphore>) -> Self {
        Self { inner, room: Arc::clone(room) }
    }
}

impl<A, I, S> Accept<I, S> for Guard<A>
where
    A: Accept<I, S, Future: Send + 'static>,
{
    type Stream = Guarded<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let permit = Arc::clone(&self.room).try_acquire_owned();
        let accepted = permit.map(|permit| (permit, self.inner.accept(stream, service)));
        Box::pin(async move {
            let (permit, accepted) = accepted.map_err(io::Error::other)?;
            let (stream, service) = accepted.await?;
            Ok((Guarded::new(stream, permit), service))
        })
    }
}

/// A connection within bounds.
pub(crate) struct Guarded<S> {
    stream: S,
    opening: Option<Pin<Box<Sleep>>>,
    /// How much of [`PREFACE`] has come, while nothing else has.
    heard: usize,
    stall: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

impl<S> Guarded<S> {
    fn new(stream: S, permit: OwnedSemaphorePermit) -> Self {
        let opening = Some(Box::pin(sleep(OPENING)));
        Self { stream, opening, heard: 0, stall: None, _permit: permit }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let rest = PREFACE.get(self.heard..).unwrap_or_default();
        if bytes.len() < rest.len() && rest.starts_with(bytes) {
            self.heard += bytes.len();
        } else {
            self.opening = None;
        }
    }

    /// Gives a write up that makes no way.
    fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL)));
        stall.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match &mut self.opening {
            None => read,
            Some(opening) if read.is_pending() => {
                opening.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            Some(_) => {
                self.hear(buffer.filled().get(before..).unwrap_or_default());
                read
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bound(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use axum_server::accept::DefaultAcceptor;

    use super::*;

    #[tokio::test]
    async fn a_connection_too_many_is_closed_and_room_comes_back() {
        let guard = Guard::new(DefaultAcceptor, &Arc::new(Semaphore::new(2)));
        let first = guard.accept((), ()).await.unwrap();
        let second = guard.accept((), ()).await.unwrap();
        assert!(guard.accept((), ()).await.is_err());
        drop(first);
        let third = guard.accept((), ()).await.unwrap();
        assert!(guard.accept((), ()).await.is_err());
        drop((second, third));
        assert_eq!(guard.room.available_permits(), 2);
    }

    #[tokio::test]
    async fn the_opening_is_over_when_it_is_clear_what_is_spoken() {
        let guard = Guard::new(DefaultAcceptor, &Arc::new(Semaphore::new(1)));
        for (said, over) in [
            (&[&b""[..]][..], false),
            (&[b"P", b"RI * HTT"], false),
            (&[b"P", b"OST"], true),
            (&[b"GET / HTTP/1.1\r\n"], true),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"], false),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", b"\n"], true),
            (&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n and more"], true),
        ] {
            let (mut stream, ()) = guard.accept((), ()).await.unwrap();
            for bytes in said {
                stream.hear(bytes);
            }
            assert_eq!(stream.opening.is_none(), over, "{said:?}");
        }
    }
}

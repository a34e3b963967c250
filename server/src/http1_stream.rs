//! The parts of HTTP/1.1 below requests, which hyper leaves out: refusals with a body, the closing of
//! connections in stages, and connections that speak HTTP/1.1 only.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::http::StatusCode;
use axum_server::accept::Accept;
use futures_util::{TryFutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{
    app::SECURITY_HEADERS,
    connection_limits::HTTP2_PREFACE,
    problem::{self, Problem},
};

/// Time for a client to end its request after the response, before its connection is closed.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Limit on what a client sends after the response, in bytes.
const MAX_LINGER_BYTES: usize = 16 * 1024 * 1024;
/// Size of the buffer for what is discarded, in bytes.
const DISCARD_BUFFER_BYTES: usize = 16 * 1024;

/// The protocols of a listener.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocols {
    /// HTTP/1.1 only: hyper-util ignores its own setting where a connection may be upgraded, as to a
    /// WebSocket.
    Http1,
    /// HTTP/1.1 and HTTP/2.
    Http1AndHttp2,
}

/// Wraps the streams of another acceptor in [`Http1Stream`].
#[derive(Clone)]
pub(crate) struct Http1Acceptor<A> {
    inner: A,
    protocols: Protocols,
}

impl<A> Http1Acceptor<A> {
    pub(crate) fn new(inner: A, protocols: Protocols) -> Self {
        Self { inner, protocols }
    }
}

impl<A, I, S> Accept<I, S> for Http1Acceptor<A>
where
    A: Accept<I, S, Future: Send + 'static>,
{
    type Stream = Http1Stream<A::Stream>;
    type Service = A::Service;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let protocols = self.protocols;
        let accepted = self.inner.accept(stream, service);
        Box::pin(
            accepted.map_ok(move |(inner, service)| (Http1Stream::new(inner, protocols), service)),
        )
    }
}

/// A connection whose refusals are problems, and that is closed in stages.
pub(crate) struct Http1Stream<S> {
    inner: S,
    /// Bytes of [`HTTP2_PREFACE`] received so far; `None` if HTTP/2 is allowed, or ruled out.
    preface_matched: Option<usize>,
    /// The rest of a refusal that is written in place of hyper's.
    refusal: Option<Vec<u8>>,
    /// Set once the writing half is closed.
    linger_timeout: Option<Pin<Box<Sleep>>>,
    discarded_bytes: usize,
}

impl<S> Http1Stream<S> {
    fn new(inner: S, protocols: Protocols) -> Self {
        Self {
            inner,
            preface_matched: (protocols == Protocols::Http1).then_some(0),
            refusal: None,
            linger_timeout: None,
            discarded_bytes: 0,
        }
    }

    /// Fails at the preface of HTTP/2 if only HTTP/1.1 is served.
    fn reject_preface(&mut self, received: &[u8]) -> io::Result<()> {
        let Some(matched) = self.preface_matched else { return Ok(()) };
        let rest = HTTP2_PREFACE.get(matched..).unwrap_or_default();
        if received.starts_with(rest) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.preface_matched = rest.starts_with(received).then_some(matched + received.len());
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Http1Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        Poll::Ready(self.reject_preface(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Http1Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.refusal.is_none() {
            this.refusal = problem_for_refusal(bytes);
        }
        let Some(refusal) = &mut this.refusal else {
            return Pin::new(&mut this.inner).poll_write(cx, bytes);
        };
        while !refusal.is_empty() {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            refusal.drain(..written);
        }
        this.refusal = None;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match parts {
            [head] => self.poll_write(cx, head),
            _ => Pin::new(&mut self.inner).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    /// Closes the connection in stages (RFC 9112, section 9.6): first the writing half, then, once
    /// the client has ended its request, the reading half. Otherwise what the client still sends
    /// would reset the connection, and the response might be lost with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let timeout = match &mut this.linger_timeout {
            Some(timeout) => timeout,
            none => {
                ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
                none.insert(Box::pin(sleep(LINGER_TIMEOUT)))
            }
        };
        let mut discarded = [0; DISCARD_BUFFER_BYTES];
        while this.discarded_bytes < MAX_LINGER_BYTES {
            // Also while the client keeps sending.
            if timeout.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    this.discarded_bytes += buffer.filled().len();
                }
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns the problem in place of hyper's response to a request that it cannot parse, which has no
/// body; `None` for any other response: those of routes have a body.
fn problem_for_refusal(response: &[u8]) -> Option<Vec<u8>> {
    let head = response.strip_prefix(b"HTTP/1.1 4").and(response.strip_suffix(b"\r\n\r\n"))?;
    let head = str::from_utf8(head).ok()?;
    let (status_line, headers) = head.split_once("\r\n")?;
    let is_empty = |line: &str| line.eq_ignore_ascii_case("content-length: 0");
    if !headers.split("\r\n").any(is_empty) {
        return None;
    }
    let status = status_line.split(' ').nth(1)?.parse::<u16>().ok()?;
    let body = Problem::for_status(StatusCode::from_u16(status).ok()?).to_json();
    let mut lines = vec![status_line.to_owned()];
    lines.extend(headers.split("\r\n").filter(|line| !is_empty(line)).map(str::to_owned));
    lines.push(format!("content-type: {}", problem::MEDIA_TYPE));
    lines.push(format!("content-length: {}", body.len()));
    let security = SECURITY_HEADERS.into_iter();
    lines.extend(security.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or(""))));
    let mut refusal = lines.join("\r\n").into_bytes();
    refusal.extend(b"\r\n\r\n");
    refusal.extend(body);
    Some(refusal)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[test]
    fn only_an_empty_refusal_becomes_a_problem() {
        let refusal =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let problem = String::from_utf8(problem_for_refusal(refusal).unwrap()).unwrap();
        let (head, body) = problem.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(head.contains("application/problem+json") && head.contains("date: x"), "{head}");
        assert!(!head.contains("content-length: 0"), "{head}");
        assert!(body.contains("\"status\":431"), "{body}");
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 10\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n",
            b"content-length: 0",
        ] {
            assert_eq!(problem_for_refusal(other), None);
        }
    }

    #[tokio::test]
    async fn preface_of_http2_is_rejected_in_any_parts() {
        for part_bytes in [1, 3, HTTP2_PREFACE.len()] {
            let (mut client, server) = duplex(64);
            let mut stream = Http1Stream::new(server, Protocols::Http1);
            client.write_all(HTTP2_PREFACE).await.unwrap();
            let mut part = vec![0; part_bytes];
            let error = loop {
                if let Err(error) = stream.read(&mut part).await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        }
        let (mut client, server) = duplex(64);
        let mut stream = Http1Stream::new(server, Protocols::Http1);
        client.write_all(b"PROPFIND / HTTP/1.1").await.unwrap();
        assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 19);
    }

    #[tokio::test(start_paused = true)]
    async fn connection_is_closed_once_the_client_has_sent_all() {
        let (mut client, server) = duplex(1024);
        let mut stream = Http1Stream::new(server, Protocols::Http1AndHttp2);
        let closing = tokio::spawn(async move {
            stream.write_all(b"early").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        client.write_all(&vec![0; 100_000]).await.unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        assert_eq!(response, "early");
        assert!(!closing.is_finished());
        drop(client);
        closing.await.unwrap();

        let (_idle, server) = duplex(1024);
        let start = tokio::time::Instant::now();
        Http1Stream::new(server, Protocols::Http1).shutdown().await.unwrap();
        assert_eq!(start.elapsed(), LINGER_TIMEOUT);
    }
}

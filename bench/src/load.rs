//! A load generator: one thread, many connections with keep-alive, each waiting for its answer.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Makes the text of the next request from a number that differs each time.
pub(crate) type Request = Arc<dyn Fn(u64) -> String + Send + Sync>;

/// What a load came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Answers a second.
    pub(crate) rate: f64,
    /// The median time of an answer.
    pub(crate) p50: Duration,
    /// The time that one answer in a hundred exceeds.
    pub(crate) p99: Duration,
    /// How many answers.
    pub(crate) answers: usize,
}

/// Keeps connections busy for a time. Every answer must have a status below 300.
///
/// # Errors
/// The first failure to connect, to read or to answer well.
pub(crate) fn run(
    address: SocketAddr,
    connections: u64,
    time: Duration,
    request: &Request,
) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for number in 0..connections {
            clients.spawn(client(address, number, start + time, Arc::clone(request)));
        }
        let mut times = Vec::new();
        for client in clients.join_all().await {
            times.extend(client?);
        }
        let elapsed = start.elapsed().as_secs_f64();
        times.sort_unstable();
        let answers = times.len();
        let at = |part: usize| times.get(answers * part / 100).copied().unwrap_or_default();
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52 answers")]
        Ok(Outcome { rate: answers as f64 / elapsed, p50: at(50), p99: at(99), answers })
    })
}

async fn client(
    address: SocketAddr,
    number: u64,
    end: Instant,
    request: Request,
) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut times = Vec::new();
    let mut buffer = Vec::new();
    // Any odd factor spreads the clients over the numbers.
    let mut state = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    loop {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let text = request(state);
        let sent = Instant::now();
        if sent >= end {
            return Ok(times);
        }
        stream.write_all(text.as_bytes()).await?;
        answer(&mut stream, &mut buffer).await?;
        times.push(sent.elapsed());
    }
}

/// Reads one answer to its end.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let bad = || io::Error::other(String::from_utf8_lossy(buffer).into_owned());
        if !text.starts_with("http/1.1 2") {
            return Err(bad());
        }
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.and_then(|text| text.parse().ok()).ok_or_else(bad)?;
        let mut missing = (head + 4 + length).saturating_sub(buffer.len());
        while missing > 0 {
            let read = stream.read_buf(buffer).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            missing = missing.saturating_sub(read);
        }
        return Ok(());
    }
}

/// A `GET`, or a `POST` of JSON where there is a body.
pub(crate) fn http(path: &str, body: Option<&str>) -> String {
    match body {
        None => format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n"),
        Some(body) => format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    }
}

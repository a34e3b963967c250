//! The writer of log lines. Logs are best effort: a thread of its own writes them to standard error, so
//! that no request waits for whatever reads them, or fails because nothing does.

use std::{
    fmt,
    io::{self, Write},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::counter::ConstCounter,
};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Limit on the lines that wait to be written; further lines are dropped.
const MAX_QUEUED_LINES: usize = 4096;
/// Time to write the queued lines when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Counts the lines for which the queue was full.
static NOT_QUEUED: OnceLock<ErrorCounter> = OnceLock::new();
/// Number of lines that standard error did not accept.
static NOT_WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Starts the thread that writes log lines. Keep the guard until the process ends.
pub(super) fn start() -> (NonBlocking, LogGuard) {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_QUEUED_LINES)
        .lossy(true)
        .thread_name("log-writer")
        .finish(StandardError);
    // A process has one log, the first that is started.
    let _ = NOT_QUEUED.set(writer.error_counter());
    (writer, LogGuard(Some(guard)))
}

/// Standard error, whose errors are counted and otherwise ignored.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().write_all(line).is_err() {
            NOT_WRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the queued lines when dropped, for as long as [`FLUSH_TIMEOUT`].
pub(super) struct LogGuard(Option<WorkerGuard>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        let guard = self.0.take();
        let (flushed, end) = mpsc::channel();
        // In a thread, because with a full queue that guard prints to standard output, which may be
        // the same pipe that nothing reads.
        let flush = move || {
            drop(guard);
            let _ = flushed.send(());
        };
        if thread::Builder::new().spawn(flush).is_ok() {
            let _ = end.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// The number of dropped log lines, read when metrics are rendered.
#[derive(Debug)]
pub(crate) struct DroppedLinesCollector;

impl Collector for DroppedLinesCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let not_queued = NOT_QUEUED.get().map_or(0, ErrorCounter::dropped_lines);
        let not_queued = u64::try_from(not_queued).unwrap_or(u64::MAX);
        let dropped = not_queued.saturating_add(NOT_WRITTEN.load(Ordering::Relaxed));
        let counter = ConstCounter::new(dropped);
        let help = "Log lines of the process that standard error did not accept";
        counter.encode(encoder.encode_descriptor(
            "log_lines_dropped",
            help,
            None,
            counter.metric_type(),
        )?)
    }
}

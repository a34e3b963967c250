//! Polling until a condition holds.

use std::time::{Duration, Instant};

/// The longest wait for anything; it leaves room for a machine that also compiles.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Calls `check` until it returns `Some`. Panics after [`TIMEOUT`].
pub(crate) async fn until<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    until_timeout(TIMEOUT, what, &mut check).await
}

/// Calls `check` until it returns true. Panics after [`TIMEOUT`].
pub(crate) async fn until_true(what: &str, mut check: impl AsyncFnMut() -> bool) {
    until(what, async || check().await.then_some(())).await;
}

/// As [`until`], with another timeout.
pub(crate) async fn until_timeout<T>(
    timeout: Duration,
    what: &str,
    mut check: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = check().await {
            return value;
        }
        assert!(start.elapsed() < timeout, "{what}: not within {timeout:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

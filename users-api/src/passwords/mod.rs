//! Passwords: rules for new ones, and limits on how many are hashed and queued at once.
//!
//! Sources: OWASP ASVS 5.0 V6, NIST SP 800-63B-4 section 3.1.1.2 (length and blocklist, no
//! composition rules).

mod argon;
mod common;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::available_parallelism,
};

use entity::PasswordHash;
use prometheus_client::metrics::gauge::Gauge;
use schema::{Error, ErrorCode, Result, Security, validation::Validator};
use tokio::sync::Semaphore;

use argon::HashBuffer;

pub(crate) use argon::Verification;

/// Maximum length of a password, in bytes.
pub(crate) const MAX_BYTES: usize = 1024;
/// Minimum length of a new password in strict mode, in characters. NIST asks for 8 if there is a
/// second factor.
pub(crate) const MIN_CHARACTERS_STRICT: usize = 8;
/// Maximum number of hashes that wait for a worker; each takes about 20 ms.
const MAX_QUEUED: i64 = 50;
/// Spreads `Retry-After` over 1 to 4 s: clients that return together are rejected together, and slow
/// down the ones being served.
const RETRY_SPREAD_SECS: u32 = 4;

/// Returns the rule for a new password in this mode.
pub(crate) fn validator(security: Security) -> Validator {
    match security {
        Security::Spec => validate,
        Security::Strict => validate_strict,
    }
}

/// Validates a new password in any mode.
pub(crate) fn validate(password: &str) -> Option<&'static str> {
    (!(1..=MAX_BYTES).contains(&password.len())).then_some("must have 1 to 1024 bytes")
}

/// Validates a new password in strict mode.
fn validate_strict(password: &str) -> Option<&'static str> {
    if let Some(detail) = validate(password) {
        return Some(detail);
    }
    if password.chars().count() < MIN_CHARACTERS_STRICT {
        return Some("must have at least 8 characters");
    }
    common::contains(password).then_some("is among the most common passwords")
}

/// Hashes a password outside of the service, for demo data.
///
/// # Errors
/// `INTERNAL` if the system has no randomness for a salt.
pub fn demo_hash(password: &str) -> Result<PasswordHash> {
    argon::hash_password(password, &mut HashBuffer::default())
}

/// Hashes and verifies passwords, as many at once as there are cores.
pub(crate) struct PasswordHasher {
    permits: Arc<Semaphore>,
    /// Buffers that are not in use, at most one for each permit.
    buffers: Arc<Mutex<Vec<HashBuffer>>>,
    queued: Gauge,
    in_progress: Gauge,
    rejected: AtomicU32,
    /// Verified instead of the hash of a user that does not exist, so that it costs the same.
    dummy_hash: PasswordHash,
}

impl PasswordHasher {
    /// Creates a hasher that shows in these gauges how many hashes are queued and in progress.
    ///
    /// # Errors
    /// `INTERNAL` if the system has no randomness for a salt.
    pub(crate) fn new(queued: Gauge, in_progress: Gauge) -> Result<Self> {
        let cores = available_parallelism().map_or(1, Into::into);
        Ok(Self {
            permits: Arc::new(Semaphore::new(cores)),
            buffers: Arc::default(),
            queued,
            in_progress,
            rejected: AtomicU32::default(),
            dummy_hash: argon::dummy_hash()?,
        })
    }

    /// Reserves a place in the queue. Reserve it before any other work for a password, so that a
    /// flood of them costs little.
    ///
    /// # Errors
    /// `BUSY` if the queue is full.
    pub(crate) fn acquire_slot(&self) -> Result<QueueSlot<'_>> {
        let slot = QueueSlot(self);
        if self.queued.inc() >= MAX_QUEUED {
            let detail = "Too many passwords are being checked at the moment.";
            let turn = self.rejected.fetch_add(1, Ordering::Relaxed) % RETRY_SPREAD_SECS;
            return Err(Error::new(ErrorCode::Busy, detail).retry_after(1 + turn));
        }
        Ok(slot)
    }
}

/// A place in the queue, released even if the client disconnects.
pub(crate) struct QueueSlot<'a>(&'a PasswordHasher);

impl QueueSlot<'_> {
    /// Hashes a new password.
    pub(crate) async fn hash_password(self, password: String) -> Result<PasswordHash> {
        self.run(move |buffer| argon::hash_password(&password, buffer)).await?
    }

    /// Verifies a password. The cost depends neither on the password nor on whether there is a
    /// stored hash.
    pub(crate) async fn verify_password(
        self,
        password: String,
        stored: Option<PasswordHash>,
    ) -> Result<Verification> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.0.dummy_hash.clone());
        let result =
            self.run(move |buffer| argon::verify_password(&password, &stored, buffer)).await?;
        Ok(if exists { result } else { Verification::Mismatch })
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut HashBuffer) -> T + Send + 'static,
    ) -> Result<T> {
        let PasswordHasher { permits, buffers, in_progress, .. } = self.0;
        let permit = Arc::clone(permits).acquire_owned().await.map_err(Error::internal)?;
        let (running, buffers) = (InProgress::new(in_progress.clone()), Arc::clone(buffers));
        drop(self);
        let work = tokio::task::spawn_blocking(move || {
            // Held until the work is done: a client that disconnects must not let more run at once.
            let _held = (permit, running);
            let mut buffer = lock_buffers(&buffers).pop().unwrap_or_default();
            let result = work(&mut buffer);
            buffer.shrink();
            lock_buffers(&buffers).push(buffer);
            result
        });
        work.await.map_err(Error::internal)
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        self.0.queued.dec();
    }
}

fn lock_buffers(buffers: &Mutex<Vec<HashBuffer>>) -> MutexGuard<'_, Vec<HashBuffer>> {
    buffers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a hash as in progress until it is dropped.
struct InProgress(Gauge);

impl InProgress {
    fn new(in_progress: Gauge) -> Self {
        in_progress.inc();
        Self(in_progress)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_mode_rejects_short_and_common_passwords() {
        for bad in ["short", "password", "Password", "12345678", "iloveyou"] {
            assert!(validate_strict(bad).is_some(), "{bad}");
        }
        for good in ["correct horse", "пароль от почты"] {
            assert_eq!(validate_strict(good), None, "{good}");
        }
    }

    #[tokio::test]
    async fn full_queue_rejects_until_a_slot_is_released() {
        let hasher = PasswordHasher::new(Gauge::default(), Gauge::default()).unwrap();
        let slots: Vec<_> = (0..MAX_QUEUED).map(|_| hasher.acquire_slot().unwrap()).collect();
        for seconds in [1, 2, 3, 4, 1] {
            let error = hasher.acquire_slot().err().unwrap();
            assert_eq!((error.code, error.retry_after), (ErrorCode::Busy, Some(seconds)));
        }
        drop(slots);
        assert!(hasher.acquire_slot().unwrap().hash_password("secret".into()).await.is_ok());
    }

    #[tokio::test]
    async fn buffers_do_not_outnumber_permits() {
        let hasher = PasswordHasher::new(Gauge::default(), Gauge::default()).unwrap();
        let cores = hasher.permits.available_permits();
        let results = (0..3 * cores)
            .map(|_| async { hasher.acquire_slot()?.hash_password("secret".into()).await });
        for hash in futures_util::future::join_all(results).await {
            hash.unwrap();
        }
        let buffers = lock_buffers(&hasher.buffers).len();
        assert!((1..=cores).contains(&buffers), "{buffers}");
    }
}

//! Passwords: rules for new ones, and bounds on how many are hashed and wait at once.
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
use schema::{Error, ErrorCode, Result};
use tokio::sync::Semaphore;

use argon::Memory;

pub(crate) use argon::Verdict;

/// The most bytes of a password.
pub(crate) const BYTES: usize = 1024;
/// The fewest characters of a new password in strict mode. NIST asks for 8 beside a second factor.
pub(crate) const STRICT_CHARACTERS: usize = 8;
/// How many hashes may wait for one that is under way; each takes about 20 ms.
const QUEUE: i64 = 50;
/// Over how many seconds those who are refused are told to come back: a crowd that comes back at once
/// is refused at once, and takes from those who are served.
const SPREAD: u32 = 4;

/// The rule for a new password, whatever the mode.
pub(crate) fn rule(password: &str) -> Option<&'static str> {
    (!(1..=BYTES).contains(&password.len())).then_some("must have 1 to 1024 bytes")
}

/// The rule for a new password in strict mode.
pub(crate) fn strict_rule(password: &str) -> Option<&'static str> {
    if let Some(detail) = rule(password) {
        return Some(detail);
    }
    if password.chars().count() < STRICT_CHARACTERS {
        return Some("must have at least 8 characters");
    }
    common::contains(password).then_some("is among the most common passwords")
}

/// Hashes the same password for many users at once, as demo data needs it.
///
/// # Errors
/// Where the system has no randomness for a salt.
pub fn demo_hash(password: &str) -> Result<PasswordHash> {
    argon::hash(password, &mut Memory::default())
}

/// Hashes and verifies, as many at once as there are cores.
pub(crate) struct Hasher {
    permits: Arc<Semaphore>,
    /// What is free of the memory of each permit.
    memory: Arc<Mutex<Vec<Memory>>>,
    waiting: Gauge,
    running: Gauge,
    refused: AtomicU32,
    /// Verified in place of the hash of a user that does not exist, so that it costs the same.
    nobody: PasswordHash,
}

impl Hasher {
    /// Shows in these figures how many hashes wait and run.
    pub(crate) fn new(waiting: Gauge, running: Gauge) -> Result<Self> {
        let cores = available_parallelism().map_or(1, Into::into);
        Ok(Self {
            permits: Arc::new(Semaphore::new(cores)),
            memory: Arc::default(),
            waiting,
            running,
            refused: AtomicU32::default(),
            nobody: argon::nobody()?,
        })
    }

    /// A place in the queue: to be taken before anything else is done for a password, so that a
    /// flood of them costs little.
    ///
    /// # Errors
    /// `BUSY` where too many wait already.
    pub(crate) fn queue(&self) -> Result<Place<'_>> {
        let place = Place(self);
        if self.waiting.inc() >= QUEUE {
            let detail = "Too many passwords are being checked at the moment.";
            let turn = self.refused.fetch_add(1, Ordering::Relaxed) % SPREAD;
            return Err(Error::new(ErrorCode::Busy, detail).retry_after(1 + turn));
        }
        Ok(place)
    }
}

/// A place in the queue, given back even if the client leaves.
pub(crate) struct Place<'a>(&'a Hasher);

impl Place<'_> {
    /// The hash of a new password.
    pub(crate) async fn hash(self, password: String) -> Result<PasswordHash> {
        self.run(move |memory| argon::hash(&password, memory)).await?
    }

    /// Verifies a password. It costs the same where there is no user, and whatever the password.
    pub(crate) async fn verify(
        self,
        password: String,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.0.nobody.clone());
        let verdict = self.run(move |memory| argon::verify(&password, &stored, memory)).await?;
        Ok(if exists { verdict } else { Verdict::Wrong })
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T> {
        let Hasher { permits, memory, running, .. } = self.0;
        let permit = Arc::clone(permits).acquire_owned().await.map_err(Error::internal)?;
        let (running, spare) = (Running::start(running.clone()), Arc::clone(memory));
        drop(self);
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work: a client that leaves does not make room for more at once.
            let _held = (permit, running);
            let mut memory = free(&spare).pop().unwrap_or_default();
            let done = work(&mut memory);
            memory.settle();
            free(&spare).push(memory);
            done
        });
        work.await.map_err(Error::internal)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.dec();
    }
}

fn free(memory: &Mutex<Vec<Memory>>) -> MutexGuard<'_, Vec<Memory>> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A hash under way, counted until it is done.
struct Running(Gauge);

impl Running {
    fn start(running: Gauge) -> Self {
        running.inc();
        Self(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_mode_refuses_short_and_common_passwords() {
        for bad in ["short", "password", "Password", "12345678", "iloveyou"] {
            assert!(strict_rule(bad).is_some(), "{bad}");
        }
        for good in ["correct horse", "пароль от почты"] {
            assert_eq!(strict_rule(good), None, "{good}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_lets_in_again() {
        let hasher = Hasher::new(Gauge::default(), Gauge::default()).unwrap();
        let places: Vec<_> = (0..QUEUE).map(|_| hasher.queue().unwrap()).collect();
        for seconds in [1, 2, 3, 4, 1] {
            let refused = hasher.queue().err().unwrap();
            assert_eq!((refused.code, refused.retry_after), (ErrorCode::Busy, Some(seconds)));
        }
        drop(places);
        assert!(hasher.queue().unwrap().hash("secret".into()).await.is_ok());
    }

    #[tokio::test]
    async fn no_more_memory_is_kept_than_hashes_run_at_once() {
        let hasher = Hasher::new(Gauge::default(), Gauge::default()).unwrap();
        let cores = hasher.permits.available_permits();
        let all = (0..3 * cores).map(|_| async { hasher.queue()?.hash("secret".into()).await });
        for hash in futures_util::future::join_all(all).await {
            hash.unwrap();
        }
        let kept = free(&hasher.memory).len();
        assert!((1..=cores).contains(&kept), "{kept}");
    }
}

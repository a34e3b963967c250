//! Passwords: rules for new ones, and limits on how many are hashed and queued at once.
//!
//! Sources: OWASP ASVS 5.0 V6, NIST SP 800-63B-4 section 3.1.1.2 (length, blocklist and normalisation,
//! no composition rules), RFC 8265 section 4.2.2 (NFC).

mod argon;
mod common;

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::available_parallelism,
};

use entity::{PasswordHash, lookup_key};
use icu_normalizer::ComposingNormalizerBorrowed;
use prometheus_client::metrics::gauge::Gauge;
use schema::{Error, ErrorCode, Result, Security, validation::Validator};
use tokio::sync::Semaphore;

use argon::HashBuffer;

pub(crate) use argon::Verification;

/// Maximum length of a password, in bytes.
pub(crate) const MAX_BYTES: usize = 1024;
/// Minimum length of a new password in strict mode, in characters. NIST asks for 15 where there is no
/// second factor, as here.
pub(crate) const MIN_CHARACTERS_STRICT: usize = 8;
/// Must not be a password.
const SERVICE_NAME: &str = "classifieds";
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
    let password = normalize(password);
    if password.chars().count() < MIN_CHARACTERS_STRICT {
        Some("must have at least 8 characters")
    } else if password.trim().is_empty() {
        Some("must not be blank")
    } else if is_same(&password, SERVICE_NAME) {
        Some("must not be the name of the service")
    } else if common::contains(&password) {
        Some("is among the most common passwords")
    } else {
        None
    }
}

/// Validates that a new password is not a name of its user, which is allowed in spec mode.
pub(crate) fn validate_for_user(
    security: Security,
    password: &str,
    username: &str,
    email: Option<&str>,
) -> Option<&'static str> {
    let is_name = is_same(password, username) || email.is_some_and(|it| is_same(password, it));
    let is_strict = security == Security::Strict;
    (is_strict && is_name).then_some("must not be the username or the email")
}

/// Returns true if a password is this name, regardless of case, form and surrounding white space.
fn is_same(password: &str, name: &str) -> bool {
    lookup_key(password.trim()) == lookup_key(name)
}

/// Returns the form of a password that is hashed, in which it is the same on every keyboard.
fn normalize(password: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(password)
}

/// Verifies a password. If it is not normalised, it may also be one from before passwords were.
fn verify(password: &str, stored: &PasswordHash, buffer: &mut HashBuffer) -> Verification {
    // No password is longer, and the work must not grow with what a client sends.
    let start = &password[..password.floor_char_boundary(MAX_BYTES)];
    let normalized = normalize(start);
    let verification = match argon::verify_password(&normalized, stored, buffer) {
        Verification::Mismatch if normalized != start => {
            match argon::verify_password(start, stored, buffer) {
                Verification::Mismatch => Verification::Mismatch,
                _ => Verification::MatchNeedsRehash,
            }
        }
        verification => verification,
    };
    if start.len() == password.len() { verification } else { Verification::Mismatch }
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
        self.run(move |buffer| argon::hash_password(&normalize(&password), buffer)).await?
    }

    /// Verifies a password. The cost depends neither on the password, but that a wrong one that is not
    /// normalised costs two hashes, nor on whether there is a stored hash.
    pub(crate) async fn verify_password(
        self,
        password: String,
        stored: Option<PasswordHash>,
    ) -> Result<Verification> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.0.dummy_hash.clone());
        let result = self.run(move |buffer| verify(&password, &stored, buffer)).await?;
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
        let decomposed = "e\u{301}".repeat(7);
        let blank = " ".repeat(20);
        for bad in [
            "short",
            "password",
            "Password",
            "12345678",
            "iloveyou",
            "Classifieds",
            &decomposed,
            &blank,
        ] {
            assert!(validate_strict(bad).is_some(), "{bad}");
        }
        for good in ["correct horse", "пароль от почты"] {
            assert_eq!(validate_strict(good), None, "{good}");
        }
    }

    #[test]
    fn password_is_not_a_name_of_its_user() {
        let validate = |password| {
            validate_for_user(Security::Strict, password, "long.username", Some("ann@example.org"))
        };
        for bad in ["long.username", "LONG.username ", "ann@EXAMPLE.org"] {
            assert!(validate(bad).is_some(), "{bad}");
            let spec = validate_for_user(Security::Spec, bad, "long.username", None);
            assert_eq!(spec, None);
        }
        assert_eq!(validate("long.usernames"), None);
    }

    #[test]
    fn password_matches_in_any_unicode_form() {
        let buffer = &mut HashBuffer::default();
        let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
        let stored = argon::hash_password(&normalize(decomposed), buffer).unwrap();
        assert_eq!(verify(composed, &stored, buffer), Verification::Match);
        assert_eq!(verify(decomposed, &stored, buffer), Verification::Match);
        let from_before = argon::hash_password(decomposed, buffer).unwrap();
        assert_eq!(verify(decomposed, &from_before, buffer), Verification::MatchNeedsRehash);
        assert_eq!(verify(composed, &from_before, buffer), Verification::Mismatch);
        assert_eq!(verify("cafe au lait", &stored, buffer), Verification::Mismatch);
    }

    #[test]
    fn overlong_password_does_not_match_by_its_prefix() {
        let buffer = &mut HashBuffer::default();
        // Three bytes each; normalised, nine.
        for longest in ["a".repeat(MAX_BYTES), "\u{fb2c}".repeat(MAX_BYTES / 3)] {
            let stored = argon::hash_password(&normalize(&longest), buffer).unwrap();
            assert_eq!(verify(&longest, &stored, buffer), Verification::Match);
            assert_eq!(verify(&(longest + "ab"), &stored, buffer), Verification::Mismatch);
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

//! Passwords: rules for new ones, and limits on how many are hashed and queued at once.
//!
//! Sources: OWASP ASVS 5.0 V6, NIST SP 800-63B-4 section 3.1.1.2 (length, blocklist and normalisation,
//! no composition rules), RFC 8265 section 4.2.2 (NFC).

mod argon;
mod common;

use std::{
    borrow::Cow,
    collections::HashMap,
    mem,
    net::IpAddr,
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
use server::client_ip;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
const MAX_QUEUED: usize = 100;
/// Maximum number of registrations among them.
const MAX_QUEUED_REGISTRATIONS: usize = 50;
/// Maximum number of hashes of one address among those that the workers take in turn, for each core.
const TURNS_PER_CORE: usize = 4;
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

/// The purpose of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HashPurpose {
    /// Logins, and changes of passwords.
    Login,
    /// Registrations, which must not take the workers that logins need.
    Registration,
}

/// Hashes and verifies passwords, as many at once as there are cores.
pub(crate) struct PasswordHasher {
    permits: Arc<Semaphore>,
    /// Leaves a core to logins, if there are several.
    registration_permits: Arc<Semaphore>,
    lanes: Mutex<HashMap<LaneKey, Lane>>,
    /// Buffers that are not in use, at most one for each permit.
    buffers: Arc<Mutex<Vec<HashBuffer>>>,
    queued: Gauge,
    in_progress: Gauge,
    rejected: AtomicU32,
    /// Verified instead of the hash of a user that does not exist, so that it costs the same.
    dummy_hash: PasswordHash,
}

type LaneKey = (HashPurpose, Option<IpAddr>);

/// The queued hashes of one purpose for one address.
struct Lane {
    queued: usize,
    /// A few of them compete with those of other lanes, so that a long lane does not delay a short
    /// one.
    turns: Arc<Semaphore>,
}

impl PasswordHasher {
    /// Creates a hasher that shows in these gauges how many hashes are queued and in progress.
    ///
    /// # Errors
    /// `INTERNAL` if the system has no randomness for a salt.
    pub(crate) fn new(queued: Gauge, in_progress: Gauge) -> Result<Self> {
        let cores = available_cores();
        Ok(Self {
            permits: Arc::new(Semaphore::new(cores)),
            registration_permits: Arc::new(Semaphore::new((cores - 1).max(1))),
            lanes: Mutex::default(),
            buffers: Arc::default(),
            queued,
            in_progress,
            rejected: AtomicU32::default(),
            dummy_hash: argon::dummy_hash()?,
        })
    }

    /// Reserves a place in the queue. Reserve it before any other work for a password, so that a
    /// flood of them costs little. An address gets as many places as are left to others.
    ///
    /// # Errors
    /// `BUSY` if the queue is full.
    pub(crate) fn acquire_slot(
        &self,
        purpose: HashPurpose,
        address: Option<IpAddr>,
    ) -> Result<QueueSlot<'_>> {
        let lane_key = (purpose, address.map(client_ip::network));
        let mut lanes = lock(&self.lanes);
        let queued_for = |purpose| {
            lanes.iter().filter(|(key, _)| key.0 == purpose).map(|(_, lane)| lane.queued).sum()
        };
        let registrations: usize = queued_for(HashPurpose::Registration);
        let free = MAX_QUEUED - registrations - queued_for(HashPurpose::Login);
        let own = lanes.get(&lane_key).map_or(0, |lane| lane.queued);
        let is_full =
            purpose == HashPurpose::Registration && registrations >= MAX_QUEUED_REGISTRATIONS;
        if own >= free || is_full {
            let detail = "Too many passwords are being checked at the moment.";
            let turn = self.rejected.fetch_add(1, Ordering::Relaxed) % RETRY_SPREAD_SECS;
            return Err(Error::new(ErrorCode::Busy, detail).retry_after(1 + turn));
        }
        let new_lane = || Lane {
            queued: 0,
            turns: Arc::new(Semaphore::new(TURNS_PER_CORE * available_cores())),
        };
        let lane = lanes.entry(lane_key).or_insert_with(new_lane);
        lane.queued += 1;
        self.queued.inc();
        let turns = Arc::clone(&lane.turns);
        Ok(QueueSlot { hasher: self, lane_key, turns, turn: Vec::new() })
    }
}

fn available_cores() -> usize {
    available_parallelism().map_or(1, Into::into)
}

/// A place in the queue, released even if the client disconnects.
pub(crate) struct QueueSlot<'a> {
    hasher: &'a PasswordHasher,
    lane_key: LaneKey,
    turns: Arc<Semaphore>,
    /// The right to compete with other lanes; empty before the turn of this hash.
    turn: Vec<OwnedSemaphorePermit>,
}

impl QueueSlot<'_> {
    /// Waits for the turn of this hash in its lane. Work for the hash, such as a look-up, is better
    /// done after it: few registrations use the database at once then.
    pub(crate) async fn wait_for_turn(&mut self) -> Result<()> {
        if self.turn.is_empty() {
            self.turn.push(acquire(&self.turns).await?);
            if self.lane_key.0 == HashPurpose::Registration {
                self.turn.push(acquire(&self.hasher.registration_permits).await?);
            }
        }
        Ok(())
    }

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
        let stored = stored.unwrap_or_else(|| self.hasher.dummy_hash.clone());
        let result = self.run(move |buffer| verify(&password, &stored, buffer)).await?;
        Ok(if exists { result } else { Verification::Mismatch })
    }

    async fn run<T: Send + 'static>(
        mut self,
        work: impl FnOnce(&mut HashBuffer) -> T + Send + 'static,
    ) -> Result<T> {
        self.wait_for_turn().await?;
        let turn = mem::take(&mut self.turn);
        let PasswordHasher { permits, buffers, in_progress, .. } = self.hasher;
        let permit = acquire(permits).await?;
        let (running, buffers) = (InProgress::new(in_progress.clone()), Arc::clone(buffers));
        drop(self);
        let work = tokio::task::spawn_blocking(move || {
            // Held until the work is done: a client that disconnects must not let more run at once.
            let _held = (turn, permit, running);
            let mut buffer = lock(&buffers).pop().unwrap_or_default();
            let result = work(&mut buffer);
            buffer.shrink();
            lock(&buffers).push(buffer);
            result
        });
        work.await.map_err(Error::internal)
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        let mut lanes = lock(&self.hasher.lanes);
        if let Some(lane) = lanes.get_mut(&self.lane_key) {
            lane.queued -= 1;
            if lane.queued == 0 {
                lanes.remove(&self.lane_key);
            }
        }
        self.hasher.queued.dec();
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.map_err(Error::internal)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::collections::HashSet;

    use futures_util::future::{join, join_all};

    use super::*;

    /// Enough for every value of `Retry-After`.
    const RETRIES: usize = RETRY_SPREAD_SECS as usize;

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

    fn hasher() -> PasswordHasher {
        PasswordHasher::new(Gauge::default(), Gauge::default()).unwrap()
    }

    /// Acquires all slots that an address gets.
    fn fill(hasher: &PasswordHasher, purpose: HashPurpose, last: u8) -> Vec<QueueSlot<'_>> {
        let address = Some(IpAddr::from([192, 0, 2, last]));
        std::iter::from_fn(|| hasher.acquire_slot(purpose, address).ok()).collect()
    }

    #[tokio::test]
    async fn full_queue_rejects_until_a_slot_is_released() {
        let hasher = hasher();
        let slots: Vec<_> =
            (0..=u8::MAX).flat_map(|last| fill(&hasher, HashPurpose::Login, last)).collect();
        assert_eq!(slots.len(), MAX_QUEUED);
        let acquire = || hasher.acquire_slot(HashPurpose::Login, None);
        let errors = std::iter::repeat_with(|| acquire().err().unwrap()).take(RETRIES);
        let seconds = errors.map(|error| {
            assert_eq!(error.code, ErrorCode::Busy);
            error.retry_after.unwrap()
        });
        assert_eq!(seconds.collect::<HashSet<_>>(), HashSet::from([1, 2, 3, 4]));
        drop(slots);
        assert!(lock(&hasher.lanes).is_empty());
        assert!(acquire().unwrap().hash_password("secret".into()).await.is_ok());
    }

    #[test]
    fn address_and_registrations_leave_places_to_others() {
        let hasher = hasher();
        let one = fill(&hasher, HashPurpose::Login, 1);
        assert_eq!(one.len(), MAX_QUEUED / 2);
        let other = fill(&hasher, HashPurpose::Login, 2);
        assert_eq!(other.len(), MAX_QUEUED / 4);
        drop((one, other));

        let registrations: Vec<_> =
            (0..=u8::MAX).flat_map(|last| fill(&hasher, HashPurpose::Registration, last)).collect();
        assert_eq!(registrations.len(), MAX_QUEUED_REGISTRATIONS);
        assert!(fill(&hasher, HashPurpose::Login, 1).len() > 20);
    }

    #[tokio::test]
    async fn login_does_not_wait_behind_the_lane_of_another() {
        let hasher = hasher();
        let order = Mutex::new(Vec::new());
        let hash = async |slot: QueueSlot<'_>, name| {
            slot.hash_password("secret".into()).await.unwrap();
            lock(&order).push(name);
        };
        let flood = fill(&hasher, HashPurpose::Login, 1);
        let registrations = fill(&hasher, HashPurpose::Registration, 2);
        let flood = flood.into_iter().take(20).map(|slot| hash(slot, "flood"));
        let registrations = registrations.into_iter().take(10).map(|slot| hash(slot, "register"));
        let late = async {
            tokio::task::yield_now().await;
            let address = Some(IpAddr::from([192, 0, 2, 3]));
            hash(hasher.acquire_slot(HashPurpose::Login, address).unwrap(), "late").await;
        };
        let flood = async { join(join_all(flood), join_all(registrations)).await };
        join(flood, late).await;
        let place = lock(&order).iter().position(|name| *name == "late").unwrap();
        assert!(place <= (TURNS_PER_CORE + 2) * available_cores(), "{place}");
    }

    #[tokio::test]
    async fn buffers_do_not_outnumber_permits() {
        let hasher = hasher();
        let cores = hasher.permits.available_permits();
        let results = (0..3 * cores).map(|_| async {
            hasher.acquire_slot(HashPurpose::Login, None)?.hash_password("secret".into()).await
        });
        for hash in join_all(results).await {
            hash.unwrap();
        }
        let buffers = lock(&hasher.buffers).len();
        assert!((1..=cores).contains(&buffers), "{buffers}");
    }
}

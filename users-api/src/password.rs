//! Passwords: argon2id, with bounds on how much of it runs and waits.
//!
//! Sources: OWASP password storage cheat sheet (argon2id, m = 19 MiB, t = 2, p = 1), OWASP ASVS
//! 5.0 V6, NIST SP 800-63B-4 section 3.1.1.2 (length and blocklist, no composition rules).

mod common;

use std::{sync::Arc, thread::available_parallelism};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};
use entity::PasswordHash;
use prometheus_client::metrics::gauge::Gauge;
use schema::{Code, Error, Result};
use tokio::sync::Semaphore;

/// The most bytes of a password.
pub(crate) const BYTES: usize = 1024;
/// The fewest characters of a new password in strict mode. NIST asks for 8 beside a second factor.
pub(crate) const STRICT_CHARACTERS: usize = 8;
/// How many hashes may wait for one that is under way; each takes about 20 ms.
const QUEUE: i64 = 50;
/// The most that stored parameters may ask for: past that a hash is refused, not computed.
const CLAMP: (u32, u32, u32) = (64 * 1024, 8, 4);

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

/// What verifying a password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wrong,
    Right,
    /// Right, and the stored hash is weaker than a new one would be.
    Outdated,
}

/// Hashes and verifies, as many at once as there are cores.
#[derive(Clone)]
pub(crate) struct Hasher {
    permits: Arc<Semaphore>,
    waiting: Gauge,
    running: Gauge,
    /// Verified in place of the hash of a user that does not exist, so that it costs the same.
    nobody: PasswordHash,
}

impl Hasher {
    /// Shows in these figures how many hashes wait and run.
    pub(crate) fn new(waiting: Gauge, running: Gauge) -> Result<Self> {
        let cores = available_parallelism().map_or(1, Into::into);
        Ok(Self {
            permits: Arc::new(Semaphore::new(cores)),
            waiting,
            running,
            nobody: hash(&uuid::Uuid::new_v4().to_string())?,
        })
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// `BUSY` where too many wait already.
    pub(crate) async fn hash(&self, password: String) -> Result<PasswordHash> {
        self.run(move || hash(&password)).await?
    }

    /// Verifies a password. It costs the same where there is no user, and whatever the password.
    ///
    /// # Errors
    /// `BUSY` where too many wait already.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let verdict = self.run(move || verify(&password, &stored)).await?;
        Ok(if exists { verdict } else { Verdict::Wrong })
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = Place::take(&self.waiting).ok_or_else(|| {
            let detail = "Too many passwords are being checked at the moment.";
            Error::new(Code::Busy, detail).retry_after(1)
        })?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        drop(place);
        let running = Running::start(self.running.clone());
        let work = tokio::task::spawn_blocking(move || {
            // Held by the work: a client that leaves does not make room for more at once.
            let _held = (permit, running);
            work()
        });
        work.await.map_err(Error::internal)
    }
}

/// A place in the queue, given back even if the client leaves.
struct Place<'a>(&'a Gauge);

impl<'a> Place<'a> {
    fn take(waiting: &'a Gauge) -> Option<Self> {
        let place = Self(waiting);
        let full = waiting.inc() >= QUEUE;
        (!full).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
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

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn hash(password: &str) -> Result<PasswordHash> {
    let hash = argon2().hash_password(password.as_bytes()).map_err(Error::internal)?;
    Ok(PasswordHash(hash.to_string()))
}

/// Hashes the same password for many users at once, as demo data needs it.
///
/// # Errors
/// Where the system has no randomness for a salt.
pub fn demo_hash(password: &str) -> Result<PasswordHash> {
    hash(password)
}

fn verify(password: &str, stored: &PasswordHash) -> Verdict {
    let Ok(parsed) = phc::PasswordHash::new(&stored.0) else {
        tracing::error!("a stored hash is no PHC string");
        return Verdict::Wrong;
    };
    let Some(strength) = strength(&parsed) else {
        tracing::error!("a stored hash has parameters that are refused");
        return Verdict::Wrong;
    };
    // No stored password is longer, and the work must not grow with what a client sends.
    let (bytes, fits) = match password.as_bytes().get(..BYTES) {
        Some(start) => (start, password.len() == BYTES),
        None => (password.as_bytes(), true),
    };
    let right = argon2().verify_password(bytes, &parsed).is_ok();
    match strength {
        _ if !right || !fits => Verdict::Wrong,
        Strength::Weak => Verdict::Outdated,
        Strength::Good => Verdict::Right,
    }
}

enum Strength {
    Weak,
    Good,
}

/// Nothing where the parameters are absurd.
fn strength(hash: &phc::PasswordHash) -> Option<Strength> {
    let params = Params::try_from(hash).ok()?;
    let (m, t, p) = (params.m_cost(), params.t_cost(), params.p_cost());
    if m > CLAMP.0 || t > CLAMP.1 || p > CLAMP.2 || !hash.algorithm.as_str().starts_with("argon2") {
        return None;
    }
    let current = hash.algorithm.as_str() == Algorithm::Argon2id.as_str()
        && m >= Params::DEFAULT_M_COST
        && t >= Params::DEFAULT_T_COST;
    Some(if current { Strength::Good } else { Strength::Weak })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(m: u32, t: u32) -> PasswordHash {
        let params = Params::new(m, t, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        PasswordHash(argon2.hash_password(b"secret").unwrap().to_string())
    }

    #[test]
    fn a_new_hash_has_the_parameters_promised_and_its_own_salt() {
        let (one, other) = (hash("secret").unwrap(), hash("secret").unwrap());
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, other);
        assert_eq!(verify("secret", &one), Verdict::Right);
        assert_eq!(verify("Secret", &one), Verdict::Wrong);
        assert_eq!(verify("", &one), Verdict::Wrong);
    }

    #[test]
    fn weak_hashes_are_outdated_and_absurd_ones_refused() {
        assert_eq!(verify("secret", &stored(8 * 1024, 1)), Verdict::Outdated);
        assert_eq!(verify("secret", &stored(65 * 1024, 1)), Verdict::Wrong);
        assert_eq!(verify("secret", &PasswordHash("plain".into())), Verdict::Wrong);
    }

    #[test]
    fn a_password_that_is_too_long_is_wrong_though_its_start_is_right() {
        let long = "a".repeat(BYTES);
        let stored = hash(&long).unwrap();
        assert_eq!(verify(&long, &stored), Verdict::Right);
        assert_eq!(verify(&(long + "a"), &stored), Verdict::Wrong);
    }

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
        let places: Vec<_> = (0..QUEUE).map(|_| Place::take(&hasher.waiting).unwrap()).collect();
        let refused = hasher.hash("secret".into()).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::Busy, Some(1)));
        drop(places);
        assert!(hasher.hash("secret".into()).await.is_ok());
    }
}

//! Slows down who guesses passwords, before anything is hashed.
//!
//! Failures are counted an account and a client address. Past a few, each further attempt has to
//! wait, twice as long every time and never more than a minute, so that nobody can lock an account
//! out. Unknown names are counted like others, so that a count tells nothing. The counts are those
//! of this process; they are kept in bounded memory.
//!
//! Sources: OWASP ASVS 5.0, 6.3.1 and OWASP authentication cheat sheet ("Login Throttling"); NIST
//! SP 800-63B-4, section 3.2.2.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use schema::{Error, ErrorCode, Result};

/// How failures of one kind are counted.
#[derive(Clone, Copy)]
struct Rule {
    /// How many cost nothing.
    free: f64,
    /// After how long one is forgotten.
    forget: Duration,
}

const ACCOUNT: Rule = Rule { free: 5.0, forget: Duration::from_mins(1) };
/// Many may share an address.
const ADDRESS: Rule = Rule { free: 50.0, forget: Duration::from_secs(5) };
/// The first wait, which doubles with each failure.
const WAIT: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
/// The most counts, and the most pairs of account and address, that are kept.
const KEPT: usize = 50_000;

struct Count {
    rule: Rule,
    failures: f64,
    at: Instant,
    /// No attempt before this.
    until: Instant,
}

impl Count {
    fn new(rule: Rule, now: Instant) -> Self {
        Self { rule, failures: 0.0, at: now, until: now }
    }

    fn failures(&self, now: Instant) -> f64 {
        let forgotten = now.duration_since(self.at).div_duration_f64(self.rule.forget);
        (self.failures - forgotten).max(0.0)
    }

    /// How long the attempt after this many failures has to wait.
    fn wait(&self, now: Instant) -> Duration {
        let paid = (self.failures(now) - self.rule.free).ceil();
        if paid < 0.0 {
            return Duration::ZERO;
        }
        WAIT.mul_f64(paid.exp2().min(LONGEST.div_duration_f64(WAIT)))
    }

    fn fail(&mut self, now: Instant) {
        self.failures = self.failures(now) + 1.0;
        self.at = now;
        self.until = now + self.wait(now);
    }
}

#[derive(Default)]
struct Memory {
    counts: HashMap<u64, Count>,
    /// Where accounts were logged in to before, the oldest first.
    known: HashSet<u64>,
    known_order: VecDeque<u64>,
}

impl Memory {
    fn left(&self, key: u64, now: Instant) -> Duration {
        self.counts.get(&key).map_or(Duration::ZERO, |count| count.until.duration_since(now))
    }

    /// Lets one attempt at a time through where attempts have to wait.
    fn begin(&mut self, key: u64, now: Instant) {
        if let Some(count) = self.counts.get_mut(&key) {
            count.until = now + count.wait(now);
        }
    }

    fn fail(&mut self, key: u64, rule: Rule, now: Instant) {
        if self.counts.len() >= KEPT {
            self.make_room(now);
        }
        self.counts.entry(key).or_insert_with(|| Count::new(rule, now)).fail(now);
    }

    /// Forgets those who failed least, half of all at least: a flood of names does not make the
    /// count of a besieged account forgotten.
    fn make_room(&mut self, now: Instant) {
        let mut least = 0.0;
        while self.counts.len() > KEPT / 2 {
            self.counts.retain(|_, count| count.failures(now) > least);
            least += 1.0;
        }
    }

    fn know(&mut self, pair: u64) {
        if !self.known.insert(pair) {
            return;
        }
        self.known_order.push_back(pair);
        if self.known_order.len() > KEPT
            && let Some(oldest) = self.known_order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// The counts of failed attempts.
#[derive(Default)]
pub(crate) struct Throttle {
    /// With a key of its own: nobody can aim at the count of another.
    hasher: RandomState,
    memory: Mutex<Memory>,
}

/// An attempt that may be made. Its outcome is to be told; one that came to none is not counted.
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    account: u64,
    pair: Option<u64>,
    address: Option<u64>,
}

impl Throttle {
    /// Lets an attempt begin. `account` is whatever names it always in the same way.
    ///
    /// # Errors
    /// `TOO_MANY_REQUESTS` with the time to wait, rounded up to seconds.
    pub(crate) fn begin(
        &self,
        account: impl Hash,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Error> {
        self.begin_at(Instant::now(), account, address).map_err(|wait| {
            let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            let detail = "Too many failed attempts: wait for a while.";
            Error::new(ErrorCode::TooManyRequests, detail).retry_after(seconds)
        })
    }

    fn begin_at(
        &self,
        now: Instant,
        account: impl Hash,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Duration> {
        let account = self.hasher.hash_one(("account", account));
        let address = address.map(|address| self.hasher.hash_one(("address", network(address))));
        let pair = address.map(|address| self.hasher.hash_one((account, address)));
        let mut memory = self.memory();
        // Who logged in from here before is not slowed by what others do to the account from
        // elsewhere (OWASP authentication cheat sheet, "Account Lockout").
        let known = pair.filter(|pair| memory.known.contains(pair));
        let attempt = Attempt { throttle: self, account: known.unwrap_or(account), pair, address };
        let keys = [Some(attempt.account), address].into_iter().flatten();
        let wait = keys.clone().map(|key| memory.left(key, now)).max().unwrap_or_default();
        if wait > Duration::ZERO {
            return Err(wait);
        }
        keys.for_each(|key| memory.begin(key, now));
        drop(memory);
        Ok(attempt)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// The password was wrong, or there is no such account.
    pub(crate) fn failed(self) {
        self.failed_at(Instant::now());
    }

    fn failed_at(self, now: Instant) {
        let mut memory = self.throttle.memory();
        memory.fail(self.account, ACCOUNT, now);
        if let Some(address) = self.address {
            memory.fail(address, ADDRESS, now);
        }
    }

    /// The password was right. The failures of the account are forgotten; those of the address
    /// are not, or an account of one's own would pay for guessing at others.
    pub(crate) fn succeeded(self) {
        self.succeeded_at(Instant::now());
    }

    fn succeeded_at(self, now: Instant) {
        let mut memory = self.throttle.memory();
        memory.counts.remove(&self.account);
        if let Some(pair) = self.pair {
            memory.know(pair);
        }
        if let Some(count) = self.address.and_then(|address| memory.counts.get_mut(&address)) {
            count.until = now;
        }
    }
}

/// One client has a whole network of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let host = u128::from(u64::MAX);
            IpAddr::V6((address.to_bits() & !host).into())
        }
    }
}

#[cfg(test)]
mod tests;

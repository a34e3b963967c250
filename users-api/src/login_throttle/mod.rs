//! Slows down password guessing, before anything is hashed.
//!
//! Failures are counted per account and per client address. Past a few of them each further attempt
//! has to wait, twice as long every time and at most a minute, so that an account cannot be locked
//! out. Unknown usernames are counted like others, so that throttling does not reveal which exist.
//! The counters are those of this process; they are kept in bounded memory.
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

/// The rules for counting failures of one kind.
#[derive(Clone, Copy)]
struct Policy {
    /// Number of failures without a wait.
    free_failures: f64,
    /// Time after which one failure is forgotten.
    decay: Duration,
}

const ACCOUNT_POLICY: Policy = Policy { free_failures: 5.0, decay: Duration::from_mins(1) };
/// Many users may share an address.
const ADDRESS_POLICY: Policy = Policy { free_failures: 50.0, decay: Duration::from_secs(5) };
/// The first wait, which doubles with each failure.
const BASE_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// Maximum number of counters, and of trusted pairs of account and address.
const MAX_ENTRIES: usize = 50_000;

struct FailureCounter {
    policy: Policy,
    failures: f64,
    updated_at: Instant,
    blocked_until: Instant,
}

impl FailureCounter {
    fn new(policy: Policy, now: Instant) -> Self {
        Self { policy, failures: 0.0, updated_at: now, blocked_until: now }
    }

    fn failures(&self, now: Instant) -> f64 {
        let forgotten = now.duration_since(self.updated_at).div_duration_f64(self.policy.decay);
        (self.failures - forgotten).max(0.0)
    }

    /// Returns the wait before an attempt that follows this many failures.
    fn wait(&self, now: Instant) -> Duration {
        let paid = (self.failures(now) - self.policy.free_failures).ceil();
        if paid < 0.0 {
            return Duration::ZERO;
        }
        BASE_WAIT.mul_f64(paid.exp2().min(MAX_WAIT.div_duration_f64(BASE_WAIT)))
    }

    fn record_failure(&mut self, now: Instant) {
        self.failures = self.failures(now) + 1.0;
        self.updated_at = now;
        self.block(now);
    }

    fn block(&mut self, now: Instant) {
        self.blocked_until = now + self.wait(now);
    }
}

#[derive(Default)]
struct State {
    counters: HashMap<u64, FailureCounter>,
    /// Pairs of account and address with a successful login.
    trusted: HashSet<u64>,
    /// The same pairs, the oldest first.
    trusted_order: VecDeque<u64>,
}

impl State {
    fn remaining(&self, key: u64, now: Instant) -> Duration {
        self.counters
            .get(&key)
            .map_or(Duration::ZERO, |counter| counter.blocked_until.duration_since(now))
    }

    /// Blocks the key until the wait is over, so that one attempt at a time passes.
    fn block(&mut self, key: u64, now: Instant) {
        if let Some(counter) = self.counters.get_mut(&key) {
            counter.block(now);
        }
    }

    fn record_failure(&mut self, key: u64, policy: Policy, now: Instant) {
        if self.counters.len() >= MAX_ENTRIES {
            self.make_room(now);
        }
        let counter = self.counters.entry(key).or_insert_with(|| FailureCounter::new(policy, now));
        counter.record_failure(now);
    }

    /// Removes the counters with the fewest failures, at least half of all: a flood of names does
    /// not evict the counter of an account under attack.
    fn make_room(&mut self, now: Instant) {
        let mut fewest = 0.0;
        while self.counters.len() > MAX_ENTRIES / 2 {
            self.counters.retain(|_, counter| counter.failures(now) > fewest);
            fewest += 1.0;
        }
    }

    fn trust(&mut self, pair: u64) {
        if !self.trusted.insert(pair) {
            return;
        }
        self.trusted_order.push_back(pair);
        if self.trusted_order.len() > MAX_ENTRIES
            && let Some(oldest) = self.trusted_order.pop_front()
        {
            self.trusted.remove(&oldest);
        }
    }
}

/// Counts failed attempts, and rejects attempts that come too early.
#[derive(Default)]
pub(crate) struct Throttle {
    /// Randomly keyed, so that clients cannot provoke collisions with the counter of another.
    hasher: RandomState,
    state: Mutex<State>,
}

/// An attempt that may be made. Finish it with `failed` or `succeeded`; a dropped attempt is not
/// counted.
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    account: u64,
    pair: Option<u64>,
    address: Option<u64>,
}

impl Throttle {
    /// Begins an attempt. `account` is any key that is always the same for this account.
    ///
    /// # Errors
    /// `TOO_MANY_REQUESTS` with the time to wait, rounded up to seconds.
    pub(crate) fn begin_attempt(
        &self,
        account: impl Hash,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Error> {
        self.begin_attempt_at(Instant::now(), account, address).map_err(|wait| {
            let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            let detail = "Too many failed attempts: wait for a while.";
            Error::new(ErrorCode::TooManyRequests, detail).retry_after(seconds)
        })
    }

    fn begin_attempt_at(
        &self,
        now: Instant,
        account: impl Hash,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Duration> {
        let account = self.hasher.hash_one(("account", account));
        let address = address.map(|address| self.hasher.hash_one(("address", network(address))));
        let pair = address.map(|address| self.hasher.hash_one((account, address)));
        let mut state = self.lock_state();
        // A user who logged in from this address before is not slowed down by attacks on the account
        // from elsewhere (OWASP authentication cheat sheet, "Account Lockout").
        let trusted = pair.filter(|pair| state.trusted.contains(pair));
        let account = trusted.unwrap_or(account);
        let keys = [Some(account), address].into_iter().flatten();
        let wait = keys.clone().map(|key| state.remaining(key, now)).max().unwrap_or_default();
        if wait > Duration::ZERO {
            return Err(wait);
        }
        keys.for_each(|key| state.block(key, now));
        drop(state);
        Ok(Attempt { throttle: self, account, pair, address })
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// Counts a failure: the password is wrong, or the account does not exist.
    pub(crate) fn failed(self) {
        self.failed_at(Instant::now());
    }

    fn failed_at(self, now: Instant) {
        let mut state = self.throttle.lock_state();
        state.record_failure(self.account, ACCOUNT_POLICY, now);
        if let Some(address) = self.address {
            state.record_failure(address, ADDRESS_POLICY, now);
        }
    }

    /// Resets the failures of the account. Those of the address stay, or logging in to an account of
    /// one's own would pay for guessing at others.
    pub(crate) fn succeeded(self) {
        self.succeeded_at(Instant::now());
    }

    fn succeeded_at(self, now: Instant) {
        let mut state = self.throttle.lock_state();
        state.counters.remove(&self.account);
        if let Some(pair) = self.pair {
            state.trust(pair);
        }
        if let Some(counter) = self.address.and_then(|address| state.counters.get_mut(&address)) {
            counter.blocked_until = now;
        }
    }
}

/// Returns the address, or for IPv6 its /64 network: one client has all of it.
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

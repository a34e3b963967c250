//! Slows down guessing: of passwords, before anything is hashed, and of names that are taken.
//!
//! Failed logins are counted for each pair of account and client address, and for each address. Past
//! a few of them each further attempt has to wait, twice as long every time and at most a minute.
//! Attempts that run count as failures until they end. The failures of an account are also counted
//! over all addresses: past a budget, an address waits a minute after each failure of its own. An
//! address without failures never waits, so that an account cannot be locked out. Unknown
//! usernames are counted like others, so that throttling does not reveal which exist.
//! The counters are those of this process; they are kept in bounded memory.
//!
//! Sources: OWASP ASVS 5.0, 6.3.1 and OWASP authentication cheat sheet ("Login Throttling"); NIST
//! SP 800-63B-4, section 3.2.2.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    mem,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use schema::{Error, ErrorCode, Result};
use server::client_ip;
use tokio::sync::Notify;

/// The rules for counting failures of one kind.
#[derive(Clone, Copy)]
struct Policy {
    /// Number of failures without a wait.
    free_failures: f64,
    /// Time after which one failure is forgotten.
    decay: Duration,
}

/// Failures for an account from one address.
const PAIR_POLICY: Policy = Policy { free_failures: 5.0, decay: Duration::from_mins(1) };
/// Failures from an address, which many users may share.
const ADDRESS_POLICY: Policy = Policy { free_failures: 50.0, decay: Duration::from_secs(5) };
/// Failures for an account from all addresses.
const ACCOUNT_POLICY: Policy = Policy { free_failures: 100.0, decay: Duration::from_secs(6) };
/// Time after which the free registrations of an address are available again.
const NAMES_REFILL: Duration = Duration::from_mins(10);
/// The first wait, which doubles with each failure.
const BASE_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// Maximum number of attempts that wait for the outcome of others, of all addresses.
const MAX_WAITING: u32 = 200;
/// Limit on the memory of the counters, in bytes.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Maximum number of counters: three quarters of the places of a hash table may be empty.
const MAX_COUNTERS: usize = MAX_BYTES / 4 / size_of::<(u64, FailureCounter)>();

struct FailureCounter {
    policy: Policy,
    failures: f64,
    updated_at: Instant,
    blocked_until: Instant,
    /// Attempts that have begun and not ended.
    running: u32,
    /// Attempts that wait until running ones end.
    waiting: u32,
}

impl FailureCounter {
    fn new(policy: Policy, now: Instant) -> Self {
        Self { policy, failures: 0.0, updated_at: now, blocked_until: now, running: 0, waiting: 0 }
    }

    fn failures(&self, now: Instant) -> f64 {
        let forgotten = now.duration_since(self.updated_at).div_duration_f64(self.policy.decay);
        (self.failures - forgotten).max(0.0)
    }

    /// Returns true if the failures, and as many as are possible by now, use up the free ones.
    fn is_exhausted(&self, now: Instant) -> bool {
        self.failures(now).ceil() + f64::from(self.running) >= self.policy.free_failures
    }

    /// Returns the wait after this many failures.
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
        self.blocked_until = now + self.wait(now);
    }

    fn move_attempt(&mut self, from: Phase, to: Phase) {
        // A counter that was evicted meanwhile has not counted it.
        match from {
            Phase::New => (),
            Phase::Waiting => self.waiting = self.waiting.saturating_sub(1),
            Phase::Running => self.running = self.running.saturating_sub(1),
        }
        match to {
            Phase::New => (),
            Phase::Waiting => self.waiting += 1,
            Phase::Running => self.running += 1,
        }
    }

    /// Returns the time until the next attempt is allowed. While the account is besieged, an address
    /// that has failed for it waits a minute.
    fn remaining(&self, now: Instant, besieged: bool) -> Duration {
        let until = if besieged && self.failures(now) > 0.0 {
            self.updated_at + MAX_WAIT
        } else {
            self.blocked_until
        };
        until.duration_since(now)
    }
}

/// A counter, and the policy that it is created with.
#[derive(Clone, Copy)]
struct CounterKey {
    id: u64,
    policy: Policy,
}

#[derive(Default)]
struct State {
    counters: HashMap<u64, FailureCounter>,
    waiting: u32,
}

impl State {
    fn counter(&mut self, key: CounterKey, now: Instant) -> &mut FailureCounter {
        if self.counters.len() >= MAX_COUNTERS && !self.counters.contains_key(&key.id) {
            self.make_room(now);
        }
        self.counters.entry(key.id).or_insert_with(|| FailureCounter::new(key.policy, now))
    }

    /// Removes the counters with the fewest failures, at least half of all: a flood of names does
    /// not evict the counter of an account under attack.
    fn make_room(&mut self, now: Instant) {
        let mut fewest = 0.0;
        while self.counters.len() > MAX_COUNTERS / 2 {
            let count = |counter: &FailureCounter| {
                counter.failures(now) + f64::from(counter.running + counter.waiting)
            };
            self.counters.retain(|_, counter| count(counter) > fewest);
            fewest += 1.0;
        }
    }

    /// Changes the counter of a key, and removes it if it holds nothing any more.
    fn update(&mut self, key: CounterKey, now: Instant, change: impl Fn(&mut FailureCounter)) {
        let counter = self.counter(key, now);
        change(counter);
        if counter.running + counter.waiting == 0 && counter.failures(now) <= 0.0 {
            self.counters.remove(&key.id);
        }
    }
}

/// Counts failed attempts, and rejects attempts that come too early.
pub(crate) struct Throttle {
    /// Randomly keyed, so that clients cannot provoke collisions with the counter of another.
    hasher: RandomState,
    /// Registrations from an address, and names and emails that were taken.
    names_policy: Policy,
    state: Mutex<State>,
    /// Notified at the end of each attempt.
    ended: Notify,
}

impl Throttle {
    /// Creates a throttle with this many free registrations for each address.
    pub(crate) fn new(registration_burst: u32) -> Self {
        let names_policy = Policy {
            free_failures: f64::from(registration_burst),
            decay: NAMES_REFILL / registration_burst.max(1),
        };
        Self {
            hasher: RandomState::new(),
            names_policy,
            state: Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// Begins an attempt to prove an identity. `account` is any key that is always the same for this
    /// account. If attempts that run may use up the free failures, waits for their outcome.
    ///
    /// # Errors
    /// `TOO_MANY_REQUESTS` with the time to wait, rounded up to seconds; `BUSY` if too many wait.
    pub(crate) async fn begin_login(
        &self,
        account: impl Hash,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>> {
        self.login_attempt(account, address).start().await
    }

    /// Begins an attempt to take a name or an email address: a registration, or a change of this
    /// account.
    ///
    /// # Errors
    /// As [`Self::begin_login`].
    pub(crate) async fn begin_naming(
        &self,
        account: Option<i64>,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>> {
        self.naming_attempt(account, address).start().await
    }

    fn login_attempt(&self, account: impl Hash, address: Option<IpAddr>) -> Attempt<'_> {
        let account = self.hasher.hash_one(("account", account));
        let address = address.map(client_ip::network);
        let pair = self.hasher.hash_one((account, address));
        let address = address.map(|address| self.hasher.hash_one(("address", address)));
        let pair = CounterKey { id: pair, policy: PAIR_POLICY };
        let address = address.map(|id| CounterKey { id, policy: ADDRESS_POLICY });
        let account = CounterKey { id: account, policy: ACCOUNT_POLICY };
        self.attempt([Some(pair), address], Some(account))
    }

    fn naming_attempt(&self, account: Option<i64>, address: Option<IpAddr>) -> Attempt<'_> {
        let account = account.map(|account| self.hasher.hash_one(("names of", account)));
        let address = address.map(client_ip::network);
        let address = address.map(|address| self.hasher.hash_one(("names", address)));
        let key = |id| CounterKey { id, policy: self.names_policy };
        self.attempt([account.map(key), address.map(key)], None)
    }

    fn attempt(&self, keys: [Option<CounterKey>; 2], account: Option<CounterKey>) -> Attempt<'_> {
        let keys = keys.into_iter().flatten().collect();
        Attempt { throttle: self, keys, account, phase: Phase::New }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Waiting,
    Running,
}

/// The reasons not to run an attempt now.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The time until the next attempt is allowed.
    TooEarly(Duration),
    TooManyWaiting,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooEarly(wait) => {
                let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
                let detail = "Too many attempts: wait for a while.";
                Self::new(ErrorCode::TooManyRequests, detail).retry_after(seconds)
            }
            Refusal::TooManyWaiting => {
                Self::new(ErrorCode::Busy, "Too many attempts are under way.").retry_after(1)
            }
        }
    }
}

/// An attempt that may be made. Finish it with `count` or `succeeded`; a dropped attempt is not
/// counted.
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    /// The counters that can make it wait; the address is the last.
    keys: Vec<CounterKey>,
    /// The counter of the account over all addresses; the first key is then that of the pair.
    account: Option<CounterKey>,
    phase: Phase,
}

impl Attempt<'_> {
    async fn start(mut self) -> Result<Self> {
        loop {
            let ended = self.throttle.ended.notified();
            if self.try_start(Instant::now())? {
                return Ok(self);
            }
            ended.await;
        }
    }

    /// Starts the attempt, or returns false if it has to wait until others end.
    fn try_start(&mut self, now: Instant) -> Result<bool, Refusal> {
        let mut state = self.throttle.lock_state();
        let account = self.account.and_then(|account| state.counters.get(&account.id));
        let besieged = account.is_some_and(|account| account.is_exhausted(now));
        let mut must_wait = false;
        let mut waiting = 0;
        for (index, key) in self.keys.iter().enumerate() {
            let Some(counter) = state.counters.get(&key.id) else { continue };
            let besieged = besieged && index == 0;
            let wait = counter.remaining(now, besieged);
            if wait > Duration::ZERO {
                return Err(Refusal::TooEarly(wait));
            }
            // One at a time is always possible.
            must_wait |= counter.running > 0 && (besieged || counter.is_exhausted(now));
            waiting = counter.waiting;
        }
        if !must_wait {
            self.set_phase(&mut state, now, Phase::Running);
        } else if self.phase == Phase::New {
            // An address gets as many places as are left to others.
            if waiting >= MAX_WAITING - state.waiting {
                return Err(Refusal::TooManyWaiting);
            }
            self.set_phase(&mut state, now, Phase::Waiting);
        }
        Ok(!must_wait)
    }

    fn set_phase(&mut self, state: &mut State, now: Instant, phase: Phase) {
        let previous = mem::replace(&mut self.phase, phase);
        if phase == previous {
            return;
        }
        for key in &self.keys {
            state.update(*key, now, |counter| counter.move_attempt(previous, phase));
        }
        match (previous, phase) {
            (_, Phase::Waiting) => state.waiting += 1,
            (Phase::Waiting, _) => state.waiting -= 1,
            _ => (),
        }
    }

    /// Counts the attempt: the password is wrong, the account does not exist, or a name was asked
    /// for.
    pub(crate) fn count(self) {
        self.count_at(Instant::now());
    }

    fn count_at(self, now: Instant) {
        let mut state = self.throttle.lock_state();
        for key in self.keys.iter().chain(&self.account) {
            state.counter(*key, now).record_failure(now);
        }
    }

    /// Resets the failures for the account from this address. Those of the address stay, or logging
    /// in to an account of one's own would pay for guessing at others.
    pub(crate) fn succeeded(self) {
        if let Some(pair) = self.keys.first() {
            let mut state = self.throttle.lock_state();
            state.update(*pair, Instant::now(), |counter| {
                (counter.failures, counter.blocked_until) = (0.0, counter.updated_at);
            });
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut state = self.throttle.lock_state();
        self.set_phase(&mut state, Instant::now(), Phase::New);
        drop(state);
        self.throttle.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests;

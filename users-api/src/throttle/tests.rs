use super::*;

const SECOND: Duration = Duration::from_secs(1);
const BURST: u32 = 20;

#[allow(clippy::unnecessary_wraps, reason = "the type of the parameter")]
fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn throttle() -> Throttle {
    Throttle::new(BURST)
}

impl Throttle {
    /// Begins an attempt that need not wait for others.
    fn begin_at(
        &self,
        now: Instant,
        account: impl Hash,
        address: Option<IpAddr>,
    ) -> Result<Attempt<'_>, Duration> {
        started(now, self.login_attempt(account, address))
    }
}

fn started(now: Instant, mut attempt: Attempt<'_>) -> Result<Attempt<'_>, Duration> {
    match attempt.try_start(now) {
        Ok(started) => {
            assert!(started, "waits for others");
            Ok(attempt)
        }
        Err(Refusal::TooEarly(wait)) => Err(wait),
        Err(Refusal::TooManyWaiting) => panic!("too many wait"),
    }
}

/// Fails until there is a wait; returns the number of failures and the wait.
fn fail(throttle: &Throttle, now: Instant, name: &str, from: Option<IpAddr>) -> (u32, Duration) {
    let mut failures = 0;
    loop {
        match throttle.begin_at(now, name, from) {
            Ok(attempt) => attempt.count_at(now),
            Err(wait) => return (failures, wait),
        }
        failures += 1;
        assert!(failures < 1000, "is not throttled");
    }
}

/// Fails once for the account from each of 100 addresses.
fn besiege(throttle: &Throttle, now: Instant, name: &str) {
    for last in 0..100 {
        throttle.begin_at(now, name, address(last)).unwrap().count_at(now);
    }
}

#[test]
fn wait_doubles_up_to_one_minute() {
    let throttle = throttle();
    let mut now = Instant::now();
    let (free, mut wait) = fail(&throttle, now, "ann", address(1));
    assert_eq!((free, wait), (5, SECOND));
    let mut waits = vec![wait];
    for _ in 0..10 {
        assert!(throttle.begin_at(now + wait.mul_f64(0.9), "ann", address(1)).is_err());
        now += wait;
        let (again, longer) = fail(&throttle, now, "ann", address(1));
        assert_eq!(again, 1, "one attempt after each wait");
        wait = longer;
        waits.push(wait);
    }
    assert!(waits[..4].windows(2).all(|pair| pair[1] > pair[0].mul_f64(1.9)), "{waits:?}");
    assert_eq!(waits.last(), Some(&MAX_WAIT));
    assert!(throttle.begin_at(now + MAX_WAIT, "ann", address(1)).is_ok());
}

#[test]
fn failures_of_an_address_do_not_throttle_another() {
    let throttle = throttle();
    let now = Instant::now();
    fail(&throttle, now, "ann", address(1));
    assert_eq!(fail(&throttle, now, "ann", address(2)).0, 5);
    assert_eq!(fail(&throttle, now, "ann", None).0, 5);
    assert!(throttle.begin_at(now, "bob", address(1)).is_ok());
}

#[test]
fn besieged_account_has_a_first_attempt_for_every_address() {
    let throttle = throttle();
    let now = Instant::now();
    besiege(&throttle, now, "ann");
    // The address has failed for another account.
    for last in [150, 151] {
        throttle.begin_at(now, "bob", address(last)).unwrap().count_at(now);
        throttle.begin_at(now, "ann", address(last)).unwrap().count_at(now);
        let wait = throttle.begin_at(now, "ann", address(last)).err();
        assert_eq!(wait, Some(MAX_WAIT), "after one failure");
        assert!(throttle.begin_at(now, "bob", address(last)).is_ok());
        assert!(throttle.begin_at(now + MAX_WAIT, "ann", address(last)).is_ok());
    }
    throttle.begin_at(now, "ann", address(152)).unwrap().succeeded();
    throttle.begin_at(now, "ann", address(152)).unwrap().count_at(now);
    assert!(throttle.begin_at(now, "ann", address(152)).is_err(), "a success ends no siege");
    let later = now + MAX_WAIT;
    throttle.begin_at(later, "ann", address(153)).unwrap().count_at(later);
    assert!(throttle.begin_at(later, "ann", address(153)).is_ok(), "the siege is over");
}

#[test]
fn success_resets_account_not_address() {
    let throttle = throttle();
    let now = Instant::now();
    for number in 0..200 {
        let Ok(attempt) = throttle.begin_at(now, number, address(1)) else {
            assert_eq!(number, 50);
            break;
        };
        attempt.count_at(now);
        if let Ok(own) = throttle.begin_at(now, "own", address(1)) {
            own.succeeded();
        }
    }
    assert!(throttle.begin_at(now, "bob", address(1)).is_err());

    for _ in 0..3 {
        for _ in 0..4 {
            throttle.begin_at(now, "ann", address(2)).unwrap().count_at(now);
        }
        throttle.begin_at(now, "ann", address(2)).unwrap().succeeded();
    }
}

#[test]
fn known_address_is_not_throttled_by_others() {
    let throttle = throttle();
    let now = Instant::now();
    throttle.begin_at(now, "ann", address(1)).unwrap().succeeded();
    fail(&throttle, now, "ann", address(2));
    assert!(throttle.begin_at(now, "ann", address(1)).is_ok());
    assert_eq!(fail(&throttle, now, "ann", address(1)).0, 5, "its own failures throttle it");
}

#[test]
fn running_attempts_count_until_they_end() {
    let throttle = throttle();
    let now = Instant::now();
    let begin = |from| {
        let mut attempt = throttle.login_attempt("ann", address(from));
        attempt.try_start(now).map(|started| (started, attempt))
    };
    let mut attempts: Vec<_> = (0..100).map(|_| begin(1).unwrap()).collect();
    assert_eq!(attempts.iter().filter(|(started, _)| *started).count(), 5);
    let (mut waiting, running): (Vec<_>, Vec<_>) =
        attempts.drain(..).map(|(started, attempt)| (!started, attempt)).partition(|it| it.0);
    let (_, one) = &mut waiting[0];
    assert_eq!(one.try_start(now), Ok(false));
    let mut running = running.into_iter().map(|(_, attempt)| attempt);
    running.next().unwrap().succeeded();
    assert_eq!(one.try_start(now), Ok(true), "another has succeeded");
    for attempt in running {
        attempt.count_at(now);
    }
    let (_, one) = waiting.swap_remove(0);
    one.count_at(now);
    for (_, attempt) in &mut waiting {
        assert!(matches!(attempt.try_start(now), Err(Refusal::TooEarly(_))));
    }
    drop(waiting);
    assert_eq!(throttle.lock_state().waiting, 0);
}

#[test]
fn one_address_leaves_places_to_wait_to_others() {
    let throttle = &throttle();
    let now = Instant::now();
    let wait_from = |from| {
        let attempts = std::iter::from_fn(move || {
            let mut attempt = throttle.login_attempt("ann", address(from));
            attempt.try_start(now).ok().map(|_| attempt)
        });
        attempts.collect::<Vec<_>>()
    };
    let (one, other) = (wait_from(1), wait_from(2));
    assert_eq!((one.len(), other.len()), (5 + 100, 5 + 50));
    drop((one, other));
    let state = throttle.lock_state();
    assert!(state.waiting == 0 && state.counters.is_empty());
}

#[tokio::test]
async fn waiting_attempt_is_woken_by_the_end_of_another() {
    let throttle = throttle();
    let mut running = Vec::new();
    for _ in 0..5 {
        running.push(throttle.begin_login("ann", address(1)).await.ok().unwrap());
    }
    let waiting = throttle.begin_login("ann", address(1));
    let end = async { running.pop().unwrap().succeeded() };
    let (begun, ()) = futures_util::future::join(waiting, end).await;
    assert!(begun.is_ok());
}

#[test]
fn one_attempt_at_a_time_while_waiting() {
    let throttle = throttle();
    let now = Instant::now();
    let (_, wait) = fail(&throttle, now, "ann", address(1));
    let later = now + wait;
    let first = throttle.begin_at(later, "ann", address(1)).unwrap();
    let mut second = throttle.login_attempt("ann", address(1));
    assert_eq!(second.try_start(later), Ok(false), "while the first is in progress");
    first.succeeded();
    assert_eq!(second.try_start(later), Ok(true));
}

#[test]
fn ipv6_network_counts_as_one_client() {
    let throttle = throttle();
    let now = Instant::now();
    let at = |host: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]));
    for host in 0..50 {
        throttle.begin_at(now, host, at(host)).unwrap().count_at(now);
    }
    assert!(throttle.begin_at(now, "ann", at(1000)).is_err());
    let other = Some(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1]));
    assert!(throttle.begin_at(now, "ann", other).is_ok());
}

#[test]
fn names_are_counted_by_address_and_by_account() {
    let throttle = throttle();
    let now = Instant::now();
    let begin = |account, from| started(now, throttle.naming_attempt(account, from));
    for _ in 0..BURST {
        begin(None, address(1)).unwrap().count_at(now);
    }
    assert_eq!(begin(None, address(1)).err(), Some(SECOND));
    assert!(begin(Some(1), address(1)).is_err());
    assert!(throttle.begin_at(now, "ann", address(1)).is_ok(), "logins are counted separately");

    for last in 100..120 {
        begin(Some(1), address(last)).unwrap().count_at(now);
    }
    assert!(begin(Some(1), address(120)).is_err());
    assert!(begin(Some(2), address(120)).is_ok());
    assert!(begin(None, None).is_ok());
}

#[test]
fn eviction_keeps_worst_offenders() {
    let throttle = throttle();
    let now = Instant::now();
    let (_, wait) = fail(&throttle, now, "ann", None);
    for name in 0..2 * MAX_COUNTERS {
        throttle.begin_at(now, name, None).unwrap().count_at(now);
    }
    let counters = throttle.lock_state().counters.len();
    assert!(counters <= MAX_COUNTERS, "{counters}");
    assert!(
        throttle.lock_state().counters.capacity() * size_of::<(u64, FailureCounter)>() < MAX_BYTES
    );
    assert_eq!(throttle.begin_at(now, "ann", None).err(), Some(wait));
    for name in 0..2 * MAX_COUNTERS {
        throttle.begin_at(now, name, address(1)).unwrap().succeeded();
    }
    assert_eq!(throttle.lock_state().counters.len(), counters, "a success leaves nothing");
}

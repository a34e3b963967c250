use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[allow(clippy::unnecessary_wraps, reason = "the type of the parameter")]
fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

/// Fails until there is a wait; returns the number of failures and the wait.
fn fail(throttle: &Throttle, now: Instant, name: &str, from: Option<IpAddr>) -> (u32, Duration) {
    let mut failures = 0;
    loop {
        match throttle.begin_attempt_at(now, name, from) {
            Ok(attempt) => attempt.failed_at(now),
            Err(wait) => return (failures, wait),
        }
        failures += 1;
        assert!(failures < 1000, "is not throttled");
    }
}

#[test]
fn wait_doubles_up_to_one_minute() {
    let throttle = Throttle::default();
    let mut now = Instant::now();
    let (free, mut wait) = fail(&throttle, now, "ann", address(1));
    assert_eq!((free, wait), (5, SECOND));
    let mut waits = vec![wait];
    for _ in 0..10 {
        assert!(throttle.begin_attempt_at(now + wait.mul_f64(0.9), "ann", address(1)).is_err());
        now += wait;
        let (again, longer) = fail(&throttle, now, "ann", address(1));
        assert_eq!(again, 1, "one attempt after each wait");
        wait = longer;
        waits.push(wait);
    }
    assert!(waits[..4].windows(2).all(|pair| pair[1] > pair[0].mul_f64(1.9)), "{waits:?}");
    assert_eq!(waits.last(), Some(&MAX_WAIT));
    assert!(throttle.begin_attempt_at(now + MAX_WAIT, "ann", address(1)).is_ok());
}

#[test]
fn account_is_throttled_from_every_address() {
    let throttle = Throttle::default();
    let now = Instant::now();
    fail(&throttle, now, "ann", address(1));
    assert!(throttle.begin_attempt_at(now, "ann", address(2)).is_err());
    assert!(throttle.begin_attempt_at(now, "ann", None).is_err());
    assert!(throttle.begin_attempt_at(now, "bob", address(1)).is_ok());
}

#[test]
fn success_resets_account_not_address() {
    let throttle = Throttle::default();
    let now = Instant::now();
    for number in 0..200 {
        let Ok(attempt) = throttle.begin_attempt_at(now, number, address(1)) else {
            assert_eq!(number, 50);
            break;
        };
        attempt.failed_at(now);
        if let Ok(own) = throttle.begin_attempt_at(now, "own", address(1)) {
            own.succeeded_at(now);
        }
    }
    assert!(throttle.begin_attempt_at(now, "bob", address(1)).is_err());

    for _ in 0..3 {
        for _ in 0..4 {
            throttle.begin_attempt_at(now, "ann", address(2)).unwrap().failed_at(now);
        }
        throttle.begin_attempt_at(now, "ann", address(2)).unwrap().succeeded_at(now);
    }
}

#[test]
fn known_address_is_not_throttled_by_others() {
    let throttle = Throttle::default();
    let now = Instant::now();
    throttle.begin_attempt_at(now, "ann", address(1)).unwrap().succeeded_at(now);
    fail(&throttle, now, "ann", address(2));
    assert!(throttle.begin_attempt_at(now, "ann", address(3)).is_err());
    assert!(throttle.begin_attempt_at(now, "ann", address(1)).is_ok());
    assert_eq!(fail(&throttle, now, "ann", address(1)).0, 5, "its own failures throttle it");
}

#[test]
fn one_attempt_at_a_time_while_waiting() {
    let throttle = Throttle::default();
    let now = Instant::now();
    let (_, wait) = fail(&throttle, now, "ann", address(1));
    let later = now + wait;
    let first = throttle.begin_attempt_at(later, "ann", address(1)).unwrap();
    assert!(
        throttle.begin_attempt_at(later, "ann", address(2)).is_err(),
        "while the first is in progress"
    );
    first.succeeded_at(later);
    assert!(throttle.begin_attempt_at(later, "ann", address(2)).is_ok());
}

#[test]
fn ipv6_network_counts_as_one_client() {
    let throttle = Throttle::default();
    let now = Instant::now();
    let at = |host: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]));
    for host in 0..50 {
        throttle.begin_attempt_at(now, host, at(host)).unwrap().failed_at(now);
    }
    assert!(throttle.begin_attempt_at(now, "ann", at(1000)).is_err());
    let other = Some(IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1]));
    assert!(throttle.begin_attempt_at(now, "ann", other).is_ok());
}

#[test]
fn eviction_keeps_worst_offenders() {
    let throttle = Throttle::default();
    let now = Instant::now();
    let (_, wait) = fail(&throttle, now, "ann", None);
    for name in 0..2 * MAX_ENTRIES {
        throttle.begin_attempt_at(now, name, None).unwrap().failed_at(now);
    }
    assert!(throttle.lock_state().counters.len() <= MAX_ENTRIES);
    assert_eq!(throttle.begin_attempt_at(now, "ann", None).err(), Some(wait));
    for name in 0..2 * MAX_ENTRIES {
        throttle.begin_attempt_at(now, name, address(1)).unwrap().succeeded_at(now);
    }
    let state = throttle.lock_state();
    assert!(state.trusted.len() == MAX_ENTRIES && state.trusted_order.len() == MAX_ENTRIES);
}

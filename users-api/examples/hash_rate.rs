//! Measures how many passwords per second this machine can verify with a thread on every core and no
//! other work: the reference for `tests/load/flood.py`. The argument is the duration in seconds.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a tool to measure with")]

use std::{
    thread,
    time::{Duration, Instant},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier},
};

fn main() {
    let seconds = std::env::args().nth(1).map_or(5, |text| text.parse().expect("seconds"));
    let span = Duration::from_secs(seconds);
    let hash = Argon2::default().hash_password(b"demo").unwrap();
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let verified: u32 = thread::scope(|scope| {
        let work = || {
            let start = Instant::now();
            let mut count = 0;
            while start.elapsed() < span {
                Argon2::default().verify_password(b"demo", &hash).unwrap();
                count += 1;
            }
            count
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    println!("{:.1}", f64::from(verified) / span.as_secs_f64());
}

//! Measures each case in turn, round after round, so that what else the machine does hits all.

use std::{
    collections::BTreeMap,
    hint::black_box,
    io,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use argon2::Argon2;
use serde::Serialize;

use crate::{
    Plan,
    cases::{Bench, Case, Group, POSTGRES, Work},
    load, process,
};

/// What a group came to.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// What a case came to: medians of all rounds.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Requests a second.
    pub(crate) rate: f64,
    /// The rate over that of the first case, the median of the rounds.
    pub(crate) ratio: f64,
    /// The widest distance of a round's ratio from the median, as a part of it.
    pub(crate) noise: f64,
    /// In microseconds.
    pub(crate) p50: f64,
    /// In microseconds.
    pub(crate) p99: f64,
    /// Processor time a request in microseconds, by process.
    pub(crate) cpu: BTreeMap<&'static str, f64>,
}

struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
    cpu: BTreeMap<&'static str, f64>,
}

/// Measures all groups of a plan.
///
/// # Errors
/// The first failure of anything that is measured.
pub(crate) fn all(plan: &Plan, bench: &Bench) -> io::Result<Vec<Measured>> {
    let groups = bench.groups(plan).into_iter().filter(|group| group.name.contains(&plan.only));
    groups.map(|group| measure(plan, &group)).collect()
}

fn measure(plan: &Plan, group: &Group) -> io::Result<Measured> {
    let time = Duration::from_secs(plan.seconds);
    for case in &group.cases {
        // Fills pools and caches, and lets PostgreSQL settle on its plans.
        round(plan, group, case, time / 2)?;
    }
    let mut rounds: Vec<Vec<Round>> = group.cases.iter().map(|_| Vec::new()).collect();
    for number in 1..=plan.rounds {
        println!("{}: round {number} of {}", group.name, plan.rounds);
        for (case, rounds) in group.cases.iter().zip(&mut rounds) {
            rounds.push(round(plan, group, case, time)?);
        }
    }
    let base: Vec<_> = rounds[0].iter().map(|round| round.rate).collect();
    let rows = group.cases.iter().zip(&rounds);
    Ok(Measured {
        name: group.name,
        rows: rows.map(|(case, rounds)| row(case, rounds, &base)).collect(),
    })
}

fn row(case: &Case, rounds: &[Round], base: &[f64]) -> Row {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let ratios: Vec<_> = rounds.iter().zip(base).map(|(round, base)| round.rate / base).collect();
    let ratio = median(ratios.iter().copied());
    let noise = ratios.iter().map(|one| (one / ratio - 1.0).abs()).fold(0.0, f64::max);
    let cpu = case.watched.iter().map(|(name, _)| {
        let used = rounds.iter().filter_map(|round| round.cpu.get(name).copied());
        (*name, median(used))
    });
    Row {
        name: case.name,
        rate: of(|round| round.rate),
        ratio,
        noise,
        p50: of(|round| round.p50),
        p99: of(|round| round.p99),
        cpu: cpu.collect(),
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52 answers")]
fn round(plan: &Plan, group: &Group, case: &Case, time: Duration) -> io::Result<Round> {
    let used = |(name, id): &(&'static str, u32)| {
        (*name, if *name == POSTGRES { process::cpu_of_server(*id) } else { process::cpu(*id) })
    };
    let before: BTreeMap<_, _> = case.watched.iter().map(used).collect();
    let (rate, p50, p99, answers) = match &case.work {
        Work::Http(address, request) => {
            let outcome = load::run(*address, group.connections, time, request)?;
            let [p50, p99] = [outcome.p50, outcome.p99].map(|time| time.as_secs_f64() * 1e6);
            (outcome.rate, p50, p99, outcome.answers as f64)
        }
        Work::Statements(file) => {
            let rate = pgbench(plan, file, group.connections, time)?;
            (rate, f64::NAN, f64::NAN, rate * time.as_secs_f64())
        }
        Work::Hashes => (hashes(time), f64::NAN, f64::NAN, 1.0),
    };
    let after = case.watched.iter().map(used);
    let cpu = after.map(|(name, used)| (name, (used - before[name]) / answers * 1e6));
    Ok(Round { rate, p50, p99, cpu: cpu.collect() })
}

/// Transactions a second.
fn pgbench(plan: &Plan, file: &str, connections: u64, time: Duration) -> io::Result<f64> {
    let output = Command::new("pgbench")
        .args(["--no-vacuum", "--protocol=prepared", "--file", file])
        .arg(format!("--client={connections}"))
        .arg(format!("--time={}", time.as_secs().max(1)))
        .arg(format!("--define=users={}", plan.users))
        .arg(&plan.database_url)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let rate = rate.and_then(|rest| rest.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Password hashes a second, with the parameters of the service, which are argon2's own.
fn hashes(time: Duration) -> f64 {
    let threads = thread::available_parallelism().map_or(1, Into::into);
    let start = Instant::now();
    let one = move || {
        let mut done = 0.0;
        while start.elapsed() < time {
            let mut hash = [0; 32];
            let _ = Argon2::default().hash_password_into(b"demo", &[7; 16], &mut hash);
            black_box(hash);
            done += 1.0;
        }
        done
    };
    let threads: Vec<_> = (0..threads).map(|_| thread::spawn(one)).collect();
    let done: f64 = threads.into_iter().filter_map(|thread| thread.join().ok()).sum();
    done / start.elapsed().as_secs_f64()
}

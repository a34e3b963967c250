//! Measures the services against references, interleaved in one run. `bench/run` prepares all
//! that this needs.

mod cases;
mod large;
mod load;
mod measure;
mod process;
mod reference;
mod report;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Serves a reference on a free port
    Serve {
        kind: reference::Kind,
        #[arg(long, env, default_value = "")]
        database_url: String,
    },
    /// Measures everything, and writes the report
    Measure(Plan),
}

/// What to measure, and on what.
#[derive(Args)]
pub(crate) struct Plan {
    /// The seeded PostgreSQL
    #[arg(long)]
    database_url: String,
    /// Its data folder
    #[arg(long)]
    data: PathBuf,
    /// An SQLite file with the same rows
    #[arg(long)]
    sqlite: PathBuf,
    /// How many users there are, from id 1 on
    #[arg(long)]
    users: u64,
    /// Where PostGraphile answers, and the number of its process
    #[arg(long, requires = "postgraphile_id")]
    postgraphile: Option<SocketAddr>,
    #[arg(long)]
    postgraphile_id: Option<u32>,
    /// A seeded PostgreSQL with many more users, to compare with
    #[arg(long, requires_all = ["large_users", "middle"])]
    large_database_url: Option<String>,
    /// How many users there are
    #[arg(long, default_value_t = 0)]
    large_users: u64,
    /// The offer in the middle of those of its first user
    #[arg(long, default_value_t = 0)]
    middle: i64,
    /// How often each case is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// For how many seconds each time
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Only the groups whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Where the report goes
    #[arg(long)]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Arguments::parse().task {
        Task::Serve { kind, database_url } => reference::serve(kind, &database_url).await,
        Task::Measure(plan) => {
            let measured = tokio::task::spawn_blocking(move || {
                let bench = cases::Bench::start(&plan)?;
                let groups = measure::all(&plan, &bench)?;
                report::write(&plan.out, &groups, &bench.facts())
            });
            Ok(measured.await??)
        }
    }
}

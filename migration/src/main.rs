//! `migration up|down|status|fresh` on `DATABASE_URL`. Two runs at once are safe.
#![allow(clippy::print_stderr, reason = "a command line tool")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sea_orm_migration::sea_orm::{Database, DbErr};

/// Apply, revert or list the migrations of the database
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Database URL: `postgres://…` or `sqlite://…`
    #[arg(long, env, global = true, required = false, hide_env_values = true)]
    database_url: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Apply every pending migration
    Up,
    /// Revert the newest migration
    Down,
    /// List the migrations, each as applied or pending
    Status,
    /// Drop every table and apply every migration
    Fresh,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A missing `.env` is no error.
    let _ = dotenvy::from_path(".env");
    let Cli { command, database_url } = Cli::parse();
    let Some(url) = database_url else {
        eprintln!("error: DATABASE_URL is not set");
        return ExitCode::from(2);
    };
    match run(&command, &url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The URL may contain a password.
            eprintln!("error: DATABASE_URL: {}", error.to_string().replace(&url, "…"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command, url: &str) -> Result<(), DbErr> {
    let db = Database::connect(url).await?;
    match command {
        Command::Up => migration::up(&db).await,
        Command::Down => migration::down(&db).await,
        Command::Fresh => migration::fresh(&db).await,
        Command::Status => {
            for (name, applied) in migration::status(&db).await? {
                println!("{name} {}", if applied { "applied" } else { "pending" });
            }
            Ok(())
        }
    }
}

//! `migration up|down|status|fresh` on `DATABASE_URL`. Two runs at once are safe.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand, builder::NonEmptyStringValueParser};
use migration::Roles;
use rustix::{fs::Mode, process::umask};
use sea_orm_migration::sea_orm::{Database, DbErr};

/// Apply, revert or list the migrations of the database
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Database URL: `postgres://…` or `sqlite://…`
    #[arg(long, env, global = true, required = false, hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    database_url: Option<String>,
    #[command(flatten)]
    roles: Roles,
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
    // Best effort: an error of the log must not end the migration.
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
    // A database file that it creates is for its user alone.
    umask(Mode::RWXG | Mode::RWXO);
    match dotenvy::from_path(".env") {
        Err(error) if !error.not_found() => {
            let _ = writeln!(io::stderr(), "error: .env: {error}");
            return ExitCode::from(2);
        }
        _ => {}
    }
    let Cli { command, database_url, roles } = Cli::parse();
    let Some(url) = database_url else {
        let _ = writeln!(io::stderr(), "error: DATABASE_URL is not set");
        return ExitCode::from(2);
    };
    match run(&command, &url, &roles).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // The URL may contain a password.
            let _ = writeln!(io::stderr(), "error: {}", problem.replace(&url, "…"));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: &Command, url: &str, roles: &Roles) -> Result<(), String> {
    let with_setting_name = |error: DbErr| format!("DATABASE_URL: {error}");
    // A path with a blank is no URL.
    let db = Database::connect(url.trim().replace(' ', "%20")).await.map_err(with_setting_name)?;
    let done = match command {
        Command::Up => migration::up(&db).await,
        Command::Down => migration::down(&db).await,
        Command::Fresh => migration::fresh(&db).await,
        Command::Status => {
            let list = migration::status(&db).await.map_err(with_setting_name)?;
            // The list is the result: without it the command has failed.
            return print(&list).map_err(|error| format!("standard output: {error}"));
        }
    };
    done.map_err(with_setting_name)?;
    roles.grant(&db).await.map_err(|error| format!("USERS_ROLE, OFFERS_ROLE: {error}"))
}

fn print(list: &[(String, bool)]) -> io::Result<()> {
    let mut stdout = io::stdout();
    for (name, applied) in list {
        writeln!(stdout, "{name} {}", if *applied { "applied" } else { "pending" })?;
    }
    Ok(())
}

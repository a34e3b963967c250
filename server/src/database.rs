//! The connection pool.

use std::{fmt::Display, path::PathBuf, str::FromStr, time::Duration};

use reqwest::Url;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{metrics::Metrics, settings::Settings, telemetry::traces};

/// Time to wait for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Time that a statement waits for the SQLite write lock.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for one statement to run.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(15);
/// Idle time after which a connection is pinged before it is used; a ping each time costs a sixth
/// of the throughput.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// The requirement that a malformed URL breaks.
const EXPECTED_URL: &str = "must be a URL such as postgres://… or sqlite://…";
/// The requirement that a database in memory breaks.
const IN_MEMORY: &str =
    "must name a file: each connection would have a database in memory of its own";

/// Opens the pool. It connects when it is first used, so a service can start before its database.
///
/// # Errors
/// Names the setting, and describes the problem with the URL or with the folder of an SQLite file.
pub async fn connect(settings: &Settings, metrics: &Metrics) -> Result<DatabaseConnection, String> {
    let with_setting_name = |error: &dyn Display| format!("DATABASE_URL: {error}");
    let (mut options, sqlite_file) =
        connect_options(&settings.database_url).map_err(|error| with_setting_name(&error))?;
    if let Some(file) = sqlite_file {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| with_setting_name(&error))?;
        }
        options.map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                // A write is acknowledged only once it is on disk.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(SQLITE_BUSY_TIMEOUT)
        });
        // A connection whose commit failed may be left within a transaction.
        options.map_sqlx_sqlite_before_acquire(|_, connection| {
            let usable = is_usable(connection.age);
            Box::pin(async move { Ok(usable) })
        });
    } else {
        // A server that became a read-only standby still answers a ping: connections from before the
        // last loss of the server are dropped by their age.
        set_postgres_options(&mut options, is_usable);
    }
    let database = open(options, ACQUIRE_TIMEOUT, settings, metrics).await;
    let database = database.map_err(|error| with_setting_name(&error))?;
    metrics.observe_pool(&database);
    Ok(database)
}

/// Opens a pool of connections to a standby of PostgreSQL, of which those are used whose age is usable.
///
/// # Errors
/// Describes the problem with the URL.
pub(crate) async fn connect_standby(
    url: &str,
    acquire_timeout: Duration,
    settings: &Settings,
    metrics: &Metrics,
    is_usable: impl Fn(Duration) -> bool + Send + Sync + 'static,
) -> Result<DatabaseConnection, String> {
    let (mut options, None) = connect_options(url)? else {
        return Err("must be a URL such as postgres://…".to_owned());
    };
    set_postgres_options(&mut options, is_usable);
    let database = open(options, acquire_timeout, settings, metrics).await;
    database.map_err(|error| error.to_string())
}

fn set_postgres_options(
    options: &mut ConnectOptions,
    is_usable: impl Fn(Duration) -> bool + Send + Sync + 'static,
) {
    options.statement_timeout(STATEMENT_TIMEOUT);
    // The statements are few and their best plan does not depend on the values: plan each once.
    // They read few rows by an index; without the values PostgreSQL expects many, and by its
    // default a random page of a modern disk costs far too much.
    options.map_sqlx_postgres_opts(|options| {
        options.options([("plan_cache_mode", "force_generic_plan"), ("random_page_cost", "1.1")])
    });
    options.map_sqlx_postgres_before_acquire(move |_, connection| {
        let usable = is_usable(connection.age);
        Box::pin(async move { Ok(usable) })
    });
}

async fn open(
    mut options: ConnectOptions,
    acquire_timeout: Duration,
    settings: &Settings,
    metrics: &Metrics,
) -> Result<DatabaseConnection, DbErr> {
    options
        .connect_lazy(true)
        .max_connections(settings.database_connections)
        .acquire_timeout(acquire_timeout)
        .connect_timeout(acquire_timeout)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .sqlx_logging(false);
    let mut database = Database::connect(options).await?;
    let metrics = metrics.clone();
    database.set_metric_callback(move |info| {
        metrics.record_statement(info.elapsed, info.failed);
        traces::record_statement(info);
    });
    Ok(database)
}

/// Returns true if a connection of this age is from after the last loss of the server, the last write
/// that failed for want of room, and the last change of a table that was noticed.
fn is_usable(age: Duration) -> bool {
    schema::db_availability::since_server_loss().is_none_or(|span| age <= span)
}

/// Returns the options of a URL, and the file of an SQLite database.
///
/// # Errors
/// Describes the problem with the URL, without the URL: it may contain a password.
pub fn connect_options(url: &str) -> Result<(ConnectOptions, Option<PathBuf>), String> {
    // A path with a blank is no URL.
    let url = url.trim().replace(' ', "%20");
    let parsed = Url::parse(&url).map_err(|_| EXPECTED_URL)?;
    let file = match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => None,
        Some(("sqlite", _)) => {
            let options =
                SqliteConnectOptions::from_str(&url).map_err(|error| error.to_string())?;
            let mut parameters = parsed.query_pairs();
            let file = options.get_filename();
            if file.as_os_str().is_empty()
                || url.contains(":memory:")
                || parameters.any(|(name, value)| name == "mode" && value == "memory")
            {
                return Err(IN_MEMORY.to_owned());
            }
            Some(file.to_owned())
        }
        _ => return Err(EXPECTED_URL.to_owned()),
    };
    Ok((ConnectOptions::new(url), file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_of_a_url_is_decoded() {
        for (url, file) in [
            ("sqlite://data/x.db?mode=rwc", Some("data/x.db")),
            ("sqlite:data/x.db", Some("data/x.db")),
            ("sqlite:///srv/x.db", Some("/srv/x.db")),
            ("sqlite://my%20data/x.db?mode=rwc", Some("my data/x.db")),
            ("sqlite://my data/x.db?mode=rwc", Some("my data/x.db")),
            ("postgres://me:secret@localhost/x", None),
            ("postgresql://localhost:6432/x?host=/tmp", None),
        ] {
            let parsed = connect_options(url).map(|(_, file)| file);
            assert_eq!(parsed.ok().flatten(), file.map(PathBuf::from), "{url}");
        }
    }

    #[test]
    fn error_explains_and_hides_the_url() {
        for url in [
            "",
            " ",
            "nothing",
            "mysql://me:secret@localhost/x",
            "postgres://me:secret@localhost:port/x",
            "SQLITE://secret.db",
            "sqlite::memory:",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://secret.db?mode=memory",
            "sqlite://secret.db?mode=secret-mode",
        ] {
            let error = connect_options(url).err().unwrap_or_else(|| panic!("{url}"));
            assert!(!error.contains("secret.db") && !error.contains("secret@"), "{error}");
        }
    }
}

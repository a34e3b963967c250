//! The connection pool.

use std::{path::Path, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
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

/// Opens the pool. It connects when it is first used, so a service can start before its database.
///
/// # Errors
/// Describes the problem with the URL, or with the folder of an SQLite file.
pub async fn connect(settings: &Settings, metrics: &Metrics) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(&settings.database_url);
    options
        .connect_lazy(true)
        .max_connections(settings.database_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire_if_idle_for(PING_AFTER_IDLE)
        .sqlx_logging(false);
    if let Some(file) = sqlite_file(&settings.database_url) {
        if let Some(folder) = Path::new(file).parent() {
            std::fs::create_dir_all(folder).map_err(|error| DbErr::Custom(error.to_string()))?;
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
        options.statement_timeout(STATEMENT_TIMEOUT);
        // The statements are few and their best plan does not depend on the values: plan each once.
        options.map_sqlx_postgres_opts(|options| {
            options.options([("plan_cache_mode", "force_generic_plan")])
        });
        // A server that became a read-only standby still answers a ping: connections from before the
        // last loss of the server are dropped by their age.
        options.map_sqlx_postgres_before_acquire(|_, connection| {
            let usable = is_usable(connection.age);
            Box::pin(async move { Ok(usable) })
        });
    }
    let mut db = Database::connect(options)
        .await
        .map_err(|error| DbErr::Custom(redact_url(&error, &settings.database_url)))?;
    metrics.observe_pool(&db);
    let metrics = metrics.clone();
    db.set_metric_callback(move |info| {
        metrics.record_statement(info.elapsed, info.failed);
        traces::record_statement(info);
    });
    Ok(db)
}

/// Returns true if a connection of this age is from after the last loss of the server, the last write
/// that failed for want of room, and the last change of a table that was noticed.
fn is_usable(age: Duration) -> bool {
    schema::db_availability::since_server_loss().is_none_or(|span| age <= span)
}

/// Returns the text of the error without the URL, which may contain a password.
#[must_use]
pub fn redact_url(error: &DbErr, url: &str) -> String {
    error.to_string().replace(url, "…")
}

/// Returns the file of an SQLite URL; `None` for another database.
fn sqlite_file(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    rest.split('?').next()
}

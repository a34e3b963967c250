//! The connection pool.

use std::{path::Path, time::Duration};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use crate::{metrics::Metrics, settings::Settings, telemetry::traces};

/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(3);
/// How long a statement waits for the one writer that SQLite lets at its file.
const BUSY: Duration = Duration::from_secs(5);
/// How long one statement may run.
const STATEMENT: Duration = Duration::from_secs(15);
/// A connection idle for so long is tried before it is used; a ping each time costs a sixth of
/// the throughput.
const IDLE: Duration = Duration::from_secs(1);

/// Opens the pool. It connects when it is first used, so that a service starts without its
/// database and finds it later.
///
/// # Errors
/// Says what is wrong with the address.
pub async fn connect(settings: &Settings, metrics: &Metrics) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(&settings.database_url);
    options
        .connect_lazy(true)
        .max_connections(settings.database_connections)
        .acquire_timeout(ACQUIRE)
        .connect_timeout(ACQUIRE)
        .test_before_acquire_if_idle_for(IDLE)
        .sqlx_logging(false);
    if let Some(file) = sqlite_file(&settings.database_url) {
        if let Some(folder) = Path::new(file).parent() {
            std::fs::create_dir_all(folder).map_err(|error| DbErr::Custom(error.to_string()))?;
        }
        options.map_sqlx_sqlite_opts(|options| {
            options
                .journal_mode(SqliteJournalMode::Wal)
                // A write is answered only when it is on the disk.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY)
        });
    } else {
        options.statement_timeout(STATEMENT);
        // Statements are few, and no value changes what is best for them, so none is planned twice.
        options.map_sqlx_postgres_opts(|options| {
            options.options([("plan_cache_mode", "force_generic_plan")])
        });
        // A server that became a read-only standby still answers a ping, so the age decides.
        options.map_sqlx_postgres_before_acquire(|_, connection| {
            let older = schema::db_availability::since_server_loss()
                .is_some_and(|span| connection.age > span);
            Box::pin(async move { Ok(!older) })
        });
    }
    let mut db = Database::connect(options)
        .await
        .map_err(|error| DbErr::Custom(without_address(&error, &settings.database_url)))?;
    metrics.watch(&db);
    let metrics = metrics.clone();
    db.set_metric_callback(move |info| {
        metrics.statement(info.elapsed, info.failed);
        traces::statement(info);
    });
    Ok(db)
}

/// What went wrong, without the address: a password may stand in it.
#[must_use]
pub fn without_address(error: &DbErr, url: &str) -> String {
    error.to_string().replace(url, "…")
}

/// The file of an SQLite address that may be made.
fn sqlite_file(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    rest.split('?').next()
}

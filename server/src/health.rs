//! Liveness and readiness.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use schema::{Error, ErrorCode, db_availability};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, sea_query::SelectStatement};
use tokio::{sync::watch, time::timeout};

use crate::{problem::Problem, telemetry};

/// Time for the database to answer a readiness check.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Time after a failed write in which the service is not ready and writes are not probed. A small
/// probe may still fit where the writes of clients do not, so it alone would report a database that
/// is nearly full as ready.
const WRITE_FAILURE_PERIOD: Duration = Duration::from_secs(5);

/// The state of the readiness check.
pub(crate) struct Readiness {
    database: DatabaseConnection,
    /// Becomes true when the service shuts down.
    stopping: watch::Receiver<bool>,
    /// Statements that succeed only if every table has all its columns.
    queries: Vec<SelectStatement>,
    /// True once all queries have succeeded: they are not run again.
    schema_verified: AtomicBool,
}

impl Readiness {
    pub(crate) fn new(
        database: DatabaseConnection,
        stopping: watch::Receiver<bool>,
        queries: Vec<SelectStatement>,
    ) -> Self {
        Self { database, stopping, queries, schema_verified: AtomicBool::new(false) }
    }

    async fn verify_schema(&self) -> Result<(), DbErr> {
        if !self.schema_verified.load(Ordering::Relaxed) {
            for query in &self.queries {
                self.database.query_all(query).await?;
            }
            self.schema_verified.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns the reason why the service is not ready; `None` if it is.
    async fn not_ready_reason(&self) -> Option<&'static str> {
        if let Err(error) = self.database.ping().await {
            tracing::warn!(%error, "not ready");
            return Some("The database cannot be reached.");
        }
        if let Err(error) = self.verify_schema().await {
            tracing::warn!(%error, "not ready: run `migration up`");
            return Some("The database lacks tables or columns: run `migration up`.");
        }
        let can_write = self.can_write().await;
        (!can_write).then_some("The database cannot store anything.")
    }

    /// Returns false if a write has failed, for want of room or because of the disk, and none has
    /// succeeded since. A service that is not ready may get no writes, so one is probed; only after
    /// such a failure, because checks are frequent and each probe waits for the disk.
    async fn can_write(&self) -> bool {
        match db_availability::since_write_failure() {
            None => true,
            Some(span) if span < WRITE_FAILURE_PERIOD => false,
            Some(_) => {
                let database = self.database.clone();
                // Spawned: a transaction that is dropped half way, because the client disconnects or
                // the time is over, can poison its connection (sqlx issue 4393).
                let probe = telemetry::spawn_instrumented(async move {
                    match entity::probe_write(&database).await {
                        Ok(()) => db_availability::clear_write_failure(),
                        Err(error) => drop(Error::from(error)),
                    }
                });
                // The failure of a probe is recorded in the same way as that of a request.
                probe.await.is_ok() && db_availability::since_write_failure().is_none()
            }
        }
    }
}

/// The routes `/health/live` and `/health/ready`.
pub(crate) fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/health/live", get(StatusCode::OK))
        .route("/health/ready", get(ready).with_state(Arc::new(readiness)))
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> Response {
    if *readiness.stopping.borrow() {
        return not_ready(ErrorCode::Busy, "The service is shutting down.");
    }
    match timeout(READINESS_TIMEOUT, readiness.not_ready_reason()).await {
        Ok(None) => StatusCode::OK.into_response(),
        Ok(Some(reason)) => not_ready(ErrorCode::DatabaseUnavailable, reason),
        Err(_) => {
            not_ready(ErrorCode::DatabaseUnavailable, "The database does not answer in time.")
        }
    }
}

fn not_ready(code: ErrorCode, detail: &'static str) -> Response {
    Problem::from(Error::new(code, detail).retry_after(1)).into_response()
}

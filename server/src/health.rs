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
use schema::{Error, ErrorCode};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, sea_query::SelectStatement};
use tokio::{sync::watch, time::timeout};

use crate::problem::Problem;

/// Time for the database to answer a readiness check.
const READINESS_TIMEOUT: Duration = Duration::from_secs(2);

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
        let error = self.verify_schema().await.err()?;
        tracing::warn!(%error, "not ready: run `migration up`");
        Some("The database lacks tables or columns: run `migration up`.")
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

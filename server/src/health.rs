//! Whether a service can do its work.

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

/// How long the database may take to show that it is there.
const READY: Duration = Duration::from_secs(2);

/// What a service cannot work without.
pub(crate) struct Needs {
    pub(crate) database: DatabaseConnection,
    /// Turns true when the service ends.
    pub(crate) stopping: watch::Receiver<bool>,
    /// Each fails where a table or a column of it is not there.
    pub(crate) tables: Vec<SelectStatement>,
    /// Whether all of them were there once: they are not looked at again.
    complete: AtomicBool,
}

impl Needs {
    pub(crate) fn new(
        database: DatabaseConnection,
        stopping: watch::Receiver<bool>,
        tables: Vec<SelectStatement>,
    ) -> Self {
        Self { database, stopping, tables, complete: AtomicBool::new(false) }
    }

    async fn tables(&self) -> Result<(), DbErr> {
        if !self.complete.load(Ordering::Relaxed) {
            for table in &self.tables {
                self.database.query_all(table).await?;
            }
            self.complete.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Why requests should go elsewhere.
    async fn missing(&self) -> Option<&'static str> {
        if let Err(error) = self.database.ping().await {
            tracing::warn!(%error, "not ready");
            return Some("The database cannot be reached.");
        }
        let error = self.tables().await.err()?;
        tracing::warn!(%error, "not ready: run `migration up`");
        Some("The database lacks tables or columns: run `migration up`.")
    }
}

/// The routes `/health/live` and `/health/ready`.
pub(crate) fn router(needs: Needs) -> Router {
    Router::new()
        .route("/health/live", get(StatusCode::OK))
        .route("/health/ready", get(ready).with_state(Arc::new(needs)))
}

async fn ready(State(needs): State<Arc<Needs>>) -> Response {
    if *needs.stopping.borrow() {
        return unready(ErrorCode::Busy, "The service is shutting down.");
    }
    match timeout(READY, needs.missing()).await {
        Ok(None) => StatusCode::OK.into_response(),
        Ok(Some(what)) => unready(ErrorCode::DatabaseUnavailable, what),
        Err(_) => unready(ErrorCode::DatabaseUnavailable, "The database does not answer in time."),
    }
}

fn unready(code: ErrorCode, detail: &'static str) -> Response {
    Problem::from(Error::new(code, detail).retry_after(1)).into_response()
}

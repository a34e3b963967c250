//! Classifies database errors, and remembers the last ones that showed the loss of the server or that
//! nothing can be stored.

use std::{
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Minimum time between two updates of [`LAST_SERVER_LOSS`]: while the database is unavailable,
/// connections are not replaced for each request.
const MIN_UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// The time of the last server loss, one for the whole process: errors do not name their pool.
static LAST_SERVER_LOSS: RwLock<Option<Instant>> = RwLock::new(None);

/// Returns the time since the last error that showed that the server was lost or demoted, that a write
/// failed for want of room, or that a table was changed; `None` if there was none. A connection that is older may lead to a
/// former primary that still answers a ping. One of `SQLite` whose commit failed may be left within a
/// transaction: sqlx rolls back to a savepoint then, and what is written after it is never committed.
#[must_use]
pub fn since_server_loss() -> Option<Duration> {
    LAST_SERVER_LOSS.read().unwrap_or_else(PoisonError::into_inner).map(|loss| loss.elapsed())
}

/// The time of the last error that showed that the database cannot store anything, one for the whole
/// process; `None` once a write has succeeded since.
static LAST_WRITE_FAILURE: RwLock<Option<Instant>> = RwLock::new(None);

/// Returns the time since the last error that showed that the database cannot store anything, or
/// `None` if there was none or [`clear_write_failure`] was called since.
#[must_use]
pub fn since_write_failure() -> Option<Duration> {
    LAST_WRITE_FAILURE.read().unwrap_or_else(PoisonError::into_inner).map(|time| time.elapsed())
}

/// Forgets the last error of [`since_write_failure`]: a write has succeeded.
pub fn clear_write_failure() {
    *LAST_WRITE_FAILURE.write().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Returns the cause of the error, and remembers the loss of the server and failed writes.
pub(crate) fn record_failure(error: &DbErr) -> FailureKind {
    let kind = FailureKind::of(error);
    match kind {
        FailureKind::ServerLost => {
            if since_server_loss().is_none_or(|span| span > MIN_UPDATE_INTERVAL) {
                *LAST_SERVER_LOSS.write().unwrap_or_else(PoisonError::into_inner) =
                    Some(Instant::now());
            }
        }
        FailureKind::Unwritable => {
            let now = Some(Instant::now());
            *LAST_WRITE_FAILURE.write().unwrap_or_else(PoisonError::into_inner) = now;
            *LAST_SERVER_LOSS.write().unwrap_or_else(PoisonError::into_inner) = now;
        }
        FailureKind::StalePlan => {
            *LAST_SERVER_LOSS.write().unwrap_or_else(PoisonError::into_inner) =
                Some(Instant::now());
        }
        FailureKind::Statement | FailureKind::Overloaded | FailureKind::Conflict => (),
    }
    kind
}

/// Number of times that a transaction is run if others come first.
const MAX_ATTEMPTS: u32 = 6;
/// Time before the second attempt, doubled before each further one.
const RETRY_DELAY: Duration = Duration::from_millis(4);

/// Runs a statement or a transaction, and runs it again if a concurrent one came first: serialization
/// failures and deadlocks of PostgreSQL, which other engines report more often.
///
/// # Errors
/// The error of the database, also of a conflict that does not end.
pub async fn retry_on_conflict<T, F>(mut run: impl FnMut() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    for attempt in 1..MAX_ATTEMPTS {
        match run().await {
            Err(error) if FailureKind::of(&error) == FailureKind::Conflict => {
                tokio::time::sleep(RETRY_DELAY * (1 << (attempt - 1))).await;
            }
            result => return result,
        }
    }
    run().await
}

/// The cause of a database error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The statement; the database is available.
    Statement,
    /// The database is too busy or too slow.
    Overloaded,
    /// A concurrent transaction came first: the same one may succeed now.
    Conflict,
    /// A table was changed, and the connection has a prepared statement of the table as it was.
    StalePlan,
    /// The disk of the database is full, defective or read-only.
    Unwritable,
    /// The server is shutting down, unreachable or read-only.
    ServerLost,
}

/// Returns true if the statement took longer than its connection or transaction allows.
#[must_use]
pub fn is_timeout(error: &DbErr) -> bool {
    const QUERY_CANCELED: &str = "57014";
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    let is_cancelled =
        |cause: &dyn sqlx::error::DatabaseError| cause.code() == Some(QUERY_CANCELED.into());
    cause.as_database_error().is_some_and(is_cancelled)
}

impl FailureKind {
    fn of(error: &DbErr) -> Self {
        let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
            let busy = matches!(error, DbErr::ConnectionAcquire(_));
            return if busy { Self::Overloaded } else { Self::Statement };
        };
        let RuntimeErr::SqlxError(cause) = cause else {
            return if matches!(error, DbErr::Conn(_)) {
                Self::ServerLost
            } else {
                Self::Statement
            };
        };
        match &**cause {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Self::ServerLost,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Overloaded
            }
            sqlx::Error::Database(cause) if is_stale_plan(&**cause) => Self::StalePlan,
            sqlx::Error::Database(cause) => {
                cause.code().map_or(Self::Statement, |code| classify_code(&code))
            }
            _ => Self::Statement,
        }
    }
}

/// Returns true for the error "cached plan must not change result type". It shares its SQLSTATE with
/// others, and its text depends on the language of the server. sqlx 0.9 keeps the statement, so each
/// use of it on this connection would fail (sqlx issue 1250).
fn is_stale_plan(cause: &dyn sqlx::error::DatabaseError) -> bool {
    let cause = cause.try_downcast_ref::<sqlx::postgres::PgDatabaseError>();
    cause.is_some_and(|cause| cause.routine() == Some("RevalidateCachedQuery"))
}

/// Classifies a result code of SQLite, or an SQLSTATE of PostgreSQL, which has five characters.
fn classify_code(code: &str) -> FailureKind {
    match code.parse() {
        Ok(number) if code.len() < 5 => classify_sqlite_code(number),
        _ => classify_sqlstate(code),
    }
}

/// Classifies the result codes of SQLite (<https://www.sqlite.org/rescode.html>). An extended code has
/// the primary one in its last byte.
fn classify_sqlite_code(code: u16) -> FailureKind {
    const BUSY: u16 = 5;
    const READONLY: u16 = 8;
    const IOERR: u16 = 10;
    const FULL: u16 = 13;
    const CANTOPEN: u16 = 14;
    match code & 0xff {
        BUSY => FailureKind::Overloaded,
        READONLY | IOERR | FULL | CANTOPEN => FailureKind::Unwritable,
        _ => FailureKind::Statement,
    }
}

/// Classifies the codes of PostgreSQL for a server that stops, starts, is full or read-only (appendix
/// A of its manual).
fn classify_sqlstate(code: &str) -> FailureKind {
    match code {
        "25006" | "3D000" => FailureKind::ServerLost,
        // serialization_failure, deadlock_detected
        "40001" | "40P01" => FailureKind::Conflict,
        "53300" | "55P03" | "57014" => FailureKind::Overloaded,
        // disk_full, io_error
        "53100" | "58030" => FailureKind::Unwritable,
        _ if code.starts_with("08") || code.starts_with("57P") => FailureKind::ServerLost,
        _ => FailureKind::Statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classified() {
        for left in ["57P01", "57P03", "08006", "25006"] {
            assert_eq!(classify_code(left), FailureKind::ServerLost, "{left}");
        }
        for busy in ["53300", "57014", "5", "261", "517"] {
            assert_eq!(classify_code(busy), FailureKind::Overloaded, "{busy}");
        }
        // SQLITE_READONLY, IOERR, FULL, CANTOPEN; READONLY_DBMOVED, IOERR_WRITE, IOERR_FSYNC,
        // IOERR_SHMSIZE, CANTOPEN_ISDIR; disk_full, io_error.
        for full in ["8", "10", "13", "14", "1032", "778", "1034", "4874", "526", "53100", "58030"]
        {
            assert_eq!(classify_code(full), FailureKind::Unwritable, "{full}");
        }
        for conflict in ["40001", "40P01"] {
            assert_eq!(classify_code(conflict), FailureKind::Conflict, "{conflict}");
        }
        for wrong in ["23505", "42P01", "2067", "787", "1", "11", "53000x", ""] {
            assert_eq!(classify_code(wrong), FailureKind::Statement, "{wrong}");
        }
    }

    #[test]
    fn only_server_loss_resets_timer() {
        let busy = DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
        assert_eq!(record_failure(&busy), FailureKind::Overloaded);
        assert_eq!(record_failure(&DbErr::RecordNotUpdated), FailureKind::Statement);
        assert_eq!(since_server_loss(), None);
        let gone = DbErr::Conn(RuntimeErr::Internal("gone".to_owned()));
        assert_eq!(record_failure(&gone), FailureKind::ServerLost);
        assert!(since_server_loss().is_some());
    }
}

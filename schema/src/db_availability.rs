//! Classifies database errors, and remembers the last one that showed the loss of the server.

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

/// Returns the time since the last error that showed that the server was lost or demoted, or `None`
/// if there was none. A connection that is older may lead to a former primary that still answers a
/// ping.
#[must_use]
pub fn since_server_loss() -> Option<Duration> {
    LAST_SERVER_LOSS.read().unwrap_or_else(PoisonError::into_inner).map(|loss| loss.elapsed())
}

/// Returns true if the database is unavailable rather than the statement wrong, and remembers the
/// loss of the server.
pub(crate) fn record_failure(error: &DbErr) -> bool {
    let kind = FailureKind::of(error);
    if kind == FailureKind::ServerLost
        && since_server_loss().is_none_or(|span| span > MIN_UPDATE_INTERVAL)
    {
        *LAST_SERVER_LOSS.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    kind != FailureKind::Statement
}

/// The cause of a database error.
#[derive(Debug, PartialEq, Eq)]
enum FailureKind {
    /// The statement; the database is available.
    Statement,
    /// The database is full or too slow.
    Overloaded,
    /// The server is shutting down, unreachable or read-only.
    ServerLost,
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
            sqlx::Error::Database(cause) => {
                cause.code().map_or(Self::Statement, |code| classify_sqlstate(&code))
            }
            _ => Self::Statement,
        }
    }
}

/// Classifies the codes of PostgreSQL for a server that stops, starts, is full or read-only (appendix
/// A of its manual), and `SQLITE_BUSY`.
fn classify_sqlstate(code: &str) -> FailureKind {
    match code {
        "25006" | "3D000" => FailureKind::ServerLost,
        "53300" | "55P03" | "57014" | "5" | "261" | "517" => FailureKind::Overloaded,
        _ if code.starts_with("08") || code.starts_with("57P") => FailureKind::ServerLost,
        _ => FailureKind::Statement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_classified() {
        for left in ["57P01", "57P03", "08006", "25006"] {
            assert_eq!(classify_sqlstate(left), FailureKind::ServerLost, "{left}");
        }
        for busy in ["53300", "57014", "5"] {
            assert_eq!(classify_sqlstate(busy), FailureKind::Overloaded, "{busy}");
        }
        for wrong in ["23505", "42P01", "2067"] {
            assert_eq!(classify_sqlstate(wrong), FailureKind::Statement, "{wrong}");
        }
    }

    #[test]
    fn only_server_loss_resets_timer() {
        assert!(record_failure(&DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout)));
        assert!(!record_failure(&DbErr::RecordNotUpdated));
        assert_eq!(since_server_loss(), None);
        assert!(record_failure(&DbErr::Conn(RuntimeErr::Internal("gone".to_owned()))));
        assert!(since_server_loss().is_some());
    }
}

//! Whether the database is away, and when it was last seen to be.

use std::{
    sync::{PoisonError, RwLock},
    time::{Duration, Instant},
};

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// How long the moment stands before another takes its place: while the database is away, what
/// leads to it is not made anew for each request.
const PAUSE: Duration = Duration::from_secs(1);

/// For the whole process, since the errors of every pool pass here and know nothing of it.
static LEFT: RwLock<Option<Instant>> = RwLock::new(None);

/// For how long now no connection was told that its server goes, is gone or only reads. An older
/// connection may lead to a server that is primary no more, and still answers a ping.
#[must_use]
pub fn steady_for() -> Option<Duration> {
    LEFT.read().unwrap_or_else(PoisonError::into_inner).map(|left| left.elapsed())
}

/// Whether the database is away rather than the statement wrong; if so, that is remembered.
pub(crate) fn notice(error: &DbErr) -> bool {
    let kind = Kind::of(error);
    if kind == Kind::Left && steady_for().is_none_or(|span| span > PAUSE) {
        *LEFT.write().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
    kind != Kind::Wrong
}

/// What an error says of the database.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// It is there.
    Wrong,
    /// It has no room or no time.
    Busy,
    /// The server at the other end goes, is gone or only reads.
    Left,
}

impl Kind {
    fn of(error: &DbErr) -> Self {
        let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
            let busy = matches!(error, DbErr::ConnectionAcquire(_));
            return if busy { Self::Busy } else { Self::Wrong };
        };
        let RuntimeErr::SqlxError(cause) = cause else {
            return if matches!(error, DbErr::Conn(_)) { Self::Left } else { Self::Wrong };
        };
        match &**cause {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Self::Left,
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Busy
            }
            sqlx::Error::Database(cause) => cause.code().map_or(Self::Wrong, |code| code_of(&code)),
            _ => Self::Wrong,
        }
    }
}

/// PostgreSQL's codes for a server that goes, comes, is full or only reads (appendix A of its
/// manual), and `SQLITE_BUSY`.
fn code_of(code: &str) -> Kind {
    match code {
        "25006" | "3D000" => Kind::Left,
        "53300" | "55P03" | "57014" | "5" | "261" | "517" => Kind::Busy,
        _ if code.starts_with("08") || code.starts_with("57P") => Kind::Left,
        _ => Kind::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_who_is_away() {
        for left in ["57P01", "57P03", "08006", "25006"] {
            assert_eq!(code_of(left), Kind::Left, "{left}");
        }
        for busy in ["53300", "57014", "5"] {
            assert_eq!(code_of(busy), Kind::Busy, "{busy}");
        }
        for wrong in ["23505", "42P01", "2067"] {
            assert_eq!(code_of(wrong), Kind::Wrong, "{wrong}");
        }
    }

    #[test]
    fn only_a_server_that_left_ends_what_is_steady() {
        assert!(notice(&DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout)));
        assert!(!notice(&DbErr::RecordNotUpdated));
        assert_eq!(steady_for(), None);
        assert!(notice(&DbErr::Conn(RuntimeErr::Internal("gone".to_owned()))));
        assert!(steady_for().is_some());
    }
}

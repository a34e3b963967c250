//! The security log: who did what from where, with which outcome. It holds no secret, and no name
//! that a client has sent, since people type passwords into the wrong field.
//!
//! Refusals that a client can repeat at will are written once a minute, with their number, so that
//! a flood of them does not push out the other lines.
//!
//! Sources: OWASP ASVS 5.0, 16.3 (security events); OWASP logging vocabulary cheat sheet, which the
//! names of events follow.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use schema::{Error, ErrorCode, Viewer};
use tracing::field::display;
use uuid::Uuid;

use crate::client_ip;

/// Time between two lines of the same refusal.
const SUMMARY_INTERVAL: Duration = Duration::from_mins(1);
/// Maximum number of refusals that are counted; further ones are counted together.
const MAX_REFUSALS: usize = 4096;

/// An action that can be refused.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// The name, such as `delete_user`.
    pub name: &'static str,
    /// The name of the event of a failure that is neither one of authorization nor one of frequency.
    pub failure: &'static str,
}

/// A line of the security log.
#[derive(Clone, Copy, Debug)]
pub struct SecurityEvent {
    action: Action,
    user: Option<i64>,
    actor: Option<i64>,
    session: Option<Uuid>,
}

impl SecurityEvent {
    /// Creates the event of an action.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self { action, user: None, actor: None, session: None }
    }

    /// Adds the account concerned, if there is one.
    #[must_use]
    pub fn user(self, user: impl Into<Option<i64>>) -> Self {
        Self { user: user.into(), ..self }
    }

    /// Adds the user of the access token that was sent, if any.
    #[must_use]
    pub fn actor(self, viewer: Viewer) -> Self {
        Self { actor: viewer.id(), ..self }
    }

    /// Adds the session concerned.
    #[must_use]
    pub fn session(self, session: Uuid) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Writes that the action succeeded, under the name of this event.
    pub fn log_success(self, name: &'static str) {
        self.line(name, "success", None).write(None);
    }

    /// Writes that the action was refused. An error that is no refusal, such as invalid input or a
    /// lost database, is not written.
    pub fn log_refusal(self, error: &Error) {
        use ErrorCode::{
            EmailTaken, Forbidden, InvalidCredentials, InvalidToken, TooManyRequests,
            Unauthenticated, UsernameTaken,
        };
        let is_authentication = self.action.failure.starts_with("authn_");
        let name = match error.code {
            Unauthenticated | InvalidToken | Forbidden if !is_authentication => "authz_fail",
            TooManyRequests if !is_authentication => "excess_rate_limit_exceeded",
            Unauthenticated | InvalidToken | InvalidCredentials | Forbidden | UsernameTaken
            | EmailTaken | TooManyRequests => self.action.failure,
            _ => return,
        };
        let limited = error.code == TooManyRequests;
        let outcome = if limited { "rate_limited" } else { "failure" };
        let line = self.line(name, outcome, Some(error.code));
        if error.code == InvalidCredentials {
            // The throttle bounds their number.
            line.write(None);
        } else {
            line.write_once_a_minute();
        }
    }

    fn line(self, name: &'static str, outcome: &'static str, code: Option<ErrorCode>) -> Line {
        let Self { action, user, actor, session } = self;
        let source_ip = client_ip::current();
        Line { name, action: action.name, outcome, code, user, actor, session, source_ip }
    }
}

/// The fields of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Line {
    name: &'static str,
    action: &'static str,
    outcome: &'static str,
    code: Option<ErrorCode>,
    user: Option<i64>,
    actor: Option<i64>,
    session: Option<Uuid>,
    source_ip: Option<IpAddr>,
}

/// The number of repetitions of each refusal since its last line.
static REPETITIONS: LazyLock<Mutex<HashMap<Line, u64>>> = LazyLock::new(Mutex::default);

fn lock_repetitions() -> MutexGuard<'static, HashMap<Line, u64>> {
    REPETITIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// Writes the line, with the number of lines that it stands for.
    fn write(self, count: Option<u64>) {
        let Self { name, action, outcome, code, user, actor, session, source_ip } = self;
        let (source_ip, session) = (source_ip.map(display), session.map(display));
        let code = code.map(ErrorCode::as_str);
        tracing::info!(
            target: "security", action, user, actor, session, source_ip, outcome, code, count, "{name}"
        );
    }

    /// Writes the line unless it was written within the last minute; counts it then.
    fn write_once_a_minute(self) {
        let mut key = Self { source_ip: self.source_ip.map(client_ip::network), ..self };
        let mut repetitions = lock_repetitions();
        if repetitions.len() >= MAX_REFUSALS && !repetitions.contains_key(&key) {
            key = Self { user: None, actor: None, session: None, source_ip: None, ..self };
        }
        if let Some(count) = repetitions.get_mut(&key) {
            *count += 1;
            return;
        }
        repetitions.insert(key, 0);
        drop(repetitions);
        self.write(None);
        tokio::spawn(key.summarize());
    }

    /// Writes the repetitions of each minute, until there are none in one.
    async fn summarize(self) {
        loop {
            tokio::time::sleep(SUMMARY_INTERVAL).await;
            let mut repetitions = lock_repetitions();
            let Some(count @ 1..) = repetitions.insert(self, 0) else {
                repetitions.remove(&self);
                return;
            };
            drop(repetitions);
            self.write(Some(count));
        }
    }
}

/// Writes the repetitions that are not written yet, at the end of the process.
pub(crate) fn flush() {
    let repetitions = std::mem::take(&mut *lock_repetitions());
    for (line, count) in repetitions.into_iter().filter(|(_, count)| *count > 0) {
        line.write(Some(count));
    }
}

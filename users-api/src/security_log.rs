//! The log of events: who did what, from where, and how it came out. Never a secret, and no name
//! that a client has sent: people type passwords into the wrong field.
//!
//! Sources: OWASP ASVS 5.0, 16.3 (security events); OWASP logging vocabulary cheat sheet.

use schema::Viewer;
use server::client_ip;
use tracing::field::display;
use uuid::Uuid;

/// How it came out.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    /// As asked for.
    Done,
    /// Not at all: it was not right.
    Refused,
    /// Not looked at: too much of it failed lately.
    Slowed,
}

/// Something worth remembering.
pub(crate) struct Event {
    what: &'static str,
    user: Option<i64>,
    by: Option<i64>,
    session: Option<Uuid>,
}

impl Event {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, user: None, by: None, session: None }
    }

    /// The account concerned, where there is one.
    pub(crate) fn user(self, user: impl Into<Option<i64>>) -> Self {
        Self { user: user.into(), ..self }
    }

    /// Who asked for it, as far as an access token tells.
    pub(crate) fn by(self, viewer: Viewer) -> Self {
        Self { by: viewer.id(), ..self }
    }

    /// The session concerned.
    pub(crate) fn session(self, session: Uuid) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Writes it down.
    pub(crate) fn log(self, outcome: Outcome) {
        let Self { what, user, by, session } = self;
        let (from, session) = (client_ip::current().map(display), session.map(display));
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Slowed => "slowed",
        };
        tracing::info!(target: "events", user, by, session, from, outcome, "{what}");
    }
}

//! The security log: who did what from where, with which outcome. It holds no secret, and no name
//! that a client has sent, since people type passwords into the wrong field.
//!
//! Sources: OWASP ASVS 5.0, 16.3 (security events); OWASP logging vocabulary cheat sheet, which the
//! names follow as far as it has one.

use schema::Viewer;
use server::client_ip;
use tracing::field::display;
use uuid::Uuid;

/// The actions that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Register,
    UpdateUser,
    DeleteUser,
    ChangePassword,
    Login,
    Logout,
    ReuseToken,
}

/// The outcome of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    /// Not tried: too many attempts failed lately.
    RateLimited,
}

/// A line of the security log.
pub(crate) struct SecurityEvent {
    action: Action,
    user: Option<i64>,
    actor: Option<i64>,
    session: Option<Uuid>,
}

impl SecurityEvent {
    pub(crate) fn new(action: Action) -> Self {
        Self { action, user: None, actor: None, session: None }
    }

    /// Adds the account concerned, if there is one.
    pub(crate) fn user(self, user: impl Into<Option<i64>>) -> Self {
        Self { user: user.into(), ..self }
    }

    /// Adds the user of the access token that was sent, if any.
    pub(crate) fn actor(self, viewer: Viewer) -> Self {
        Self { actor: viewer.id(), ..self }
    }

    /// Adds the session concerned.
    pub(crate) fn session(self, session: Uuid) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Writes the event to the log.
    pub(crate) fn log(self, outcome: Outcome) {
        let Self { action, user, actor, session } = self;
        let name = match (action, outcome) {
            (Action::Register, _) => "user_created",
            (Action::UpdateUser, _) => "user_updated",
            (Action::DeleteUser, _) => "user_deleted",
            (Action::ChangePassword, Outcome::Success) => "authn_password_change",
            (Action::ChangePassword, _) => "authn_password_change_fail",
            (Action::Login, Outcome::Success) => "authn_login_success",
            (Action::Login, _) => "authn_login_fail",
            (Action::Logout, _) => "authn_logout",
            (Action::ReuseToken, _) => "authn_token_reuse",
        };
        let outcome = match outcome {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::RateLimited => "rate_limited",
        };
        let (source_ip, session) = (client_ip::current().map(display), session.map(display));
        tracing::info!(target: "security", user, actor, session, source_ip, outcome, "{name}");
    }
}

//! The client of a request, and its permissions.

use async_graphql::Context;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use uuid::Uuid;

use crate::{Error, ErrorCode, Result};

/// The `iss` of every token.
pub const TOKEN_ISSUER: &str = "classifieds-users";
/// The `aud` of every token.
pub const TOKEN_AUDIENCE: &str = "classifieds";

/// The access mode of a service, the setting `SECURITY`. The comments of the variants are part of
/// `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Security {
    /// Access tokens are optional, for trials
    Spec,
    /// Changes need the access token of the user concerned, for the internet
    Strict,
}

/// The client of a request, as its access token identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Viewer {
    /// A client without a token.
    #[default]
    Anonymous,
    /// A client with a valid token.
    User {
        /// `sub`.
        id: i64,
        /// `sid`.
        session: Uuid,
        /// `exp`.
        expires_at: DateTime<Utc>,
    },
}

impl Viewer {
    /// Returns the viewer of the request.
    #[must_use]
    pub fn from_ctx(ctx: &Context<'_>) -> Self {
        ctx.data_opt::<Self>().copied().unwrap_or_default()
    }

    /// Returns the id of the user, or `None` if the viewer is anonymous.
    #[must_use]
    pub fn id(self) -> Option<i64> {
        match self {
            Self::Anonymous => None,
            Self::User { id, .. } => Some(id),
        }
    }

    /// Returns true if the viewer is this user.
    #[must_use]
    pub fn is_user(self, user_id: i64) -> bool {
        self.id() == Some(user_id)
    }

    /// Returns the id of the user, in both modes.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a token.
    pub fn require_authenticated(self) -> Result<i64> {
        self.id()
            .ok_or_else(|| Error::new(ErrorCode::Unauthenticated, "An access token is needed."))
    }

    /// Allows the viewer to create, change or delete for this user.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a token in strict mode, `FORBIDDEN` with the token of another user.
    pub fn authorize_as(self, security: Security, user_id: i64) -> Result<()> {
        match (self.id(), security) {
            (None, Security::Spec) => Ok(()),
            (None, Security::Strict) => self.require_authenticated().map(drop),
            (Some(id), _) if id == user_id => Ok(()),
            (Some(_), _) => {
                Err(Error::new(ErrorCode::Forbidden, "The access token belongs to another user."))
            }
        }
    }

    /// Requires a token in strict mode.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without a token in strict mode.
    pub fn require_authenticated_if_strict(self, security: Security) -> Result<()> {
        match security {
            Security::Spec => Ok(()),
            Security::Strict => self.require_authenticated().map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: i64) -> Viewer {
        Viewer::User { id, session: Uuid::nil(), expires_at: DateTime::UNIX_EPOCH }
    }

    #[test]
    fn only_the_user_concerned_may_act() {
        let code = |viewer: Viewer, mode| viewer.authorize_as(mode, 1).map_err(|error| error.code);
        for mode in [Security::Spec, Security::Strict] {
            assert_eq!(code(user(1), mode), Ok(()));
            assert_eq!(code(user(2), mode), Err(ErrorCode::Forbidden));
        }
        assert_eq!(code(Viewer::Anonymous, Security::Spec), Ok(()));
        assert_eq!(code(Viewer::Anonymous, Security::Strict), Err(ErrorCode::Unauthenticated));
    }
}

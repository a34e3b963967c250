//! The condition under which a request changes an object.

use async_graphql::Context;

use crate::{Error, ErrorCode, Result};

/// The condition of a change, as data of its request. GraphQL clients have none.
#[derive(Clone, Debug)]
pub enum Precondition<T> {
    /// The object is changed as it is.
    None,
    /// The object must still be in this state when it is changed.
    Unchanged(T),
    /// The object was in another state already.
    Failed,
}

impl<T: Clone + Send + Sync + 'static> Precondition<T> {
    /// Returns the state that the object must be in, or `None` if any will do. To be called once all
    /// else that could reject the request has passed (RFC 9110, section 13.2.1).
    ///
    /// # Errors
    /// `PRECONDITION_FAILED`.
    pub fn from_ctx(ctx: &Context<'_>) -> Result<Option<T>> {
        match ctx.data_opt() {
            None | Some(Self::None) => Ok(None),
            Some(Self::Unchanged(state)) => Ok(Some(state.clone())),
            Some(Self::Failed) => Err(failed()),
        }
    }
}

/// Creates the error for an object that is not in the state that the request requires.
#[must_use]
pub fn failed() -> Error {
    Error::new(ErrorCode::PreconditionFailed, "The object is not as the request requires.")
}

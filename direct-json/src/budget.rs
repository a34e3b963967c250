//! The bytes that one answer may take.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_graphql::ContextBase;

/// Limit on the JSON of an answer, in bytes.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Limit on the rows that are read for an answer, in bytes: in memory a row takes more than its JSON.
const MAX_READ_BYTES: usize = 2 * MAX_ANSWER_BYTES;

/// The bytes that an answer has taken so far, as data of its request. Resolvers take bytes before they
/// hold them, so that an answer is given up before it is in memory. A request without a budget has no
/// limit.
#[derive(Debug, Default)]
pub struct AnswerBudget {
    read: AtomicUsize,
    written: AtomicUsize,
}

/// An answer is larger than [`MAX_ANSWER_BYTES`].
#[derive(Clone, Copy, Debug)]
pub struct AnswerTooLarge;

impl Display for AnswerTooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "The answer is larger than {} MiB: ask for less.", MAX_ANSWER_BYTES >> 20)
    }
}

impl AnswerBudget {
    /// Returns the budget of the current request.
    #[must_use]
    pub fn from_ctx<'a, T>(ctx: &ContextBase<'a, T>) -> Option<&'a Self> {
        ctx.data_opt::<Arc<Self>>().map(|budget| &**budget)
    }

    /// Takes the bytes of rows that are read. With none, it checks that the budget is not used up.
    ///
    /// # Errors
    /// Fails if the answer is too large.
    pub fn take_read(&self, bytes: usize) -> Result<(), AnswerTooLarge> {
        take(&self.read, bytes, MAX_READ_BYTES)
    }

    /// Takes the bytes of JSON that is written.
    ///
    /// # Errors
    /// Fails if the answer is too large.
    pub fn take_written(&self, bytes: usize) -> Result<(), AnswerTooLarge> {
        take(&self.written, bytes, MAX_ANSWER_BYTES)
    }

    /// Returns the bytes that may still be written.
    pub(crate) fn unwritten(&self) -> usize {
        MAX_ANSWER_BYTES.saturating_sub(self.written.load(Ordering::Relaxed))
    }

    /// Returns true if the answer is too large.
    #[must_use]
    pub fn is_exceeded(&self) -> bool {
        self.take_read(0).and_then(|()| self.take_written(0)).is_err()
    }

    /// Makes the budget new, for the next answer of a subscription.
    pub fn reset(&self) {
        self.read.store(0, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
    }
}

fn take(taken: &AtomicUsize, bytes: usize, limit: usize) -> Result<(), AnswerTooLarge> {
    let before = taken.fetch_add(bytes, Ordering::Relaxed);
    if before.saturating_add(bytes) > limit { Err(AnswerTooLarge) } else { Ok(()) }
}

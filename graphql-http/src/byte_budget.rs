//! The memory of a process for bodies of many clients at once: a part that has no room is refused,
//! rather than the process be killed.

use axum::body::{Body, Bytes, HttpBody};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bodies of responses that are not sent yet.
static ANSWERS: Semaphore = Semaphore::const_new(MAX_ANSWERS_BYTES);
/// Bodies of requests that have not arrived completely.
static REQUESTS: Semaphore = Semaphore::const_new(MAX_REQUESTS_BYTES);

/// Limit on the answers of a process that are not sent yet, in bytes.
const MAX_ANSWERS_BYTES: usize = 64 * 1024 * 1024;
/// Limit on the bodies that a process is receiving, in bytes.
const MAX_REQUESTS_BYTES: usize = 64 * 1024 * 1024;
/// Answers smaller than this are not counted: the number of connections limits them well enough.
const MIN_COUNTED_BYTES: usize = 4 * 1024;

/// There is no room for this body at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Busy;

/// A body that cannot be read.
#[derive(Clone, Copy, Debug)]
pub enum BodyError {
    /// It is larger than the limit.
    TooLarge,
    /// It could not be read to its end.
    Incomplete,
    /// The process is receiving too many bodies.
    Busy,
}

fn take(budget: &'static Semaphore, bytes: usize) -> Result<SemaphorePermit<'static>, Busy> {
    let permits = u32::try_from(bytes).map_err(|_| Busy)?;
    budget.try_acquire_many(permits).map_err(|_| Busy)
}

/// Returns the body of an answer, which counts until its last byte is sent.
///
/// # Errors
/// Fails if too many answers are not sent yet.
pub fn hold_answer(body: Vec<u8>) -> Result<Bytes, Busy> {
    /// Bytes with their share of the budget.
    struct Held(
        Vec<u8>,
        #[allow(dead_code, reason = "held until dropped")] SemaphorePermit<'static>,
    );

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    Ok(match reserve_answer(body.len())? {
        Some(permit) => Bytes::from_owner(Held(body, permit)),
        None => body.into(),
    })
}

/// Counts an answer until the permit is dropped; `None` for a small one.
pub(crate) fn reserve_answer(bytes: usize) -> Result<Option<SemaphorePermit<'static>>, Busy> {
    if bytes < MIN_COUNTED_BYTES { Ok(None) } else { take(&ANSWERS, bytes).map(Some) }
}

/// Reads the body of a request, which counts until it is complete.
///
/// # Errors
/// Fails if it is larger than `max_bytes` or does not arrive, or if too many bodies are arriving.
pub async fn read_request(body: Body, max_bytes: usize) -> Result<Bytes, BodyError> {
    // Before the first read, which would ask a client that expects 100 (Continue) for the body.
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut parts = body.into_data_stream();
    let (mut read, mut held) = (Vec::new(), None::<SemaphorePermit<'_>>);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| BodyError::Incomplete)?;
        if read.len() + part.len() > max_bytes {
            return Err(BodyError::TooLarge);
        }
        let permit = take(&REQUESTS, part.len()).map_err(|Busy| BodyError::Busy)?;
        match &mut held {
            Some(held) => held.merge(permit),
            None => held = Some(permit),
        }
        read.extend_from_slice(&part);
    }
    Ok(read.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_until_their_last_part_is_dropped() {
        let before = ANSWERS.available_permits();
        let answer = hold_answer(vec![0; 5000]).unwrap();
        let part = answer.slice(4999..);
        drop(answer);
        assert_eq!(ANSWERS.available_permits(), before - 5000);
        assert!(hold_answer(vec![0; before]).is_err());
        drop(part);
        assert_eq!(ANSWERS.available_permits(), before);
    }
}

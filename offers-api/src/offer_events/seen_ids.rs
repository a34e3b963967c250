//! The offers that were published.

use std::collections::BTreeSet;

/// Maximum number of offers that one poll reads. If there are more, subscribers get an error.
pub(super) const MAX_CATCH_UP: usize = 50_000;
/// Maximum number of ids that are remembered: more than one poll can find.
const MAX_SEEN: usize = 2 * MAX_CATCH_UP;
/// Number of newest ids that a poll reads again: an offer with a smaller id may be committed after
/// others.
pub(super) const WATERMARK_LAG: usize = 1000;

/// The newest ids, and the id after which the next poll starts.
#[derive(Default)]
pub(super) struct SeenIds {
    ids: BTreeSet<i64>,
    watermark: Option<i64>,
}

impl SeenIds {
    /// Remembers an offer. Returns true if it is new.
    pub(super) fn insert(&mut self, id: i64) -> bool {
        let new = self.ids.insert(id);
        if self.ids.len() > MAX_SEEN {
            self.ids.pop_first();
        }
        new
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        self.ids.contains(&id)
    }

    /// Returns the id after which the next poll starts, or `None` before the first.
    pub(super) fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Starts the next poll near the newest id, once all offers were seen.
    pub(super) fn advance_watermark(&mut self) {
        let start = self.ids.iter().rev().nth(WATERMARK_LAG - 1);
        self.watermark = Some(start.copied().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_new_once_and_oldest_are_forgotten() {
        let mut seen = SeenIds::default();
        assert!(seen.insert(1) && !seen.insert(1));
        let last = i64::try_from(MAX_SEEN).unwrap() + 1;
        for id in 2..=last {
            assert!(seen.insert(id));
        }
        assert!(!seen.contains(1) && seen.contains(2) && seen.contains(last));
    }

    #[test]
    fn watermark_lags_newest_id() {
        let mut seen = SeenIds::default();
        assert_eq!(seen.watermark(), None);
        seen.advance_watermark();
        assert_eq!(seen.watermark(), Some(0));
        for id in 1..=3000 {
            seen.insert(id);
        }
        assert_eq!(seen.watermark(), Some(0), "it advances when all were seen");
        seen.advance_watermark();
        assert_eq!(seen.watermark(), Some(2001));
    }
}

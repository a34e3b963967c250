//! The IDs of offers that were published.

use std::collections::BTreeSet;

/// Limit on the IDs that are remembered: more than one poll can find.
const MAX_SEEN: usize = 2 * super::follower::MAX_CATCH_UP;
/// Number of IDs that the watermark stays behind the newest: a transaction may commit later than
/// others with greater IDs.
pub(super) const WATERMARK_LAG: usize = 1000;

/// The newest published IDs, and the ID after which the next poll starts.
#[derive(Default)]
pub(super) struct SeenIds {
    ids: BTreeSet<i64>,
    watermark: Option<i64>,
}

impl SeenIds {
    /// Remembers an ID. Returns true if it is new.
    pub(super) fn insert(&mut self, id: i64) -> bool {
        let fresh = self.ids.insert(id);
        if self.ids.len() > MAX_SEEN {
            self.ids.pop_first();
        }
        fresh
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        self.ids.contains(&id)
    }

    /// Returns the ID after which to poll; `None` before the first poll.
    pub(super) fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Moves the watermark near the newest ID, as every existing offer was seen.
    pub(super) fn advance_watermark(&mut self) {
        let start = self.ids.iter().rev().nth(WATERMARK_LAG - 1);
        self.watermark = Some(start.copied().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_new_once_and_oldest_are_dropped() {
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
        assert_eq!(seen.watermark(), Some(0), "it moves only once everything was seen");
        seen.advance_watermark();
        assert_eq!(seen.watermark(), Some(2001));
    }
}

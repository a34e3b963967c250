//! The offers that were published.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Limit on the offers that are remembered: more than one poll can find.
const MAX_SEEN: usize = 2 * super::follower::MAX_CATCH_UP;
/// Number of IDs that the watermark stays behind the newest: a transaction may commit later than
/// others with greater IDs.
pub(super) const WATERMARK_LAG: usize = 1000;

/// The ID of an offer and the time of its creation, which together identify it: IDs come again after
/// `migration fresh`. `None` is the time of an offer that was not read.
pub(super) type OfferKey = (i64, Option<DateTime<Utc>>);

/// The newest published offers, and the ID after which the next poll starts.
#[derive(Default)]
pub(super) struct SeenIds {
    offers: BTreeMap<i64, Option<DateTime<Utc>>>,
    /// The latest time of creation of all that were ever seen.
    latest: DateTime<Utc>,
    watermark: Option<i64>,
}

impl SeenIds {
    /// Remembers an offer. Returns true if it is new.
    pub(super) fn insert(&mut self, (id, created_at): OfferKey) -> bool {
        let is_new = !self.contains((id, created_at));
        if is_new || created_at.is_some() {
            self.offers.insert(id, created_at);
        }
        self.latest = self.latest.max(created_at.unwrap_or_default());
        if self.offers.len() > MAX_SEEN {
            self.offers.pop_first();
        }
        is_new
    }

    pub(super) fn contains(&self, (id, created_at): OfferKey) -> bool {
        let Some(seen_at) = self.offers.get(&id) else { return false };
        created_at.is_none() || seen_at.is_none() || *seen_at == created_at
    }

    /// Returns the greatest ID; zero if there is none.
    pub(super) fn newest(&self) -> i64 {
        self.offers.last_key_value().map_or(0, |(id, _)| *id)
    }

    /// Returns true if an offer is neither seen nor older than one that was.
    pub(super) fn is_later(&self, (id, created_at): OfferKey) -> bool {
        created_at > Some(self.latest) && !self.contains((id, created_at))
    }

    /// Forgets the offers with greater IDs, which were deleted.
    pub(super) fn forget_after(&mut self, id: i64) {
        self.offers.split_off(&id.saturating_add(1));
    }

    /// Returns the ID after which to poll; `None` before the first poll.
    pub(super) fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    /// Moves the watermark near the newest ID, as every existing offer was seen.
    pub(super) fn advance_watermark(&mut self) {
        let start = self.offers.keys().rev().nth(WATERMARK_LAG - 1);
        self.watermark = Some(start.copied().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_new_once_and_oldest_are_dropped() {
        let mut seen = SeenIds::default();
        assert!(seen.insert((1, None)) && !seen.insert((1, None)));
        let last = i64::try_from(MAX_SEEN).unwrap() + 1;
        for id in 2..=last {
            assert!(seen.insert((id, None)));
        }
        assert!(!seen.contains((1, None)) && seen.contains((2, None)));
        assert_eq!(seen.newest(), last);
    }

    #[test]
    fn id_that_comes_again_is_another_offer() {
        let mut seen = SeenIds::default();
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        assert!(seen.insert((1, at(5))) && !seen.insert((1, at(5))) && !seen.insert((1, None)));
        assert!(seen.insert((2, None)) && !seen.insert((2, at(6))));
        assert!(seen.insert((1, at(7))) && seen.insert((2, at(8))));
        seen.forget_after(1);
        assert!(seen.contains((1, at(7))) && !seen.contains((2, None)));
        assert!(
            seen.is_later((2, at(9))) && !seen.is_later((2, at(8))) && !seen.is_later((2, None))
        );
    }

    #[test]
    fn watermark_lags_newest_id() {
        let mut seen = SeenIds::default();
        assert_eq!(seen.watermark(), None);
        seen.advance_watermark();
        assert_eq!(seen.watermark(), Some(0));
        for id in 1..=3000 {
            seen.insert((id, None));
        }
        assert_eq!(seen.watermark(), Some(0), "it moves only once everything was seen");
        seen.advance_watermark();
        assert_eq!(seen.watermark(), Some(2001));
    }
}

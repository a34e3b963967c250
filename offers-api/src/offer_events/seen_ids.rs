//! Remembers which offers were told.

use std::collections::BTreeSet;

/// Offers that are remembered: more than one look can find.
const KEPT: usize = 2 * super::follower::MOST;
/// How many ids before the newest a look starts: an offer with a smaller id than others may be
/// there later than they.
pub(super) const OVERLAP: usize = 1000;

/// The newest ids, and where the next look starts.
#[derive(Default)]
pub(super) struct Seen {
    ids: BTreeSet<i64>,
    since: Option<i64>,
}

impl Seen {
    /// Remembers an offer, and says whether it is a new one.
    pub(super) fn insert(&mut self, id: i64) -> bool {
        let fresh = self.ids.insert(id);
        if self.ids.len() > KEPT {
            self.ids.pop_first();
        }
        fresh
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        self.ids.contains(&id)
    }

    /// After which id to look; nothing before the first look.
    pub(super) fn since(&self) -> Option<i64> {
        self.since
    }

    /// All that is there now was seen: the next look starts near the newest.
    pub(super) fn settle(&mut self) {
        let start = self.ids.iter().rev().nth(OVERLAP - 1);
        self.since = Some(start.copied().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_and_the_oldest_are_forgotten() {
        let mut seen = Seen::default();
        assert!(seen.insert(1) && !seen.insert(1));
        let last = i64::try_from(KEPT).unwrap() + 1;
        for id in 2..=last {
            assert!(seen.insert(id));
        }
        assert!(!seen.contains(1) && seen.contains(2) && seen.contains(last));
    }

    #[test]
    fn a_look_starts_before_the_newest() {
        let mut seen = Seen::default();
        assert_eq!(seen.since(), None);
        seen.settle();
        assert_eq!(seen.since(), Some(0));
        for id in 1..=3000 {
            seen.insert(id);
        }
        assert_eq!(seen.since(), Some(0), "it moves when all was seen");
        seen.settle();
        assert_eq!(seen.since(), Some(2001));
    }
}

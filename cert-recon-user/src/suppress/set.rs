//! The suppressions at work, and how often each was needed.

use std::{mem, sync::Arc, time::SystemTime};

use super::{facts::Facts, suppression::Suppression};
use crate::record::SuppressionState;

/// Stands for suppressions that are no longer in the configuration. No suppression can have this name.
pub const REMOVED: &str = "(removed)";

#[derive(Debug)]
struct Entry {
    suppression: Arc<Suppression>,
    count: u64,
    expired: bool,
}

/// Suppressions in the order of the configuration, with their counters.
#[derive(Debug, Default)]
pub struct Suppressions {
    entries: Vec<Entry>,
    /// Findings suppressed by those that are no longer there.
    removed: u64,
}

impl Suppressions {
    /// Begins to count.
    #[must_use]
    pub fn new(suppressions: Vec<Suppression>) -> Self {
        let entries = suppressions
            .into_iter()
            .map(|suppression| Entry {
                suppression: Arc::new(suppression),
                count: 0,
                expired: false,
            })
            .collect();
        Self { entries, removed: 0 }
    }

    /// Takes other suppressions. Those with the same name go on counting; the counts of those that are gone are kept
    /// together.
    pub fn replace(&mut self, suppressions: Vec<Suppression>) {
        let old = mem::replace(self, Self::new(suppressions));
        self.removed = old.removed;
        for entry in old.entries {
            let same = |new: &&mut Entry| new.suppression.name == entry.suppression.name;
            match self.entries.iter_mut().find(same) {
                Some(new) => new.count = entry.count,
                None => self.removed += entry.count,
            }
        }
    }

    /// The first one that holds, counted.
    pub fn find(&mut self, facts: &Facts<'_>) -> Option<Arc<Suppression>> {
        let entry = self.entries.iter_mut().find(|entry| entry.suppression.holds(facts))?;
        entry.count += 1;
        Some(Arc::clone(&entry.suppression))
    }

    /// Those that have expired since the last look, each told once.
    pub fn newly_expired(&mut self, now: SystemTime) -> Vec<Arc<Suppression>> {
        self.entries
            .iter_mut()
            .filter_map(|entry| {
                let new = entry.suppression.is_expired(now) && !mem::replace(&mut entry.expired, true);
                new.then(|| Arc::clone(&entry.suppression))
            })
            .collect()
    }

    /// What each came to, for a health record of that time.
    #[must_use]
    pub fn states(&self, now: SystemTime) -> Vec<SuppressionState> {
        let removed = (self.removed > 0).then(|| SuppressionState {
            name: REMOVED.to_owned(),
            count: self.removed,
            expired: false,
        });
        self.entries
            .iter()
            .map(|entry| SuppressionState {
                name: entry.suppression.name.clone(),
                count: entry.count,
                expired: entry.suppression.is_expired(now),
            })
            .chain(removed)
            .collect()
    }
}

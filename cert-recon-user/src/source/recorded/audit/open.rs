//! The events that are not whole yet, and the last ones that were.
//!
//! Owns how many are kept: at most [`OPEN`] events with [`BYTES`] bytes together; when there are more, the oldest is taken
//! for whole. It does not know what records mean.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{event::Event, line::Stamp};

/// Events that may be open at the same time.
pub(super) const OPEN: usize = 4096;
/// Bytes that they may have together.
pub(super) const BYTES: usize = 64 << 20;
/// An event is whole when another one of its host is so many seconds later, or earlier: then the clock was set.
const LATEST: u64 = 5;
/// Or one of another host, whose clock may differ.
const LATEST_ELSEWHERE: u64 = 60;
/// Events that are remembered after they were given, so that a line that comes late, or twice, is no second exec.
const CLOSED: usize = 4096;
/// Events whose memory is kept to be used again.
const SPARE: usize = 64;

/// Which event: the number of its host, and its stamp.
pub(super) type Key = (usize, Stamp);

/// Why an event is taken for whole that nothing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Time has passed.
    Late,
    /// There is no room.
    Room,
}

/// The events.
#[derive(Debug, Default)]
pub(super) struct Table {
    open: HashMap<Key, Event>,
    /// In the order of their first records; also some that are closed.
    order: VecDeque<Key>,
    bytes: usize,
    closed: HashSet<Key>,
    closed_order: VecDeque<Key>,
    spare: Vec<Event>,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_closed(&self, key: &Key) -> bool {
        self.closed.contains(key)
    }

    /// Lets an open event take something; false when it is not open.
    pub(super) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Event)) -> Option<&Event> {
        let event = self.open.get_mut(key)?;
        let before = event.len();
        change(event);
        self.bytes += event.len() - before;
        Some(event)
    }

    /// An event to be opened.
    pub(super) fn spare(&mut self) -> Event {
        self.spare.pop().unwrap_or_default()
    }

    pub(super) fn open(&mut self, key: Key, event: Event) {
        self.bytes += event.len();
        self.order.push_back(key);
        self.open.insert(key, event);
    }

    /// An event that waits too long, or that there is no room for, with one more that happens now.
    pub(super) fn surplus(&mut self, (node, now): Key) -> Option<(Event, Why)> {
        let key = self.first()?;
        let passed = key.1.seconds.abs_diff(now.seconds);
        let why = if passed > if key.0 == node { LATEST } else { LATEST_ELSEWHERE } {
            Why::Late
        } else if self.open.len() >= OPEN || self.bytes > BYTES {
            Why::Room
        } else {
            return None;
        };
        self.close(&key).map(|event| (event, why))
    }

    /// The one that was opened first.
    pub(super) fn first(&mut self) -> Option<Key> {
        loop {
            let key = *self.order.front()?;
            if self.open.contains_key(&key) {
                return Some(key);
            }
            self.order.pop_front();
        }
    }

    pub(super) fn close(&mut self, key: &Key) -> Option<Event> {
        let event = self.open.remove(key)?;
        self.bytes -= event.len();
        if self.order.front() == Some(key) {
            self.order.pop_front();
        }
        self.remember(*key);
        Some(event)
    }

    /// Whatever else comes of this event is passed over.
    pub(super) fn remember(&mut self, key: Key) {
        if self.closed.insert(key) {
            self.closed_order.push_back(key);
        }
        if self.closed_order.len() > CLOSED
            && let Some(oldest) = self.closed_order.pop_front()
        {
            self.closed.remove(&oldest);
        }
    }

    /// Gives back an event that is done.
    pub(super) fn reuse(&mut self, event: Event) {
        if self.spare.len() < SPARE {
            self.spare.push(event);
        }
    }
}

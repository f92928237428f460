//! The events that are not whole yet, and the last ones that were.
//!
//! Owns how many are kept: at most [`OPEN`] events with [`BYTES`] bytes together; when there are more, the oldest is taken
//! for whole. It does not know what records mean.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::{event::Event, line::Stamp};

/// Events that may be open at the same time.
pub(super) const OPEN: usize = 4096;
/// Bytes that they may have together.
pub(super) const BYTES: usize = 64 << 20;
/// An event is whole when another one of its host is so many seconds later, or earlier: then the clock was set.
const LATEST: u64 = 5;
/// Or one of another host, whose clock may differ.
const LATEST_ELSEWHERE: u64 = 60;
/// Events that are remembered after they were given, so that a line that comes late, or twice, is no second exec: the last so
/// many of a host, whose kernel numbers them one by one. A power of two.
const CLOSED: usize = 8192;
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
    /// The one that was opened last: as a rule the next record is one of it, and no other is open.
    last: Option<(Key, Event)>,
    others: HashMap<Key, Event, RandomState>,
    /// In the order of their first records; also some that are closed.
    order: VecDeque<Key>,
    bytes: usize,
    closed: Closed,
    spare: Vec<Event>,
}

impl Table {
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_none() && self.others.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.others.len() + usize::from(self.last.is_some())
    }

    pub(super) fn is_closed(&self, key: &Key) -> bool {
        self.closed.has(key)
    }

    /// Lets an open event take something; false when it is not open.
    pub(super) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Event)) -> Option<&Event> {
        let event = match &mut self.last {
            Some((last, event)) if last == key => event,
            _ => self.others.get_mut(key)?,
        };
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
        if let Some((key, event)) = self.last.replace((key, event)) {
            self.others.insert(key, event);
        }
    }

    /// An event that waits too long, or that there is no room for, with one more that happens now.
    pub(super) fn surplus(&mut self, (node, now): Key) -> Option<(Event, Why)> {
        let key = self.first()?;
        let passed = key.1.seconds.abs_diff(now.seconds);
        let why = if passed > if key.0 == node { LATEST } else { LATEST_ELSEWHERE } {
            Why::Late
        } else if self.len() >= OPEN || self.bytes > BYTES {
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
            if self.last.as_ref().is_some_and(|(last, _)| *last == key) || self.others.contains_key(&key) {
                return Some(key);
            }
            self.order.pop_front();
        }
    }

    pub(super) fn close(&mut self, key: &Key) -> Option<Event> {
        let event = match self.last.take_if(|(last, _)| last == key) {
            Some((_, event)) => event,
            None => self.others.remove(key)?,
        };
        self.bytes -= event.len();
        if self.order.front() == Some(key) {
            self.order.pop_front();
        }
        self.remember(*key);
        Some(event)
    }

    /// Whatever else comes of this event is passed over.
    pub(super) fn remember(&mut self, key: Key) {
        self.closed.note(key);
    }

    /// Gives back an event that is done.
    pub(super) fn reuse(&mut self, event: Event) {
        if self.spare.len() < SPARE {
            self.spare.push(event);
        }
    }
}

/// The last events that were closed, each at the place that its number gives it.
#[derive(Debug, Default)]
struct Closed(Vec<Option<Key>>);

impl Closed {
    fn place((node, stamp): &Key) -> usize {
        // Of two hosts at the same number, each has a place of its own.
        let spread = (*node as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from((stamp.serial ^ spread) % CLOSED as u64).unwrap_or(0)
    }

    fn has(&self, key: &Key) -> bool {
        self.0.get(Self::place(key)).is_some_and(|closed| *closed == Some(*key))
    }

    fn note(&mut self, key: Key) {
        if self.0.is_empty() {
            self.0.resize(CLOSED, None);
        }
        if let Some(place) = self.0.get_mut(Self::place(&key)) {
            *place = Some(key);
        }
    }
}

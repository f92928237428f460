//! Sorting within bounded memory: what does not fit waits on disk.
//!
//! Owns order and memory, never looks into what it sorts. Sorted runs are spilled to temporary files without a name (in
//! `TMPDIR`): nothing is left of them however the process ends. Many runs are merged to fewer as they come, so that neither
//! open files nor the buffers of the last merge grow with the input.

mod run;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io,
    time::{Duration, SystemTime},
    vec,
};

use self::run::{Run, Source};

/// How many runs are merged at once, and about how many there can be of one size.
const FAN_IN: usize = 16;

/// What the allocator and the entry itself add to a payload, bytes.
const ENTRY: usize = size_of::<(SortKey, Box<[u8]>)>();
const ALLOCATION: usize = 16;

/// Bytes of a buffer through which a run is written or read.
const BUFFER: usize = 64 << 10;

/// Where an item stands: later times first, items without a time of their own last; among the same, in the order of
/// reading. The field `sequence` makes it unique where one line gives several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    is_limit: bool,
    /// Since 1970.
    nanos: Reverse<i128>,
    set: u64,
    file: u64,
    line: u64,
    sequence: u64,
}

impl SortKey {
    /// `is_limit`: `time` is only the latest that it can have happened.
    #[must_use]
    pub fn new(time: SystemTime, is_limit: bool, set: usize, file: usize, line: u64, sequence: u64) -> Self {
        let signed = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        let nanos = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => signed(since),
            Err(before) => -signed(before.duration()),
        };
        Self {
            is_limit,
            nanos: Reverse(nanos),
            set: set as u64,
            file: file as u64,
            line,
            sequence,
        }
    }
}

/// Takes items in any order, and gives them sorted.
#[derive(Debug)]
pub struct Sorter {
    /// Bytes of memory that may be used.
    limit: usize,
    entries: Vec<(SortKey, Box<[u8]>)>,
    /// Bytes of the payloads held.
    payloads: usize,
    /// Runs by how often they were merged: each level holds less than [`FAN_IN`].
    levels: Vec<Vec<Run>>,
    count: u64,
    /// Makes a file for a run.
    temporary: fn() -> io::Result<File>,
}

impl Sorter {
    /// Keeps about `memory_bytes` in memory, and one payload that is larger than that. Merging takes a few buffers
    /// (at most 1 MiB) of it.
    #[must_use]
    pub fn new(memory_bytes: usize) -> Self {
        Self {
            limit: memory_bytes,
            entries: Vec::new(),
            payloads: 0,
            levels: Vec::new(),
            count: 0,
            temporary: tempfile::tempfile,
        }
    }

    /// How many items were taken.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes an item.
    ///
    /// # Errors
    ///
    /// Items had to be spilled, and that failed: the message says where, and what to do. This one and those before it are kept
    /// all the same, in more memory than was given: no more should be taken.
    pub fn push(&mut self, key: SortKey, payload: Vec<u8>) -> io::Result<()> {
        let payload = payload.into_boxed_slice();
        let cost = payload.len() + ALLOCATION;
        let spilled = match self.has_room(cost) || self.entries.is_empty() {
            true => Ok(()),
            false => self.spill(),
        };
        if self.entries.len() == self.entries.capacity() {
            self.entries.reserve_exact(self.growth());
        }
        self.payloads += cost;
        self.entries.push((key, payload));
        self.count += 1;
        spilled
    }

    /// Bytes of memory that it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.payloads + self.entries.capacity() * ENTRY
    }

    /// By how many entries the list grows when it is full.
    fn growth(&self) -> usize {
        self.entries.capacity().max(16)
    }

    /// While the list grows there may be two of it.
    fn has_room(&self, cost: usize) -> bool {
        let capacity = self.entries.capacity();
        let grown = match self.entries.len() == capacity {
            true => (capacity + self.growth()) * ENTRY,
            false => 0,
        };
        self.held() + cost + grown <= self.limit
    }

    fn spill(&mut self) -> io::Result<()> {
        self.entries.sort_unstable();
        let mut writer = run::Writer::new(buffer_size(self.limit, 1), self.temporary)?;
        for (key, payload) in &self.entries {
            writer.add(key, payload)?;
        }
        let run = writer.finish()?;
        self.entries.clear();
        self.payloads = 0;
        self.keep(run, 0)
    }

    /// Keeps a run, and merges those of its level when they are many.
    fn keep(&mut self, run: Run, mut level: usize) -> io::Result<()> {
        let mut run = Some(run);
        while let Some(kept) = run.take() {
            if self.levels.len() == level {
                self.levels.push(Vec::with_capacity(FAN_IN));
            }
            let Some(runs) = self.levels.get_mut(level) else { break };
            runs.push(kept);
            if runs.len() >= FAN_IN {
                // The memory of the list is needed for buffers.
                self.entries.shrink_to(0);
                run = Some(merged(runs, self.limit, self.temporary)?);
                runs.clear();
                level += 1;
            }
        }
        Ok(())
    }

    /// Gives everything in order. What can't be spilled or merged any more, for want of room on the disk, is given from where
    /// it is.
    ///
    /// # Errors
    ///
    /// What was spilled can't be read.
    pub fn finish(mut self) -> io::Result<Sorted> {
        if !self.levels.is_empty() && !self.entries.is_empty() {
            // Else its memory is needed beside the buffers.
            let _ = self.spill();
        }
        self.entries.sort_unstable();
        // Small runs first: large ones are copied as rarely as can be.
        let mut runs: Vec<Run> = self.levels.into_iter().flatten().collect();
        while runs.len() > FAN_IN {
            let surplus = (runs.len() - FAN_IN + 1).min(FAN_IN);
            let Some(Ok(run)) = runs.get(..surplus).map(|runs| merged(runs, self.limit, self.temporary)) else {
                break;
            };
            runs.drain(..surplus);
            runs.push(run);
        }
        Ok(Sorted {
            memory: self.entries.into_iter(),
            disk: Some(Merge::new(&runs, self.limit)?),
        })
    }
}

/// Bytes of each of `count` buffers that together take little of the limit.
fn buffer_size(limit: usize, count: usize) -> usize {
    (limit / 2 / count).clamp(64, BUFFER)
}

fn merged(runs: &[Run], limit: usize, temporary: fn() -> io::Result<File>) -> io::Result<Run> {
    let mut merge = Merge::new(runs, limit)?;
    let mut writer = run::Writer::new(buffer_size(limit, FAN_IN + 1), temporary)?;
    while let Some((key, source)) = merge.first() {
        writer.copy(&key, source)?;
        merge.advance()?;
    }
    writer.finish()
}

/// Merges runs. A payload stays on disk until its turn, so memory is the buffers' only.
#[derive(Debug)]
struct Merge {
    sources: Vec<Source>,
    /// The first key of each source that has one.
    heap: BinaryHeap<Reverse<(SortKey, usize)>>,
}

impl Merge {
    fn new(runs: &[Run], limit: usize) -> io::Result<Self> {
        let buffer = buffer_size(limit, FAN_IN + 1);
        let mut merge = Self {
            sources: Vec::new(),
            heap: BinaryHeap::new(),
        };
        for (index, run) in runs.iter().enumerate() {
            let mut source = run.read(buffer)?;
            if let Some(key) = source.next_key()? {
                merge.heap.push(Reverse((key, index)));
            }
            merge.sources.push(source);
        }
        Ok(merge)
    }

    /// The first key of all, and the source that its payload is to be read from, wholly.
    fn first(&mut self) -> Option<(SortKey, &mut Source)> {
        let Reverse((key, index)) = *self.heap.peek()?;
        Some((key, self.sources.get_mut(index)?))
    }

    /// Goes on behind the first.
    fn advance(&mut self) -> io::Result<()> {
        let Some(Reverse((_, index))) = self.heap.pop() else {
            return Ok(());
        };
        if let Some(source) = self.sources.get_mut(index)
            && let Some(key) = source.next_key()?
        {
            self.heap.push(Reverse((key, index)));
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<Option<(SortKey, Vec<u8>)>> {
        let Some((key, source)) = self.first() else {
            return Ok(None);
        };
        let payload = source.payload()?;
        self.advance()?;
        Ok(Some((key, payload)))
    }
}

/// Items in order. After an error there are no more.
#[derive(Debug)]
pub struct Sorted {
    memory: vec::IntoIter<(SortKey, Box<[u8]>)>,
    disk: Option<Merge>,
}

impl Iterator for Sorted {
    type Item = io::Result<(SortKey, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let disk = self.disk.as_mut()?;
        let in_memory = self.memory.as_slice().first().map(|(key, _)| *key);
        let is_memory = match (in_memory, disk.first()) {
            (Some(key), Some((first, _))) => key < first,
            (key, _) => key.is_some(),
        };
        if is_memory {
            return self.memory.next().map(|(key, payload)| Ok((key, payload.into_vec())));
        }
        let item = disk.take();
        if item.is_err() {
            self.disk = None;
        }
        item.transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, proptest};

    use super::*;

    fn key(seconds: i64, is_limit: bool, line: u64, sequence: u64) -> SortKey {
        let since = Duration::from_secs(seconds.unsigned_abs());
        let time = match seconds < 0 {
            true => SystemTime::UNIX_EPOCH - since,
            false => SystemTime::UNIX_EPOCH + since,
        };
        SortKey::new(time, is_limit, 0, 0, line, sequence)
    }

    fn payloads(sorter: Sorter) -> Vec<Vec<u8>> {
        sorter.finish().unwrap().map(|item| item.unwrap().1).collect()
    }

    #[test]
    fn later_comes_first_and_what_has_no_time_last_in_the_order_of_reading() {
        let at = |time, is_limit, set, file, line, sequence| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_micros(time);
            SortKey::new(time, is_limit, set, file, line, sequence)
        };
        let right = [
            at(9, false, 5, 5, 5, 5),
            at(8, false, 0, 9, 9, 9),
            at(8, false, 1, 0, 9, 9),
            at(8, false, 1, 1, 0, 9),
            at(8, false, 1, 1, 1, 0),
            at(8, false, 1, 1, 1, 1),
            at(0, false, 0, 0, 0, 0),
            SortKey::new(SystemTime::UNIX_EPOCH - Duration::from_secs(1), false, 0, 0, 0, 0),
            at(99, true, 0, 0, 1, 0),
            at(99, true, 0, 0, 2, 0),
            at(98, true, 0, 0, 0, 0),
        ];
        for memory in [0, 1 << 20] {
            let mut sorter = Sorter::new(memory);
            for key in right.iter().rev() {
                sorter.push(*key, Vec::new()).unwrap();
            }
            let keys: Vec<_> = sorter.finish().unwrap().map(|item| item.unwrap().0).collect();
            assert_eq!(keys, right, "memory {memory}");
        }
    }

    proptest! {
        #[test]
        fn it_sorts_as_a_plain_sort_does_whatever_the_memory(
            items in vec((any::<i16>(), any::<bool>(), 0..4_u64, vec(any::<u8>(), 0..40)), 0..400),
            memory in 0..8000_usize,
        ) {
            let mut sorter = Sorter::new(memory);
            let mut plain = Vec::new();
            for (sequence, (seconds, is_limit, line, payload)) in items.into_iter().enumerate() {
                let key = key(seconds.into(), is_limit, line, sequence as u64);
                sorter.push(key, payload.clone()).unwrap();
                plain.push((key, payload));
            }
            plain.sort();
            let sorted: Vec<_> = sorter.finish().unwrap().map(Result::unwrap).collect();
            assert_eq!(sorted, plain);
        }
    }

    #[test]
    fn memory_stays_under_the_limit() {
        const LIMIT: usize = 64 << 10;
        let mut sorter = Sorter::new(LIMIT);
        for n in 0..20_000_u64 {
            let payload = vec![b'x'; (n * 7919 % 300) as usize];
            sorter
                .push(key((n * 31 % 977) as i64, n % 5 == 0, 0, n), payload)
                .unwrap();
            assert!(sorter.held() <= LIMIT, "{} at {n}", sorter.held());
        }
        assert_eq!(payloads(sorter).len(), 20_000);
    }

    #[test]
    fn what_can_not_be_spilled_is_kept_and_given() {
        let mut sorter = Sorter::new(4000);
        for n in 0..200 {
            sorter.push(key(n, false, 0, 0), vec![0; 100]).unwrap();
        }
        assert!(!sorter.levels.is_empty());
        // No room is left.
        sorter.temporary = || File::options().write(true).open("/dev/full");
        let mut failures = 0;
        for n in 200..400 {
            failures += usize::from(sorter.push(key(n, false, 0, 0), vec![0; 100]).is_err());
        }
        assert!(failures > 0);
        assert_eq!(sorter.count(), 400);
        let sorted: Vec<_> = sorter.finish().unwrap().map(|item| item.unwrap().0).collect();
        assert_eq!(sorted.len(), 400);
        assert!(sorted.is_sorted());
    }

    #[test]
    fn a_payload_larger_than_the_limit_goes_through() {
        let mut sorter = Sorter::new(1000);
        for n in 0..3 {
            sorter.push(key(n, false, 0, 0), vec![n as u8; 1 << 20]).unwrap();
        }
        let lengths: Vec<_> = payloads(sorter).iter().map(|p| (p[0], p.len())).collect();
        assert_eq!(lengths, [(2, 1 << 20), (1, 1 << 20), (0, 1 << 20)]);
    }

    #[test]
    fn thousands_of_runs_are_merged_as_they_come() {
        let mut sorter = Sorter::new(0);
        let mut most = 0;
        for n in 0..5000_u64 {
            sorter
                .push(key((n * 7919 % 5003) as i64, false, 0, n), n.to_le_bytes().to_vec())
                .unwrap();
            most = most.max(sorter.levels.iter().map(Vec::len).sum::<usize>());
        }
        // Without memory every item is a run.
        assert!(most <= 4 * FAN_IN, "{most} runs at once");
        let sorted: Vec<_> = sorter.finish().unwrap().map(|item| item.unwrap().0).collect();
        assert_eq!(sorted.len(), 5000);
        assert!(sorted.is_sorted());
    }
}

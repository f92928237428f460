//! Puts the records of one exec together again.
//!
//! Pure and bounded: no clock, no I/O. The records of one CPU are never interleaved with those of another exec on that CPU,
//! so at most one exec for each CPU is unfinished, and the next head record of a CPU ends the one before. An exec whose
//! argv came in one record, which is nearly every one, passes through borrowed; the bytes of a longer one are copied once, into
//! memory that the one before had.

use std::collections::BTreeMap;

use cert_recon_common::{CUT_FAULT, CUT_NO_SPACE, CUT_TOO_LONG, DecodeError, HeadRecord, Record, Scan, Task, flags};
use foldhash::HashMap;

/// Bytes of unfinished argv that are kept at most, over all CPUs.
pub const BUDGET: usize = 64 << 20;

/// Memory of a finished exec that is kept for the next, bytes at most: what a command line can have under the usual limit of
/// the stack.
const SPARE: usize = 2 << 20;

/// Why an argv is shorter than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutReason {
    /// The ring buffer had no room.
    NoSpace,
    /// The process's memory could not be read.
    Fault,
    /// Longer than the eBPF program reads.
    TooLong,
    /// Records are missing, and the one that says why is missing too.
    Missing,
    /// More argv unfinished at once than [`BUDGET`].
    Budget,
}

/// An exec, put together.
#[derive(Clone, Copy, Debug)]
pub struct Assembled<'a> {
    /// The head record.
    pub record: HeadRecord<'a>,
    /// All of argv that was captured.
    pub argv: &'a [u8],
    /// Why that is not all of it.
    pub cut: Option<CutReason>,
    /// Execs lost on its CPU since the exec before it on that CPU.
    pub lost: u64,
}

/// A record that belongs to no exec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// A running process.
    Task(Task),
    /// The end of a scan.
    Scan(Scan),
}

/// What an exec is put together in.
#[derive(Default)]
struct Buffers {
    record: Vec<u8>,
    argv: Vec<u8>,
}

struct Pending {
    seq: u64,
    buffers: Buffers,
    total: u64,
    cut: Option<CutReason>,
    lost: u64,
    ticks: u32,
}

/// Puts execs together from records in ring-buffer order.
#[derive(Default)]
pub struct Reassembler {
    pending: BTreeMap<u32, Pending>,
    pending_bytes: usize,
    lost: HashMap<u32, u64>,
    spare: Buffers,
    /// An exec has been put together since the last tick.
    spare_is_used: bool,
}

impl std::fmt::Debug for Reassembler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reassembler")
            .field("pending", &self.pending.len())
            .finish_non_exhaustive()
    }
}

impl Reassembler {
    /// Takes the next record and hands on every exec that it completes; gives back a record that belongs to no exec.
    ///
    /// # Errors
    /// When the bytes are no record.
    pub fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(Assembled<'_>)) -> Result<Option<Aside>, DecodeError> {
        match Record::decode(bytes)? {
            Record::Head(record) => self.head(bytes, record, emit),
            Record::Chunk { prefix, offset, bytes } => self.chunk(prefix.cpu, prefix.seq, offset, bytes, emit),
            Record::Cut { prefix, reason, .. } => {
                if self.pending.get(&prefix.cpu).is_some_and(|p| p.seq == prefix.seq) {
                    let reason = match reason {
                        CUT_NO_SPACE => CutReason::NoSpace,
                        CUT_FAULT => CutReason::Fault,
                        CUT_TOO_LONG => CutReason::TooLong,
                        _ => CutReason::Missing,
                    };
                    self.end(prefix.cpu, reason, emit);
                }
            }
            Record::Task(task) => return Ok(Some(Aside::Task(task))),
            Record::Scan(scan) => return Ok(Some(Aside::Scan(scan))),
        }
        Ok(None)
    }

    /// Ends every exec that has been unfinished for a whole interval between two calls. The program sends all records of
    /// an exec without a pause, so what has not come by then will not come.
    pub fn tick(&mut self, emit: &mut impl FnMut(Assembled<'_>)) {
        let late: Vec<u32> = self
            .pending
            .iter_mut()
            .filter_map(|(&cpu, pending)| {
                pending.ticks += 1;
                (pending.ticks > 1).then_some(cpu)
            })
            .collect();
        for cpu in late {
            self.end(cpu, CutReason::Missing, emit);
        }
        if !std::mem::take(&mut self.spare_is_used) {
            self.spare = Buffers::default();
        }
    }

    /// Ends every unfinished exec.
    pub fn finish(&mut self, emit: &mut impl FnMut(Assembled<'_>)) {
        while let Some(&cpu) = self.pending.keys().next() {
            self.end(cpu, CutReason::Missing, emit);
        }
    }

    /// Whether an exec is unfinished.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    fn head(&mut self, bytes: &[u8], record: HeadRecord<'_>, emit: &mut impl FnMut(Assembled<'_>)) {
        let cpu = record.head.prefix.cpu;
        self.end(cpu, CutReason::Missing, emit);
        let known = self.lost.entry(cpu).or_default();
        let lost = record.head.lost_before.saturating_sub(*known);
        *known = record.head.lost_before;
        if record.argv.len() as u64 >= record.head.argv_len {
            emit(Assembled {
                record,
                argv: record.argv,
                cut: None,
                lost,
            });
        } else if record.head.flags & flags::ARGV_FAULT != 0 {
            emit(Assembled {
                record,
                argv: record.argv,
                cut: Some(CutReason::Fault),
                lost,
            });
        } else {
            self.pending_bytes += record.argv.len();
            let mut buffers = std::mem::take(&mut self.spare);
            buffers.record.extend_from_slice(bytes);
            let total = usize::try_from(record.head.argv_len).unwrap_or(usize::MAX);
            buffers.argv.reserve_exact(total.min(SPARE).max(record.argv.len()));
            buffers.argv.extend_from_slice(record.argv);
            self.pending.insert(
                cpu,
                Pending {
                    seq: record.head.prefix.seq,
                    buffers,
                    total: record.head.argv_len,
                    cut: None,
                    lost,
                    ticks: 0,
                },
            );
        }
    }

    fn chunk(&mut self, cpu: u32, seq: u64, offset: u64, bytes: &[u8], emit: &mut impl FnMut(Assembled<'_>)) {
        // A chunk of an exec whose head was not delivered belongs to nothing; that exec is counted as lost.
        let Some(pending) = self.pending.get_mut(&cpu).filter(|p| p.seq == seq) else {
            return;
        };
        pending.ticks = 0;
        if pending.cut.is_some() {
            return;
        }
        let argv = &mut pending.buffers.argv;
        if offset != argv.len() as u64 {
            pending.cut = Some(CutReason::Missing);
        } else if self.pending_bytes + bytes.len() > BUDGET {
            pending.cut = Some(CutReason::Budget);
        } else {
            argv.extend_from_slice(bytes);
            self.pending_bytes += bytes.len();
            if argv.len() as u64 >= pending.total {
                self.end(cpu, CutReason::Missing, emit);
            }
        }
    }

    /// Hands on what is known of the CPU's unfinished exec; `reason` holds when argv is not whole and no other is known.
    fn end(&mut self, cpu: u32, reason: CutReason, emit: &mut impl FnMut(Assembled<'_>)) {
        let Some(pending) = self.pending.remove(&cpu) else {
            return;
        };
        let Buffers { mut record, mut argv } = pending.buffers;
        self.pending_bytes -= argv.len();
        let whole = argv.len() as u64 >= pending.total;
        let cut = if whole {
            None
        } else {
            Some(pending.cut.unwrap_or(reason))
        };
        if let Ok(Record::Head(record)) = Record::decode(&record) {
            emit(Assembled {
                record,
                argv: &argv,
                cut,
                lost: pending.lost,
            });
        }
        self.spare_is_used = true;
        if argv.capacity() <= SPARE {
            record.clear();
            argv.clear();
            self.spare = Buffers { record, argv };
        }
    }
}

#[cfg(test)]
mod tests {
    use cert_recon_common::{ABI, Chunk, Cut, Head, Prefix, kind};

    use super::*;

    fn head(cpu: u32, seq: u64, inline: &[u8], total: u64, lost_before: u64) -> Vec<u8> {
        let head = Head {
            prefix: Prefix::of(kind::HEAD, cpu, seq),
            argv_len: total,
            inline_len: inline.len() as u32,
            lost_before,
            ..Head::decode(&[0; Head::SIZE]).unwrap()
        };
        [&head.encode()[..], inline].concat()
    }

    fn chunk(cpu: u32, seq: u64, offset: u64, bytes: &[u8]) -> Vec<u8> {
        let chunk = Chunk {
            prefix: Prefix::of(kind::CHUNK, cpu, seq),
            offset,
            len: bytes.len() as u64,
        };
        [&chunk.encode()[..], bytes].concat()
    }

    fn cut(cpu: u32, seq: u64, reason: u32) -> Vec<u8> {
        Cut {
            prefix: Prefix::of(kind::CUT, cpu, seq),
            sent: 0,
            reason,
            reserved: 0,
        }
        .encode()
        .to_vec()
    }

    type Seen = Vec<(u64, Vec<u8>, Option<CutReason>, u64)>;

    fn seen(seen: &mut Seen) -> impl FnMut(Assembled<'_>) {
        |a| seen.push((a.record.head.prefix.seq, a.argv.to_vec(), a.cut, a.lost))
    }

    fn run(records: &[Vec<u8>]) -> Seen {
        let mut all = Seen::new();
        let mut reassembler = Reassembler::default();
        for record in records {
            reassembler.push(record, &mut seen(&mut all)).unwrap();
        }
        reassembler.finish(&mut seen(&mut all));
        assert_eq!(reassembler.pending_bytes, 0);
        all
    }

    #[test]
    fn an_argv_in_one_record_passes_through() {
        assert_eq!(run(&[head(0, 1, b"a\0b\0", 4, 0)]), [(1, b"a\0b\0".to_vec(), None, 0)]);
        assert_eq!(run(&[head(0, 1, b"", 0, 0)]), [(1, vec![], None, 0)]);
    }

    #[test]
    fn chunks_of_execs_on_two_cpus_are_told_apart() {
        let records = [
            head(0, 1, b"a", 3, 0),
            head(1, 1, b"x", 3, 0),
            chunk(1, 1, 1, b"yz"),
            chunk(0, 1, 1, b"b"),
            chunk(0, 1, 2, b"c"),
        ];
        assert_eq!(
            run(&records),
            [(1, b"xyz".to_vec(), None, 0), (1, b"abc".to_vec(), None, 0)]
        );
    }

    #[test]
    fn a_cut_argv_is_handed_on_with_its_reason() {
        for (reason, meaning) in [
            (CUT_NO_SPACE, CutReason::NoSpace),
            (CUT_FAULT, CutReason::Fault),
            (CUT_TOO_LONG, CutReason::TooLong),
        ] {
            let records = [head(0, 1, b"a", 9, 0), chunk(0, 1, 1, b"b"), cut(0, 1, reason)];
            assert_eq!(run(&records), [(1, b"ab".to_vec(), Some(meaning), 0)]);
        }
    }

    #[test]
    fn the_next_head_of_a_cpu_ends_the_exec_before_it() {
        let records = [head(0, 1, b"a", 9, 0), head(0, 2, b"b\0", 2, 0)];
        assert_eq!(
            run(&records),
            [
                (1, b"a".to_vec(), Some(CutReason::Missing), 0),
                (2, b"b\0".to_vec(), None, 0)
            ]
        );
    }

    #[test]
    fn a_missing_chunk_leaves_the_part_before_it() {
        let records = [head(0, 1, b"a", 4, 0), chunk(0, 1, 2, b"cd"), chunk(0, 1, 1, b"b")];
        assert_eq!(run(&records), [(1, b"a".to_vec(), Some(CutReason::Missing), 0)]);
    }

    #[test]
    fn records_of_an_exec_without_a_head_belong_to_nothing() {
        let records = [chunk(0, 5, 8192, b"x"), cut(0, 5, CUT_NO_SPACE), head(0, 6, b"", 0, 1)];
        assert_eq!(run(&records), [(6, vec![], None, 1)]);
    }

    #[test]
    fn an_exec_whose_records_stopped_coming_is_given_up_after_a_whole_interval() {
        let mut all = Seen::new();
        let mut reassembler = Reassembler::default();
        reassembler.push(&head(0, 1, b"a", 9, 0), &mut seen(&mut all)).unwrap();
        reassembler.tick(&mut seen(&mut all));
        reassembler.push(&chunk(0, 1, 1, b"b"), &mut seen(&mut all)).unwrap();
        reassembler.tick(&mut seen(&mut all));
        assert!(reassembler.is_waiting() && all.is_empty(), "it was still coming");
        reassembler.tick(&mut seen(&mut all));
        assert_eq!(all, [(1, b"ab".to_vec(), Some(CutReason::Missing), 0)]);
        assert!(!reassembler.is_waiting());
    }

    #[test]
    fn memory_serves_the_next_exec_and_is_given_back_when_none_comes() {
        let mut all = Seen::new();
        let mut reassembler = Reassembler::default();
        for (total, kept) in [
            (3, 1..100),
            (1000, 1000..2000),
            (3, 1000..2000),
            (SPARE as u64 + 2, 0..1),
        ] {
            let rest = vec![b'x'; total as usize - 1];
            for record in [head(0, 1, b"a", total, 0), chunk(0, 1, 1, &rest)] {
                reassembler.push(&record, &mut seen(&mut all)).unwrap();
            }
            let (_, argv, cut, _) = all.pop().unwrap();
            assert_eq!((argv, cut), ([b"a", &rest[..]].concat(), None));
            assert!(kept.contains(&reassembler.spare.argv.capacity()), "{total}");
        }
        for record in [head(0, 1, b"a", 2, 0), chunk(0, 1, 1, b"b")] {
            reassembler.push(&record, &mut seen(&mut all)).unwrap();
        }
        reassembler.tick(&mut seen(&mut all));
        assert!(reassembler.spare.argv.capacity() > 0, "it was in use");
        reassembler.tick(&mut seen(&mut all));
        assert_eq!(reassembler.spare.argv.capacity(), 0);
    }

    #[test]
    fn losses_are_told_apart_by_cpu_and_told_once() {
        let records = [
            head(0, 1, b"", 0, 2),
            head(1, 9, b"", 0, 5),
            head(0, 4, b"", 0, 2),
            head(0, 8, b"", 0, 3),
        ];
        let lost: Vec<u64> = run(&records).into_iter().map(|(.., lost)| lost).collect();
        assert_eq!(lost, [2, 5, 0, 1]);
    }

    #[test]
    fn unfinished_argv_is_bounded_over_all_cpus() {
        let mut all = Seen::new();
        let mut reassembler = Reassembler::default();
        let big = vec![b'x'; 1 << 20];
        let total = 1 << 40;
        for cpu in 0..4 {
            reassembler
                .push(&head(cpu, 1, b"", total, 0), &mut seen(&mut all))
                .unwrap();
        }
        for i in 0..40 {
            for cpu in 0..4 {
                reassembler
                    .push(&chunk(cpu, 1, i << 20, &big), &mut seen(&mut all))
                    .unwrap();
                assert!(reassembler.pending_bytes <= BUDGET);
            }
        }
        reassembler.finish(&mut seen(&mut all));
        assert_eq!(all.len(), 4);
        assert!(
            all.iter()
                .all(|(_, argv, cut, _)| *cut == Some(CutReason::Budget) && argv.len() == 16 << 20)
        );
    }

    #[test]
    fn bytes_that_are_no_record_are_refused_and_change_nothing() {
        let mut all = Seen::new();
        let mut reassembler = Reassembler::default();
        let whole = head(0, 1, b"abc", 3, 0);
        for len in 0..whole.len() {
            assert!(
                reassembler.push(&whole[..len], &mut seen(&mut all)).is_err(),
                "cut at {len}"
            );
        }
        let mut other = whole.clone();
        other[2] = other[2].wrapping_add(1);
        let abi = u16::from_ne_bytes([other[2], other[3]]);
        assert_ne!(abi, ABI);
        assert_eq!(
            reassembler.push(&other, &mut seen(&mut all)),
            Err(DecodeError::Abi(abi))
        );
        assert!(all.is_empty() && !reassembler.is_waiting());
    }
}

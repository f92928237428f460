//! Puts the records of one exec together again.
//!
//! Pure and bounded: no clock, no I/O. The records of one CPU are never interleaved with those of another exec on that CPU,
//! so at most one exec for each CPU is unfinished, and the next head record of a CPU ends the one before. An exec whose
//! argv came in one record, which is nearly every one, passes through borrowed.

use std::collections::{BTreeMap, HashMap};

use cert_recon_common::{CUT_FAULT, CUT_NO_SPACE, CUT_TOO_LONG, DecodeError, HeadRecord, Record, flags};

/// Bytes of unfinished argv that are kept at most, over all CPUs.
pub const BUDGET: usize = 64 << 20;

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

struct Pending {
    seq: u64,
    record: Vec<u8>,
    argv: Vec<u8>,
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
}

impl std::fmt::Debug for Reassembler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reassembler").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl Reassembler {
    /// Takes the next record and hands on every exec that it completes.
    ///
    /// # Errors
    /// When the bytes are no record.
    pub fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(Assembled<'_>)) -> Result<(), DecodeError> {
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
        }
        Ok(())
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
            emit(Assembled { record, argv: record.argv, cut: None, lost });
        } else if record.head.flags & flags::ARGV_FAULT != 0 {
            emit(Assembled { record, argv: record.argv, cut: Some(CutReason::Fault), lost });
        } else {
            self.pending_bytes += record.argv.len();
            self.pending.insert(
                cpu,
                Pending {
                    seq: record.head.prefix.seq,
                    record: bytes.to_vec(),
                    argv: record.argv.to_vec(),
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
        let Some(pending) = self.pending.get_mut(&cpu).filter(|p| p.seq == seq) else { return };
        pending.ticks = 0;
        if pending.cut.is_some() {
            return;
        }
        if offset != pending.argv.len() as u64 {
            pending.cut = Some(CutReason::Missing);
        } else if self.pending_bytes + bytes.len() > BUDGET {
            pending.cut = Some(CutReason::Budget);
        } else {
            pending.argv.extend_from_slice(bytes);
            self.pending_bytes += bytes.len();
            if pending.argv.len() as u64 >= pending.total {
                self.end(cpu, CutReason::Missing, emit);
            }
        }
    }

    /// Hands on what is known of the CPU's unfinished exec; `reason` holds when argv is not whole and no other is known.
    fn end(&mut self, cpu: u32, reason: CutReason, emit: &mut impl FnMut(Assembled<'_>)) {
        let Some(pending) = self.pending.remove(&cpu) else { return };
        self.pending_bytes -= pending.argv.len();
        let whole = pending.argv.len() as u64 >= pending.total;
        let cut = if whole { None } else { Some(pending.cut.unwrap_or(reason)) };
        if let Ok(Record::Head(record)) = Record::decode(&pending.record) {
            emit(Assembled { record, argv: &pending.argv, cut, lost: pending.lost });
        }
    }
}

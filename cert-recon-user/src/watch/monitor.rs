//! What the monitor makes of everything that comes out of the kernel: reports, the table of processes, and what it says about
//! itself.

use std::{
    io,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use super::{
    canary::{Canary, Change},
    selfcheck::{Mistake, Truth},
};
use crate::{
    backlog::Backlog,
    enrich::{
        cgroup::Cgroup,
        processes::{Liveness, ProcScan, Processes, Running},
    },
    event::{Exec, FilePath},
    finding::Report,
    pipeline::{Pipeline, Sums},
    record::{Lost, Record},
    rules::{Confidence, Engine},
    source::live::Arrival,
};

/// Losses within this time of each other are told in one record.
const LOSS_INTERVAL: Duration = Duration::from_secs(1);
/// Pause between two scans of the running processes that unknown parents ask for.
const RESCAN: Duration = Duration::from_secs(30);

/// Where records go.
pub(super) trait Sink {
    /// A report, and the exec that it is of, for what can only be had now.
    fn report(&mut self, report: Report, exec: &Exec<'_>);
    /// An exec that nobody asked for goes unreported: there is no time for it.
    fn leave_out(&mut self);
    /// Any other record.
    fn record(&mut self, record: Record);
}

/// Asks the kernel whether a process lives.
#[derive(Debug)]
pub(super) struct Signals;

impl Liveness for Signals {
    fn lives(&self, pid: u32, _start_boot_ns: u64) -> bool {
        i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .is_some_and(|pid| {
                // Not permitted: it is there. Another process with the same id is taken for it, which only keeps an entry.
                !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
            })
    }
}

/// A scan of the running processes.
#[derive(Debug)]
struct PendingScan {
    proc: ProcScan,
    /// Execs lost before it began. If there are more when it is over, one of them may have been of a process that it saw.
    lost: u64,
    running: Vec<Running>,
    over: Option<bool>,
}

#[derive(Debug)]
pub(super) struct Monitor {
    pipeline: Pipeline,
    processes: Processes<Signals>,
    backlog: Backlog,
    pub(super) canary: Canary,
    /// Until the first canary is back.
    truth: Option<Truth>,
    mistake: Option<Mistake>,
    scan: Option<PendingScan>,
    last_scan: Instant,
    unknown_at_scan: u64,
    /// The last scan is good for nothing: try again.
    scan_again: bool,
    last_exec: SystemTime,
    lost_total: u64,
    /// The total when the last record of blindness was made.
    lost_at_blind: u64,
    lost: Option<Lost>,
    lost_told: Option<Instant>,
}

impl Monitor {
    pub(super) fn new(
        pipeline: Pipeline,
        processes: Processes<Signals>,
        backlog: Backlog,
        canary: Canary,
        truth: Truth,
    ) -> Self {
        Self {
            pipeline,
            backlog,
            processes,
            canary,
            truth: Some(truth),
            mistake: None,
            scan: None,
            last_scan: Instant::now(),
            unknown_at_scan: 0,
            scan_again: false,
            last_exec: SystemTime::now(),
            lost_total: 0,
            lost_at_blind: 0,
            lost: None,
            lost_told: None,
        }
    }

    /// Takes what came out of the kernel.
    pub(super) fn take(&mut self, arrival: Arrival<'_>, sink: &mut impl Sink) {
        match arrival {
            Arrival::Exec(exec, lost) => self.exec(exec, lost, sink),
            Arrival::Running(running) => {
                if let Some(scan) = &mut self.scan {
                    scan.running.push(running);
                }
            }
            Arrival::Scanned { complete } => {
                if let Some(scan) = &mut self.scan {
                    scan.over = Some(complete);
                }
            }
        }
    }

    pub(super) fn set_rules(&mut self, engine: Engine, min_confidence: Confidence) {
        self.pipeline.set_rules(engine, min_confidence);
    }

    /// What is wrong in what the first canary came back with.
    pub(super) fn mistake(&self) -> Option<&Mistake> {
        self.mistake.as_ref()
    }

    /// Whether the first canary is back, and all is right in it.
    pub(super) fn is_checked(&self) -> bool {
        self.truth.is_none() && self.mistake.is_none()
    }

    /// Every report that was made counts as a finding here; the gate knows what became of it.
    pub(super) fn sums(&self) -> Sums {
        self.pipeline.sums()
    }

    pub(super) fn processes(&self) -> &Processes<Signals> {
        &self.processes
    }

    /// What to report. When the ring buffer is about to overflow, nothing is made of execs that nobody asked for.
    fn judge(&mut self, exec: &Exec<'_>, lost: u64, sink: &mut impl Sink) -> Option<Report> {
        if !self.backlog.is_pressing() {
            return self.pipeline.take(exec, lost);
        }
        let (report, is_left_out) = self.pipeline.take_in_a_hurry(exec, lost);
        if is_left_out {
            sink.leave_out();
        }
        report
    }

    fn exec(&mut self, exec: &Exec<'_>, lost: u64, sink: &mut impl Sink) {
        if lost > 0 {
            self.lose(lost, exec.time);
            self.tell_loss(Instant::now(), sink);
        }
        self.last_exec = exec.time;
        if self.canary.is_own(exec.argv, exec.time) {
            self.pipeline.take_own(lost);
            if let Some(truth) = self.truth.take() {
                self.mistake = truth.compare(exec, self.canary.pid_of(exec.pid));
            }
        } else if let Some(mut report) = self.judge(exec, lost, sink) {
            self.processes.describe(exec, &mut report);
            if let Some(path) = exec.cgroup.map(FilePath::to_vec) {
                let place = Cgroup::of(&path);
                report.container_id = place.container_id;
                report.systemd_unit = place.systemd_unit;
                report.systemd_user_unit = place.systemd_user_unit;
            }
            sink.report(report, exec);
        }
        self.processes.note(exec);
    }

    fn lose(&mut self, count: u64, time: SystemTime) {
        self.lost_total += count;
        let since = self.last_exec.min(time);
        let lost = self.lost.get_or_insert(Lost {
            time,
            since,
            count: 0,
            total: 0,
            events_lost: 0,
        });
        lost.time = time;
        lost.count += count;
        lost.events_lost = lost.count;
        lost.total = self.lost_total;
    }

    /// Tells of losses, once a second at most.
    pub(super) fn tell_loss(&mut self, now: Instant, sink: &mut impl Sink) {
        if self
            .lost_told
            .is_none_or(|told| now.saturating_duration_since(told) >= LOSS_INTERVAL)
        {
            self.tell_all_loss(now, sink);
        }
    }

    /// Tells of losses that were not told yet.
    pub(super) fn tell_all_loss(&mut self, now: Instant, sink: &mut impl Sink) {
        if let Some(lost) = self.lost.take() {
            self.lost_told = Some(now);
            sink.record(Record::Lost(lost));
        }
    }

    /// Counts losses that no exec told of: at the end nothing may come after them.
    pub(super) fn settle_loss(&mut self, total: u64, time: SystemTime) {
        if let Some(count) = total.checked_sub(self.lost_total).filter(|count| *count > 0) {
            self.lose(count, time);
        }
    }

    /// Reads `/proc`; the next canary makes the kernel's half of the scan.
    ///
    /// # Errors
    /// When `/proc` can't be listed.
    pub(super) fn begin_scan(&mut self, lost: u64, now: Instant) -> io::Result<()> {
        self.last_scan = now;
        self.unknown_at_scan = self.processes.unknown();
        self.scan_again = false;
        self.scan = Some(PendingScan {
            proc: ProcScan::read(Path::new("/proc"))?,
            lost,
            running: Vec::new(),
            over: None,
        });
        self.canary.hurry(now);
        Ok(())
    }

    /// Puts a scan that is over into the table. `lost` are the execs lost so far.
    pub(super) fn finish_scan(&mut self, lost: u64) {
        let Some(scan) = self.scan.take_if(|scan| scan.over.is_some()) else {
            return;
        };
        if lost != scan.lost {
            log::debug!("scan of running processes dropped: execs were lost meanwhile");
            self.scan_again = true;
            return;
        }
        let mut known = 0;
        for running in &scan.running {
            if let Some(scanned) = scan.proc.get(running) {
                self.processes
                    .add_running(running.image, running.start_boot_ns, scanned);
                known += 1;
            }
        }
        log::debug!("{known} running processes are known ({} in /proc)", scan.proc.len());
        if scan.over == Some(false) {
            log::warn!("not all running processes could be scanned: parents that were not will be absent from reports");
        }
    }

    /// Whether a scan is under way.
    pub(super) fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }

    /// Whether a scan waits for [`finish_scan`](Self::finish_scan).
    pub(super) fn scan_is_over(&self) -> bool {
        self.scan.as_ref().is_some_and(|scan| scan.over.is_some())
    }

    /// Whether parents were not known since the last scan, or it failed, and it is time for another.
    pub(super) fn wants_scan(&self, now: Instant) -> bool {
        let wanted = self.scan_again || self.processes.unknown() > self.unknown_at_scan;
        wanted && self.scan.is_none() && now.saturating_duration_since(self.last_scan) >= RESCAN
    }

    /// Sends canaries and says what became of them.
    pub(super) fn tick_canary(&mut self, now: Instant, time: SystemTime, sink: &mut impl Sink) -> Option<Change> {
        let mut change = self.canary.tick(now, time);
        if let Some(Change::Blind(blind)) = &mut change {
            blind.events_lost = self.lost_total - std::mem::replace(&mut self.lost_at_blind, self.lost_total);
            // Nothing of that scan will come.
            self.scan_again |= self.scan.take().is_some();
            sink.record(Record::Blind(blind.clone()));
        }
        change
    }
}

//! Health records: when one is made, and what is wrong.

use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Outlet,
    monitor::{Monitor, Sink as _},
};
use crate::{
    metrics::{Facts, Waiting},
    record::{Health, Occasion, Record},
    source::live::Live,
};

/// Losses and dropped lines are a problem until so long after the last one.
const MEMORY: Duration = Duration::from_secs(10);

/// A count whose rises are a problem for a while.
#[derive(Debug, Default)]
struct Watched {
    count: u64,
    rose: Option<Instant>,
}

impl Watched {
    /// Whether it rose lately.
    fn look(&mut self, count: u64, now: Instant) -> bool {
        if count > self.count {
            self.count = count;
            self.rose = Some(now);
        }
        self.rose
            .is_some_and(|rose| now.saturating_duration_since(rose) < MEMORY)
    }
}

/// Remembers what was said last.
#[derive(Debug)]
pub(super) struct HealthBook {
    started: Instant,
    started_at: SystemTime,
    interval: Duration,
    next: Instant,
    ring_bytes: u64,
    /// Execs lost when the last record was made.
    lost_told: u64,
    lost: Watched,
    dropped: Watched,
    degraded: bool,
    /// Why the last reading of the settings failed.
    reload_failure: Option<String>,
}

impl HealthBook {
    pub(super) fn new(interval: Duration, ring_bytes: u64) -> Self {
        let started = Instant::now();
        Self {
            started,
            started_at: SystemTime::now(),
            interval,
            next: started + interval,
            ring_bytes,
            lost_told: 0,
            lost: Watched::default(),
            dropped: Watched::default(),
            degraded: false,
            reload_failure: None,
        }
    }

    /// Notes what came of reading the settings anew: why they could not be used, until they can.
    pub(super) fn note_reload(&mut self, failure: Option<String>) {
        self.reload_failure = failure;
    }

    /// Makes a record when it is time for one, and when things went wrong or right again.
    pub(super) fn look(&mut self, monitor: &Monitor, live: &Live, outlet: &mut Outlet, now: Instant) {
        let problems = self.problems(monitor, live, outlet, now);
        let degraded = !problems.is_empty();
        if degraded != self.degraded {
            self.degraded = degraded;
            self.record(Occasion::Change, problems, monitor, live, outlet);
        } else if now >= self.next {
            self.record(Occasion::Interval, problems, monitor, live, outlet);
        }
    }

    /// Makes a record now.
    pub(super) fn write(&mut self, occasion: Occasion, monitor: &Monitor, live: &Live, outlet: &mut Outlet) {
        let problems = self.problems(monitor, live, outlet, Instant::now());
        self.record(occasion, problems, monitor, live, outlet);
    }

    fn problems(&mut self, monitor: &Monitor, live: &Live, outlet: &Outlet, now: Instant) -> Vec<String> {
        let mut problems = Vec::new();
        if monitor.canary.is_blind() {
            problems.push("the monitor's own exec did not come back through the kernel".to_owned());
        }
        if let Some(failure) = &self.reload_failure {
            problems.push(format!(
                "the rules and the configuration from before are at work, because they could not be read anew: {failure}"
            ));
        }
        let lost = live.totals().lost;
        if self.lost.look(lost, now) {
            problems.push(format!(
                "execs are being lost ({lost} since the start): a larger --ring-size holds more"
            ));
        }
        let mut dropped = 0;
        for state in outlet.states() {
            dropped += state.dropped;
            if state.failing {
                problems.push(format!(
                    "writing to {} fails; {} bytes wait",
                    state.name, state.queued_bytes
                ));
            }
        }
        if outlet.metrics.as_ref().is_some_and(|board| board.is_failing()) {
            problems.push("the metrics file can't be written".to_owned());
        }
        if self.dropped.look(dropped, now) {
            problems.push(format!(
                "lines come faster than they can be written ({dropped} dropped since the start)"
            ));
        }
        problems
    }

    fn record(
        &mut self,
        occasion: Occasion,
        problems: Vec<String>,
        monitor: &Monitor,
        live: &Live,
        outlet: &mut Outlet,
    ) {
        self.next = Instant::now() + self.interval;
        let mut health = self.state(occasion, problems, monitor, live, outlet);
        let lost = health.totals.lost;
        health.events_lost = lost.saturating_sub(std::mem::replace(&mut self.lost_told, lost));
        outlet.record(Record::Health(Box::new(health)));
    }

    /// What the metrics are made of, but for what the gate knows.
    pub(super) fn facts(&mut self, is_up: bool, monitor: &Monitor, live: &Live, outlet: &Outlet) -> Facts {
        let problems = self.problems(monitor, live, outlet, Instant::now());
        let occasion = if is_up { Occasion::Interval } else { Occasion::Exit };
        let counts = outlet.stage.counts();
        Facts {
            health: self.state(occasion, problems, monitor, live, outlet),
            started: self.started_at,
            is_up,
            is_blind: monitor.canary.is_blind(),
            findings: Vec::new(),
            waiting: Waiting {
                records: counts.queued,
                bytes: counts.queued_bytes,
                files: counts.queued_files,
            },
            runs: live.runs(),
            file_failures: 0,
        }
    }

    fn state(
        &self,
        occasion: Occasion,
        problems: Vec<String>,
        monitor: &Monitor,
        live: &Live,
        outlet: &Outlet,
    ) -> Health {
        let processes = monitor.processes();
        Health {
            time: SystemTime::now(),
            occasion,
            problems,
            uptime_seconds: self.started.elapsed().as_secs(),
            totals: live.totals(),
            sums: monitor.sums(),
            last_canary: monitor.canary.last_seen(),
            resident_bytes: resident_bytes(),
            ring_bytes: self.ring_bytes,
            images: processes.len() as u64,
            images_forgotten: processes.forgotten(),
            hashing: outlet.stage.counts().hashing,
            // The gate puts in what it knows when the record gets there.
            suppressions: Vec::new(),
            outputs: outlet.states(),
            events_lost: 0,
        }
    }
}

/// Resident memory of this process, bytes; 0 when the kernel does not say.
fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

//! `hunt`: the rules over what was recorded.
//!
//! Owns the reading of many records at once and what is told of it; the rules are those of `watch`, the records are
//! [`crate::source::recorded`]'s matter. [`run`] gives findings as they come; what is made of them is the caller's.

pub mod coverage;
mod judge;
pub mod page;
mod read;
pub mod rendered;
pub mod sorter;
pub mod summary;

use std::{
    collections::VecDeque,
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::SystemTime,
};

use crate::{
    finding::Report,
    rules::{Confidence, Engine},
    source::recorded::{
        Format, Gap,
        files::{Listed, Set},
        input::Progress,
    },
};

/// Findings and remarks that wait for the caller.
const WAITING: usize = 1024;

/// What to look for, and in what.
#[derive(Debug)]
pub struct Request {
    /// What is read.
    pub jobs: Vec<Job>,
    /// The format of all of it; none to tell it by content.
    pub format: Option<Format>,
    /// The rules.
    pub engine: Engine,
    /// Findings of at least this confidence are given.
    pub min_confidence: Confidence,
    /// Execs of this time.
    pub range: Range,
    /// Records that are read at the same time, at least 1.
    pub threads: usize,
}

/// A span of time, each end included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Not before this.
    pub since: Option<SystemTime>,
    /// Not after this.
    pub until: Option<SystemTime>,
}

impl Range {
    /// Whether an exec of that time lies in it. Of one that has only a latest time, the time before is not known: it lies in
    /// the range unless that is before its start.
    #[must_use]
    pub fn holds(&self, time: SystemTime, is_limit: bool) -> bool {
        self.since.is_none_or(|since| time >= since) && (is_limit || self.until.is_none_or(|until| time <= until))
    }
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Files.
    Files(Set),
    /// Standard input.
    Stdin,
    /// What a program writes, and the format of that.
    Command(Vec<OsString>, Format),
    /// The running processes, below this folder.
    Processes(PathBuf),
}

impl Job {
    /// A single file, named by somebody.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let listed = Listed {
            path: path.into(),
            named: true,
        };
        Self::Files(Set { files: vec![listed] })
    }
}

/// What a hunt gives.
#[derive(Debug)]
pub enum Event {
    /// A finding of the confidence asked for.
    Finding(Box<Report>, Position),
    /// Lines that should have been records and are none, for one reason.
    Bad(Bad),
    /// A record says that execs are missing from it.
    Gap {
        /// The name of what is read.
        input: Arc<str>,
        /// The line.
        line: u64,
        /// What is missing.
        gap: Gap,
    },
    /// An input was read, as far as it could be.
    Read(InputRead),
}

/// Where a finding stands among all: by this, findings of the same time are in a fixed order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The job, in the order of the request.
    pub job: usize,
    /// The file of the job.
    pub file: usize,
    /// The line.
    pub line: u64,
    /// Findings before it in the job.
    pub number: u64,
}

/// Lines that are no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The name of what is read.
    pub input: Arc<str>,
    /// The first of them; 0 where there are no lines.
    pub line: u64,
    /// The last of them.
    pub last: u64,
    /// How many.
    pub count: u64,
    /// Why.
    pub why: String,
}

/// What became of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputRead {
    /// Its name: a path, or what stands for it.
    pub name: String,
    /// Its format; none when that is not known.
    pub format: Option<Format>,
    /// Sums.
    pub counts: Counts,
    /// Why it could not be read to its end; none when it was.
    pub error: Option<String>,
    /// It was named by somebody or is a source of its own, not only found in a folder.
    pub named: bool,
    /// Nothing is in it.
    pub is_empty: bool,
}

impl InputRead {
    /// Whether something of it was not read that should have been.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.error.is_some() || self.counts.bad > 0 || (self.named && self.format.is_none() && !self.is_empty)
    }
}

/// Sums over an input: `execs = outside + clean + below + findings`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes read, as they are on disk; of files only.
    pub bytes: u64,
    /// Lines read; 0 for what is not made of lines.
    pub lines: u64,
    /// Execs.
    pub execs: u64,
    /// Of these, outside of the range of time.
    pub outside: u64,
    /// No rule matched.
    pub clean: u64,
    /// A rule matched, with less confidence than was asked for.
    pub below: u64,
    /// Given as findings.
    pub findings: u64,
    /// Findings without a time of their own.
    pub untimed: u64,
    /// Lines that should have been records and are none.
    pub bad: u64,
    /// The first and the last time of an exec.
    pub span: Option<(SystemTime, SystemTime)>,
}

/// Reads everything, and gives what is found to `take` as it comes. `progress` counts bytes, and ends the reading early.
pub fn run(request: &Request, progress: &Arc<Progress>, mut take: impl FnMut(Event)) {
    let jobs: VecDeque<(usize, &Job)> = request.jobs.iter().enumerate().collect();
    let jobs = Mutex::new(jobs);
    let (send, events) = sync_channel(WAITING);
    thread::scope(|scope| {
        for _ in 0..request.threads.clamp(1, request.jobs.len().max(1)) {
            let (send, jobs) = (send.clone(), &jobs);
            scope.spawn(move || work(request, progress, jobs, &send));
        }
        drop(send);
        for event in events {
            take(event);
        }
    });
}

fn work(request: &Request, progress: &Arc<Progress>, jobs: &Mutex<VecDeque<(usize, &Job)>>, send: &SyncSender<Event>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((number, job)) = next else { return };
        read::job(request, progress, number, job, send);
    }
}

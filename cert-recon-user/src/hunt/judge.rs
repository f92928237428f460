//! What the rules say of each recorded exec, and the sums.

use std::{
    fmt,
    sync::{Arc, mpsc::SyncSender},
    time::SystemTime,
};

use super::{Bad, Counts, Event, Position, Request};
use crate::{
    finding::{Origin, Report},
    pipeline,
    rules::Scratch,
    source::recorded::{Format, Gap, Out, Place, Recorded},
};

/// Judges what one job reads.
pub(super) struct Judge<'a> {
    request: &'a Request,
    scratch: Scratch,
    send: &'a SyncSender<Event>,
    job: usize,
    /// Findings so far.
    number: u64,
    /// Every file of the job, in order.
    files: Vec<File>,
    /// Bad lines that are not told yet: more of the same may follow.
    bad: Option<(usize, Bad)>,
}

/// A file of the job.
struct File {
    name: Arc<str>,
    path: Option<Vec<u8>>,
    format: Format,
    counts: Counts,
}

impl<'a> Judge<'a> {
    pub(super) fn new(request: &'a Request, job: usize, send: &'a SyncSender<Event>) -> Self {
        Self {
            request,
            scratch: request.engine.scratch(),
            send,
            job,
            number: 0,
            files: Vec::new(),
            bad: None,
        }
    }

    /// The number of the next file, which `name` stands for.
    pub(super) fn next_file(&mut self, name: &str, path: Option<&[u8]>, format: Format) -> usize {
        self.files.push(File {
            name: name.into(),
            path: path.map(<[u8]>::to_vec),
            format,
            counts: Counts::default(),
        });
        self.files.len() - 1
    }

    /// The sums of a file.
    pub(super) fn counts(&mut self, file: usize) -> Counts {
        self.tell_bad();
        self.files.get(file).map(|file| file.counts).unwrap_or_default()
    }

    pub(super) fn tell(&self, event: Event) {
        // The receiver lives as long as there are senders.
        let _ = self.send.send(event);
    }

    /// Tells of bad lines that wait for more like them.
    pub(super) fn tell_bad(&mut self) {
        if let Some((_, bad)) = self.bad.take() {
            self.tell(Event::Bad(bad));
        }
    }
}

impl Out for Judge<'_> {
    fn exec(&mut self, recorded: &Recorded<'_>) -> bool {
        let Self { request, files, .. } = self;
        let Some(file) = files.get_mut(recorded.place.file) else {
            return false;
        };
        let (exec, counts) = (recorded.exec, &mut file.counts);
        counts.execs += 1;
        if !exec.time_is_limit {
            let (first, last) = counts.span.get_or_insert((exec.time, exec.time));
            *first = exec.time.min(*first);
            *last = exec.time.max(*last);
        }
        if !request.range.holds(exec.time, exec.time_is_limit) {
            counts.outside += 1;
            return false;
        }
        let (engine, scratch) = (&request.engine, &mut self.scratch);
        let verdict = pipeline::with_subject(engine, exec, recorded.known_as, |subject| {
            engine.judge(subject, scratch)
        });
        let Some(verdict) = verdict else {
            counts.clean += 1;
            return false;
        };
        if verdict.confidence < request.min_confidence {
            counts.below += 1;
            return true;
        }
        counts.findings += 1;
        counts.untimed += u64::from(exec.time_is_limit);
        let mut report = Report::new(exec, Some(verdict));
        report.known_as = recorded.known_as.iter().map(|name| text(name)).collect();
        report.origin = Some(Origin {
            source: file.format.as_str(),
            file: file.path.clone(),
            line: recorded.place.line,
            key: None,
            device: recorded.device.filter(|device| !device.is_empty()).map(text),
        });
        recorded.details.complete(&mut report);
        report.tuning.asked_for = true;
        let position = Position {
            job: self.job,
            file: recorded.place.file,
            line: recorded.place.line,
            number: self.number,
        };
        self.number += 1;
        self.tell(Event::Finding(Box::new(report), position));
        true
    }

    fn bad(&mut self, place: Place, why: &dyn fmt::Display) {
        let Some(file) = self.files.get_mut(place.file) else {
            return;
        };
        file.counts.bad += 1;
        let input = Arc::clone(&file.name);
        let why = why.to_string();
        if let Some((in_file, bad)) = &mut self.bad
            && *in_file == place.file
            && bad.why == why
            && (bad.last..=bad.last + 1).contains(&place.line)
        {
            bad.last = place.line;
            bad.count += 1;
            return;
        }
        let bad = Bad {
            input,
            line: place.line,
            last: place.line,
            count: 1,
            why,
        };
        if let Some((_, before)) = self.bad.replace((place.file, bad)) {
            self.tell(Event::Bad(before));
        }
    }

    fn gap(&mut self, place: Place, gap: &Gap) {
        // What is missing outside of the range was not asked for.
        let range = self.request.range;
        let before = |time: Option<SystemTime>| time.zip(range.since).is_some_and(|(time, since)| time < since);
        let after = |time: Option<SystemTime>| time.zip(range.until).is_some_and(|(time, until)| time > until);
        if before(gap.until) || after(gap.from) {
            return;
        }
        if let Some(file) = self.files.get(place.file) {
            self.tell(Event::Gap {
                input: Arc::clone(&file.name),
                line: place.line,
                gap: gap.clone(),
            });
        }
    }
}

fn text(bytes: &[u8]) -> String {
    crate::text::lossless(bytes).0.into_owned()
}

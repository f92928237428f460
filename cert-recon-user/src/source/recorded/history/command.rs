//! A command of a history as execs.
//!
//! Owns what is told of a shell's text: the simple commands that it would run, each as an exec of its own words; and, if
//! none of them is a finding, the whole text as `bash -c TEXT`, in which the engine sees what runs in pipes and loops. Aliases
//! and variables of that shell are not known.

use std::time::SystemTime;

use super::LONGEST;
use crate::{
    acts::{Budget, Word, shell},
    event::{Argv, Exec},
    finding::Report,
    source::recorded::{Out, Place, Recorded},
};

/// A command that is being read.
#[derive(Debug)]
pub(super) struct Command {
    /// When; none when the history does not say.
    time: Option<SystemTime>,
    text: Vec<u8>,
    lines: usize,
    cut: bool,
    place: Place,
}

impl Command {
    pub(super) fn new(time: Option<SystemTime>, place: Place) -> Self {
        Self {
            time,
            text: Vec::new(),
            lines: 0,
            cut: false,
            place,
        }
    }

    /// A line more.
    pub(super) fn line(&mut self, line: &[u8]) {
        if self.lines > 0 {
            self.append(b"\n");
        }
        self.append(line);
        self.lines += 1;
    }

    /// Whether it has so many lines that they are hardly one command: a history without times that another is appended to
    /// has none in between.
    pub(super) fn is_long(&self) -> bool {
        self.lines >= 256 || self.text.len() >= 256 << 10
    }

    /// One like it, without lines.
    pub(super) fn next(&self, place: Place) -> Self {
        Self::new(self.time, place)
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = LONGEST.saturating_sub(self.text.len());
        self.cut |= bytes.len() > room;
        self.text.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Tells what it ran. `limit` is the latest that a command without a time can have happened.
    pub(super) fn tell(&self, limit: Option<SystemTime>, out: &mut dyn Out) {
        if self.cut {
            out.bad(self.place, &"a command that is longer than is kept: its end is missing");
        }
        let text = self.text.trim_ascii();
        if text.is_empty() {
            return;
        }
        let one_line = !text.contains(&b'\n');
        let mut found = false;
        let mut argv = Vec::new();
        let mut budget = Budget::new(text.len());
        let simples = shell::parse(text, &[], &mut budget);
        if let Some(limit) = budget.hit().filter(|_| !one_line) {
            out.bad(
                self.place,
                &format_args!("not all of the lines from here to the next time are looked at: {limit}"),
            );
        }
        for simple in simples {
            argv.clear();
            for word in &simple.words {
                // What is not known is a NUL there, which would end the argument.
                argv.extend(word.iter().map(|&byte| if byte == Word::UNKNOWN { b'$' } else { byte }));
                argv.push(0);
            }
            let path = argv.split(|&byte| byte == 0).next().unwrap_or_default();
            // Of a text of many lines that says too much; its simple commands say what they are.
            let shown = one_line.then_some(text);
            found |= self.exec(path, Argv::whole(&argv), shown, limit, out);
            if found && one_line {
                return;
            }
        }
        if found {
            return;
        }
        argv.clear();
        argv.extend_from_slice(b"bash\0-c\0");
        argv.extend(text.iter().map(|&byte| if byte == 0 { b' ' } else { byte }));
        argv.push(0);
        self.exec(b"bash", Argv::whole(&argv), Some(text), limit, out);
    }

    fn exec(
        &self,
        path: &[u8],
        argv: Argv<'_>,
        shown: Option<&[u8]>,
        limit: Option<SystemTime>,
        out: &mut dyn Out,
    ) -> bool {
        let time = self.time.or(limit).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut exec = Exec::new(time, argv);
        exec.time_is_limit = self.time.is_none();
        exec.path = Some(path);
        let details = |report: &mut Report| {
            if let Some(text) = shown {
                report.argv = text.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
                report.argv_total = report.argv.len() as u64 + u64::from(self.cut);
                report.argv_is_text = true;
            }
        };
        let mut recorded = Recorded::new(&exec, self.place);
        recorded.details = &details;
        out.exec(&recorded)
    }
}

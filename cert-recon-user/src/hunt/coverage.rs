//! What a hunt has read, and what it could not.
//!
//! Owns the account of it, for people; the driver fills it in. A hunt that read less than it was asked to must not look
//! complete.

use std::{fmt::Write as _, time::SystemTime};

use crate::{sink::json::timestamp, text::for_terminal};

/// Everything that was read, and what is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// What was read, in the order of reading.
    pub inputs: Vec<InputCoverage>,
    /// Files in folders that are like no record that is known, and were left alone.
    pub others: u64,
    /// Execs that the records themselves say are missing.
    pub gaps: Vec<GapCoverage>,
    /// Gaps beyond those that are listed.
    pub more_gaps: u64,
    /// Why the hunt ended early; none when it did not.
    pub ended_early: Option<String>,
}

/// An input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputCoverage {
    /// What it is called: a path, `standard input`.
    pub name: Vec<u8>,
    /// What it was read as; none when it is like nothing that is known.
    pub format: Option<&'static str>,
    /// Bytes read, as they are on disk.
    pub bytes: u64,
    /// Lines, or records where there are no lines.
    pub records: u64,
    /// Execs that these told of.
    pub execs: u64,
    /// Execs that are findings.
    pub findings: u64,
    /// What should have been a record and is none.
    pub bad: u64,
    /// The first of these: line and reason.
    pub bad_samples: Vec<(u64, String)>,
    /// Time of its first exec.
    pub first: Option<SystemTime>,
    /// Time of its last exec.
    pub last: Option<SystemTime>,
    /// Why it could not be read, or not to its end.
    pub errors: Vec<String>,
}

/// A gap that a record tells of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GapCoverage {
    /// The input that tells of it.
    pub input: Vec<u8>,
    /// Where in it; 0 when there are no lines.
    pub line: u64,
    /// How many execs; none when that is not known.
    pub count: Option<u64>,
    /// Not before.
    pub from: Option<SystemTime>,
    /// Not after.
    pub until: Option<SystemTime>,
    /// What the record says.
    pub what: String,
}

/// Sums over all inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// See [`InputCoverage::bytes`].
    pub bytes: u64,
    /// See [`InputCoverage::records`].
    pub records: u64,
    /// See [`InputCoverage::execs`].
    pub execs: u64,
    /// See [`InputCoverage::findings`].
    pub findings: u64,
    /// See [`InputCoverage::bad`].
    pub bad: u64,
    /// Inputs that could not be read to their end.
    pub failed: u64,
}

/// Bad lines that the text shows of each input.
const SHOWN_BAD: usize = 3;

impl Coverage {
    /// The sums.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for input in &self.inputs {
            sums.bytes += input.bytes;
            sums.records += input.records;
            sums.execs += input.execs;
            sums.findings += input.findings;
            sums.bad += input.bad;
            sums.failed += u64::from(!input.errors.is_empty());
        }
        sums
    }

    /// Whether everything that was to be read was read to its end. Malformed lines and gaps do not count here: a record
    /// that has them was read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ended_early.is_none() && self.inputs.iter().all(|input| input.errors.is_empty())
    }

    /// Lines of text, each with its newline.
    #[must_use]
    pub fn to_text(&self) -> String {
        let sums = self.sums();
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "read {}: {} records, {} execs, {}",
            counted(self.inputs.len() as u64, "input"),
            sums.records,
            sums.execs,
            bytesize::ByteSize(sums.bytes),
        );
        if self.others > 0 {
            let _ = writeln!(text, "{} of no kind that is known", counted(self.others, "other file"));
        }
        if let Some(why) = &self.ended_early {
            let _ = writeln!(text, "PARTIAL: {}", for_terminal(why.as_bytes()));
        }
        for input in &self.inputs {
            let name = for_terminal(&input.name);
            for error in &input.errors {
                let _ = writeln!(text, "not read to its end: {name}: {}", for_terminal(error.as_bytes()));
            }
            if input.bad > 0 {
                let _ = writeln!(text, "{name}: {} skipped", counted(input.bad, "malformed record"));
            }
            for (line, why) in input.bad_samples.iter().take(SHOWN_BAD) {
                let _ = writeln!(text, "  {name}{}: {}", at(*line), for_terminal(why.as_bytes()));
            }
        }
        for gap in &self.gaps {
            let _ = writeln!(
                text,
                "missing from {}{}: {}",
                for_terminal(&gap.input),
                at(gap.line),
                for_terminal(gap.to_text().as_bytes())
            );
        }
        if self.more_gaps > 0 {
            let _ = writeln!(text, "and {}", counted(self.more_gaps, "more gap"));
        }
        text
    }
}

impl GapCoverage {
    /// What is missing, in words.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.what.clone();
        // Writing to a String can't fail.
        let _ = match self.count {
            Some(count) => write!(text, ": {}", counted(count, "exec")),
            None => write!(text, ": how many execs is not known"),
        };
        if let Some(from) = self.from {
            let _ = write!(text, ", not before {}", timestamp(from));
        }
        if let Some(until) = self.until {
            let _ = write!(text, ", not after {}", timestamp(until));
        }
        text
    }
}

fn at(line: u64) -> String {
    match line {
        0 => String::new(),
        line => format!(":{line}"),
    }
}

/// `1 input`, `2 inputs`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &[u8]) -> InputCoverage {
        InputCoverage {
            name: name.to_vec(),
            records: 10,
            execs: 5,
            bytes: 1000,
            ..InputCoverage::default()
        }
    }

    #[test]
    fn what_could_not_be_read_is_said_and_makes_it_incomplete() {
        let mut coverage = Coverage {
            inputs: vec![input(b"a.log"), input(b"b\x1b.log")],
            ..Coverage::default()
        };
        assert!(coverage.is_complete());
        coverage.inputs[1].errors.push("permission denied".to_owned());
        coverage.inputs[0].bad = 7;
        coverage.inputs[0].bad_samples = (1..6).map(|line| (line, format!("bad\n{line}"))).collect();
        coverage.gaps.push(GapCoverage {
            input: b"a.log".to_vec(),
            line: 9,
            count: Some(1),
            what: "audit_lost".to_owned(),
            ..GapCoverage::default()
        });
        coverage.more_gaps = 2;
        assert!(!coverage.is_complete());
        assert_eq!(
            coverage.to_text(),
            "read 2 inputs: 20 records, 10 execs, 2.0 KiB\n\
             a.log: 7 malformed records skipped\n  \
             a.log:1: bad\\n1\n  a.log:2: bad\\n2\n  a.log:3: bad\\n3\n\
             not read to its end: b\\x1b.log: permission denied\n\
             missing from a.log:9: audit_lost: 1 exec\n\
             and 2 more gaps\n"
        );
    }

    #[test]
    fn a_hunt_that_was_ended_is_partial() {
        let coverage = Coverage {
            ended_early: Some("Ctrl-C".to_owned()),
            ..Coverage::default()
        };
        assert!(!coverage.is_complete());
        assert!(coverage.to_text().contains("PARTIAL: Ctrl-C\n"));
    }
}

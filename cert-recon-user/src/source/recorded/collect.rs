//! Everything that a parser finds, in memory: for tests of parsers and for fuzzing them.

use std::fmt;

use super::{Gap, Input, Out, Parser, Place, Recorded};
use crate::finding::{Origin, Report};

/// What was found, in the order of finding.
#[derive(Debug, Default)]
pub struct Collected {
    /// Each exec as a report, complete but for a verdict.
    pub reports: Vec<Report>,
    /// What was no record, and why.
    pub bad: Vec<(Place, String)>,
    /// What records lack.
    pub gaps: Vec<Gap>,
}

impl Collected {
    /// What `parser` finds in these files of one set, oldest first.
    ///
    /// # Panics
    ///
    /// A file can't be read: in memory that does not happen.
    #[must_use]
    pub fn of(mut parser: Box<dyn Parser>, files: impl IntoIterator<Item = Input>) -> Self {
        let mut collected = Self::default();
        for mut file in files {
            parser.read(&mut file, &mut collected).expect("a file that can be read");
        }
        parser.finish(&mut collected);
        collected
    }
}

impl Out for Collected {
    fn exec(&mut self, recorded: &Recorded<'_>) -> bool {
        let mut report = Report::new(recorded.exec, None);
        report.origin = Some(Origin {
            source: "",
            file: None,
            line: recorded.place.line,
            key: None,
            device: recorded
                .device
                .map(|device| String::from_utf8_lossy(device).into_owned()),
        });
        recorded.details.complete(&mut report);
        self.reports.push(report);
        false
    }

    fn bad(&mut self, place: Place, why: &dyn fmt::Display) {
        self.bad.push((place, why.to_string()));
    }

    fn gap(&mut self, _: Place, gap: &Gap) {
        self.gaps.push(gap.clone());
    }
}

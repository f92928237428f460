//! What was found, in numbers: by category, account, host and so on, and over time.
//!
//! Owns counting within bounded memory. Nothing is dropped without being counted: what a table has no row for is in its row
//! for the others.

mod histogram;
mod text;

use std::{cmp::Reverse, collections::HashMap, time::SystemTime};

pub use self::histogram::{Bucket, Histogram, Timeline};
use crate::{finding::Report, rules::Confidence};

/// Rows of a table.
pub const MOST_ROWS: usize = 10_000;

/// Bytes of a row's name. Names of hosts, accounts and rules are shorter; what is longer is cut, and counted together with
/// what begins the same.
pub const LONGEST_NAME: usize = 256;

/// What findings are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// `ToolCategory`.
    Category,
    /// `Confidence`.
    Confidence,
    /// Who logged in, and the account that it ran under.
    Account,
    /// `DeviceName`.
    Host,
    /// `Services`: a finding counts once for each.
    Service,
    /// `Targets`: a finding counts once for each.
    Target,
    /// `RuleIds`: a finding counts once for each.
    Rule,
    /// `RecordSource`.
    Source,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Category,
        Self::Confidence,
        Self::Account,
        Self::Host,
        Self::Service,
        Self::Target,
        Self::Rule,
        Self::Source,
    ];

    /// The heading of its table.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Category => "Category",
            Self::Confidence => "Confidence",
            Self::Account => "Account",
            Self::Host => "Host",
            Self::Service => "Service asked",
            Self::Target => "Target",
            Self::Rule => "Rule",
            Self::Source => "Record source",
        }
    }
}

/// How often, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Findings.
    pub count: u64,
    /// How many of these have no time of their own.
    pub untimed: u64,
    /// The first of those that have one.
    pub first: Option<SystemTime>,
    /// The last of those that have one.
    pub last: Option<SystemTime>,
}

impl Tally {
    fn add(&mut self, time: Option<SystemTime>) {
        self.count += 1;
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
    }
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// What is counted: text from records, not fit for a terminal as it is.
    pub name: &'a str,
    /// It.
    pub tally: Tally,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows<'a> {
    /// The rows: most findings first, then by name.
    pub rows: Vec<Row<'a>>,
    /// Findings by names beyond [`MOST_ROWS`]; none when there are no more.
    pub others: Option<Tally>,
}

#[derive(Clone, Debug, Default)]
struct Table {
    rows: HashMap<String, Tally>,
    others: Tally,
}

impl Table {
    fn add(&mut self, name: &str, time: Option<SystemTime>) {
        let mut cut = String::new();
        let name = if name.len() <= LONGEST_NAME {
            name
        } else {
            cut.push_str(name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or_default());
            cut.push('…');
            &cut
        };
        if let Some(row) = self.rows.get_mut(name) {
            row.add(time);
        } else if self.rows.len() < MOST_ROWS {
            self.rows.entry(name.to_owned()).or_default().add(time);
        } else {
            self.others.add(time);
        }
    }

    fn rows(&self) -> Rows<'_> {
        let rows = self.rows.iter().map(|(name, tally)| Row { name, tally: *tally });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable_by_key(|row| (Reverse(row.tally.count), row.name));
        Rows {
            rows,
            others: (self.others.count > 0).then_some(self.others),
        }
    }
}

/// What stands for an account or host that a record does not name.
pub const NOT_KNOWN: &str = "(not known)";

/// The numbers.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    total: Tally,
    confidence: [u64; Confidence::ALL.len()],
    tables: [Table; By::ALL.len()],
    histogram: Histogram,
}

impl Summary {
    /// Counts a finding; an exec without a verdict is none and is not counted. `device` is the host of a report that was
    /// read nowhere ([`Report::device`]).
    pub fn add(&mut self, report: &Report, device: &str) {
        let Some(verdict) = &report.verdict else { return };
        let time = (!report.time_is_limit).then_some(report.time);
        self.total.add(time);
        if let Some(count) = self.confidence.get_mut(verdict.confidence as usize) {
            *count += 1;
        }
        if let Some(time) = time {
            self.histogram.add(time, verdict.confidence);
        }
        let mut count = |by: By, name: &str| {
            if let Some(table) = self.tables.get_mut(by as usize) {
                table.add(name, time);
            }
        };
        count(By::Category, &verdict.category);
        count(By::Confidence, verdict.confidence.as_str());
        count(By::Account, &account(report));
        count(By::Host, known(report.device(device)).unwrap_or(NOT_KNOWN));
        for (by, names) in [
            (By::Service, &verdict.services),
            (By::Target, &verdict.targets),
            (By::Rule, &verdict.rule_ids),
        ] {
            names.iter().for_each(|name| count(by, name));
        }
        if let Some(origin) = &report.origin {
            count(By::Source, origin.source);
        }
    }

    /// All findings.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.total
    }

    /// Findings of this confidence.
    #[must_use]
    pub fn of(&self, confidence: Confidence) -> u64 {
        self.confidence.get(confidence as usize).copied().unwrap_or_default()
    }

    /// A table.
    #[must_use]
    pub fn rows(&self, by: By) -> Rows<'_> {
        self.tables.get(by as usize).map_or_else(
            || Rows {
                rows: Vec::new(),
                others: None,
            },
            Table::rows,
        )
    }

    /// How many names a table has, and whether there are more that it has no rows for. What is not known is no name.
    #[must_use]
    pub fn names(&self, by: By) -> (usize, bool) {
        let Some(table) = self.tables.get(by as usize) else {
            return (0, false);
        };
        let unknown = usize::from(table.rows.contains_key(NOT_KNOWN));
        (table.rows.len() - unknown, table.others.count > 0)
    }

    /// The findings over time.
    #[must_use]
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// For a terminal: tables of the ten most frequent.
    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        text::of(self, colour)
    }
}

/// Who logged in, and what account it ran under where that is another.
fn account(report: &Report) -> String {
    let name = |name: &Option<String>, uid: Option<u32>| {
        known(name.as_deref())
            .map(str::to_owned)
            .or_else(|| uid.map(|uid| format!("uid {uid}")))
    };
    let account = name(&report.account, report.uid);
    let effective = name(&report.effective_account, report.effective_uid).filter(|_| {
        report.effective_uid.is_some() && report.effective_uid != report.uid
            || report.effective_uid.is_none() && report.effective_account != report.account
    });
    let login = name(&report.login_account, report.login_uid);
    let mut names: Vec<String> = Vec::with_capacity(3);
    for name in [login, account, effective].into_iter().flatten() {
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    match names.is_empty() {
        true => NOT_KNOWN.to_owned(),
        false => names.join(" as "),
    }
}

fn known(name: Option<&str>) -> Option<&str> {
    name.filter(|name| !name.is_empty())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{sync::LazyLock, time::Duration};

    use super::*;
    use crate::{
        event::{Argv, Exec},
        finding::Origin,
        rules::{BUILTIN_PACKS, Engine, Subject, Verdict},
    };

    /// A finding of `curl https://crt.sh/`.
    pub(crate) fn finding(seconds: u64) -> Report {
        static VERDICT: LazyLock<Verdict> = LazyLock::new(|| {
            let packs: Result<Vec<_>, _> = BUILTIN_PACKS.iter().map(|pack| pack.parse()).collect();
            let engine = Engine::new(&packs.unwrap()).unwrap();
            let subject = Subject::new(&[b"curl"], b"curl https://crt.sh/");
            engine.judge(&subject, &mut engine.scratch()).unwrap()
        });
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut report = Report::new(
            &Exec::new(time, Argv::whole(b"curl\0https://crt.sh/\0")),
            Some(VERDICT.clone()),
        );
        report.origin = Some(Origin {
            source: "auditd",
            file: None,
            line: 1,
            key: None,
            device: Some("web".to_owned()),
        });
        report
    }

    fn names(summary: &Summary, by: By) -> Vec<(&str, u64)> {
        let rows = summary.rows(by).rows;
        rows.iter().map(|row| (row.name, row.tally.count)).collect()
    }

    #[test]
    fn each_table_counts_with_first_and_last_time() {
        let mut summary = Summary::default();
        for (seconds, targets) in [(30, &["a.example", "b.example"][..]), (10, &["a.example"]), (20, &[])] {
            let mut report = finding(seconds);
            let verdict = report.verdict.as_mut().unwrap();
            verdict.targets = targets.iter().map(|&target| target.to_owned()).collect();
            summary.add(&report, "here");
        }
        assert_eq!(names(&summary, By::Target), [("a.example", 2), ("b.example", 1)]);
        assert_eq!(names(&summary, By::Host), [("web", 3)]);
        assert_eq!(names(&summary, By::Source), [("auditd", 3)]);
        assert_eq!(names(&summary, By::Category), [("CTLogQuery", 3)]);
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let tally = summary.rows(By::Target).rows[0].tally;
        assert_eq!((tally.first, tally.last), (at(10), at(30)));
        assert_eq!(summary.total().count, 3);
        assert_eq!(Confidence::ALL.map(|c| summary.of(c)).iter().sum::<u64>(), 3);
        assert_eq!(names(&summary, By::Account), [(NOT_KNOWN, 3)]);
        assert_eq!(
            (summary.names(By::Account), summary.names(By::Host)),
            ((0, false), (1, false))
        );
    }

    #[test]
    fn a_time_that_is_only_a_limit_is_no_first_or_last_time() {
        let mut summary = Summary::default();
        let mut report = finding(99);
        report.time_is_limit = true;
        summary.add(&report, "here");
        summary.add(&finding(5), "here");
        let total = summary.total();
        assert_eq!((total.count, total.untimed, total.first == total.last), (2, 1, true));
    }

    #[test]
    fn an_account_is_told_after_who_logged_in() {
        let name = |login: Option<&str>, account: Option<&str>, uid, effective: Option<(&str, u32)>| {
            let mut report = finding(1);
            report.login_account = login.map(str::to_owned);
            report.account = account.map(str::to_owned);
            report.uid = uid;
            report.effective_account = effective.map(|(name, _)| name.to_owned());
            report.effective_uid = effective.map(|(_, uid)| uid);
            super::account(&report)
        };
        assert_eq!(name(Some("alice"), Some("root"), Some(0), None), "alice as root");
        assert_eq!(name(Some("alice"), Some("alice"), Some(7), Some(("alice", 7))), "alice");
        assert_eq!(name(None, Some("bob"), Some(7), Some(("root", 0))), "bob as root");
        assert_eq!(name(None, None, Some(7), None), "uid 7");
        assert_eq!(name(None, None, None, None), NOT_KNOWN);
    }

    #[test]
    fn a_table_is_bounded_and_what_has_no_row_is_counted_with_the_others() {
        let mut summary = Summary::default();
        let mut report = finding(1);
        let many = MOST_ROWS + 5;
        report.verdict.as_mut().unwrap().targets = (0..many).map(|n| format!("{n}.example")).collect();
        summary.add(&report, "here");
        summary.add(&report, "here");
        let table = summary.rows(By::Target);
        assert_eq!(table.rows.len(), MOST_ROWS);
        assert_eq!(table.rows[0].tally.count, 2);
        assert_eq!(table.others.unwrap().count, 10);
        report.verdict.as_mut().unwrap().targets = vec!["é".repeat(1000)];
        let mut summary = Summary::default();
        summary.add(&report, "here");
        assert!(names(&summary, By::Target)[0].0.len() <= LONGEST_NAME + '…'.len_utf8());
    }
}

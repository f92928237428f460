//! What a suppression can look at.

use std::{cell::OnceCell, time::SystemTime};

use crate::finding::{Process, Report};

/// A finding as suppressions see it. What is not known is absent, and no condition on it holds.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// When the exec happened.
    pub time: SystemTime,
    /// User of the new process: its id and name.
    pub user: (Option<u32>, Option<&'a str>),
    /// Who logged in: id and name.
    pub login: (Option<u32>, Option<&'a str>),
    /// Base name of the program, as it was given to exec.
    pub file_name: Option<&'a [u8]>,
    /// Resolved path of the executable.
    pub folder_path: Option<&'a [u8]>,
    /// The script that chose the program.
    pub script_path: Option<&'a [u8]>,
    /// The processes above, nearest first.
    pub ancestry: &'a [Process],
    /// Unit of the system's service manager.
    pub unit: Option<&'a str>,
    /// Id of the container.
    pub container: Option<&'a str>,
    /// Category of the finding.
    pub category: &'a str,
    /// Ids of the rules that matched.
    pub rules: &'a [String],
    /// Whom the command asks about.
    pub targets: &'a [String],
    /// The arguments, each ended by a NUL; none when they were not captured whole.
    pub argv: Option<&'a [u8]>,
    line: OnceCell<Vec<u8>>,
}

impl<'a> Facts<'a> {
    /// Those of a report; none when no rule matched.
    #[must_use]
    pub fn of(report: &'a Report) -> Option<Self> {
        let verdict = report.verdict.as_ref()?;
        Some(Self {
            time: report.time,
            user: (report.uid, report.account.as_deref()),
            login: (report.login_uid, report.login_account.as_deref()),
            file_name: report.file_name.as_deref(),
            folder_path: report.folder_path.as_deref(),
            script_path: report.script_path.as_deref(),
            ancestry: &report.ancestry,
            unit: report.systemd_unit.as_deref(),
            container: report.container_id.as_deref(),
            category: &verdict.category,
            rules: &verdict.rule_ids,
            targets: targets(report),
            argv: (report.argv.len() as u64 == report.argv_total).then_some(&report.argv),
            line: OnceCell::new(),
        })
    }

    /// The arguments joined by single spaces; none when they are not known whole, or longer than `most` bytes.
    pub(super) fn command_line(&self, most: usize) -> Option<&[u8]> {
        let argv = self.argv.filter(|argv| argv.len() <= most)?;
        Some(self.line.get_or_init(|| {
            let mut line = argv.strip_suffix(b"\0").unwrap_or(argv).to_vec();
            line.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
            line
        }))
    }
}

/// Whom the command asks about. None of one whose argv or analysis was cut short: a list that may lack a target says nothing
/// about all of them.
pub(super) fn targets(report: &Report) -> &[String] {
    let is_whole = report.argv.len() as u64 == report.argv_total;
    match &report.verdict {
        Some(verdict) if is_whole && verdict.cut_short.is_none() => &verdict.targets,
        _ => &[],
    }
}

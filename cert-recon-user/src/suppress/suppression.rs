//! One suppression: its conditions, and whether they hold for a finding.

use std::{fmt, time::SystemTime};

use super::{
    facts::Facts,
    pattern::{Letters, Pattern, TargetPattern},
};
use crate::{event::base_name, finding::Image};

/// A condition on the command line holds for none that is longer, bytes: nobody meant such a one, and the work is bounded.
pub const MOST_COMMAND_LINE_BYTES: usize = 128 << 10;

/// What a condition is about. It holds when one of its patterns fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Name of the user of the new process; a number is the id.
    Account,
    /// Name of the user who logged in; a number is the id.
    LogonAccount,
    /// The program: a path when the pattern has a slash, else a base name. For a script, also the script.
    Program,
    /// The parent's program, likewise.
    Parent,
    /// The program of any process above, likewise.
    Ancestor,
    /// Unit of the system's service manager.
    Unit,
    /// Id of the container.
    Container,
    /// Category of the finding.
    Category,
    /// Id of any of the rules.
    Rule,
    /// Whom the command asks about: every one of them must fit, and there must be one.
    Target,
    /// The arguments joined by single spaces, all of them.
    CommandLine,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 11] = [
        Self::Account,
        Self::LogonAccount,
        Self::Program,
        Self::Parent,
        Self::Ancestor,
        Self::Unit,
        Self::Container,
        Self::Category,
        Self::Rule,
        Self::Target,
        Self::CommandLine,
    ];

    /// The key in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::LogonAccount => "logon_account",
            Self::Program => "program",
            Self::Parent => "parent",
            Self::Ancestor => "ancestor",
            Self::Unit => "unit",
            Self::Container => "container",
            Self::Category => "category",
            Self::Rule => "rule",
            Self::Target => "target",
            Self::CommandLine => "command_line",
        }
    }

    /// How its patterns read letters.
    #[must_use]
    pub fn letters(self) -> Letters {
        match self {
            Self::Category | Self::Rule | Self::Target => Letters::AnyCase,
            _ => Letters::Exact,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A kind of finding that is not to be reported, and why.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// Its name, unique among the suppressions.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// It no longer works from then on.
    pub expires: Option<SystemTime>,
    /// Conditions, each once. All must hold; without one, the suppression never holds.
    pub conditions: Vec<(Condition, Vec<Pattern>)>,
    /// Patterns of [`Condition::Target`]; none when there is no such condition.
    pub targets: Option<Vec<TargetPattern>>,
}

impl Suppression {
    /// Whether it has expired at that time.
    #[must_use]
    pub fn is_expired(&self, time: SystemTime) -> bool {
        self.expires.is_some_and(|expires| time >= expires)
    }

    /// The patterns of a condition that fit none of the names that there are: mistyped, or of a rule that is not loaded.
    pub fn strays<'s>(&'s self, condition: Condition, known: &[&str]) -> impl Iterator<Item = &'s str> {
        self.conditions
            .iter()
            .filter(move |(own, _)| *own == condition)
            .flat_map(|(_, patterns)| patterns)
            .filter(|pattern| !known.iter().any(|name| pattern.is_match(name.as_bytes())))
            .map(Pattern::as_str)
    }

    /// Whether it holds for a finding: it had not expired at the time of the exec, and every condition is met.
    #[must_use]
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        let any = !self.conditions.is_empty() || self.targets.is_some();
        any && !self.is_expired(facts.time)
            && self
                .conditions
                .iter()
                .all(|(condition, patterns)| patterns.iter().any(|pattern| fits(*condition, pattern, facts)))
            && self.targets.as_ref().is_none_or(|patterns| {
                !facts.targets.is_empty()
                    && facts
                        .targets
                        .iter()
                        .all(|target| patterns.iter().any(|pattern| pattern.is_match(target)))
            })
    }
}

fn fits(condition: Condition, pattern: &Pattern, facts: &Facts<'_>) -> bool {
    let text = |text: Option<&str>| text.is_some_and(|text| pattern.is_match(text.as_bytes()));
    match condition {
        Condition::Account => is_user(pattern, facts.user),
        Condition::LogonAccount => is_user(pattern, facts.login),
        Condition::Program => {
            is_program(pattern, facts.file_name, facts.folder_path)
                || facts.script_path.is_some_and(|script| is_path(pattern, script))
        }
        Condition::Parent => facts.ancestry.first().is_some_and(|p| is_image(pattern, &p.image)),
        Condition::Ancestor => facts.ancestry.iter().any(|p| is_image(pattern, &p.image)),
        Condition::Unit => text(facts.unit),
        Condition::Container => text(facts.container),
        Condition::Category => text(Some(facts.category)),
        Condition::Rule => facts.rules.iter().any(|rule| pattern.is_match(rule.as_bytes())),
        Condition::CommandLine => facts
            .command_line(MOST_COMMAND_LINE_BYTES)
            .is_some_and(|line| pattern.is_match(line)),
        // It has patterns of its own kind.
        Condition::Target => false,
    }
}

fn is_user(pattern: &Pattern, (id, name): (Option<u32>, Option<&str>)) -> bool {
    match pattern.as_str().parse::<u32>() {
        Ok(number) => id == Some(number),
        Err(_) => name.is_some_and(|name| pattern.is_match(name.as_bytes())),
    }
}

fn is_image(pattern: &Pattern, image: &Image) -> bool {
    is_program(pattern, image.file_name.as_deref(), image.folder_path.as_deref())
}

/// Whether the program fits: by the path that was resolved, for a link has whatever name its maker gave it; by the name given
/// to exec only when that path is not known.
fn is_program(pattern: &Pattern, file_name: Option<&[u8]>, folder_path: Option<&[u8]>) -> bool {
    match (folder_path, file_name) {
        (Some(path), _) => is_path(pattern, path),
        (None, Some(name)) => !pattern.as_str().contains('/') && pattern.is_match(name),
        (None, None) => false,
    }
}

fn is_path(pattern: &Pattern, path: &[u8]) -> bool {
    if pattern.as_str().contains('/') {
        pattern.is_match(path)
    } else {
        pattern.is_match(base_name(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        suppress::fixture::{at, finding, process},
    };

    fn suppression(conditions: &str) -> Suppression {
        let text = format!("[[suppress]]\nreason = 'test'\n{conditions}");
        let config = Config::parse("test", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        config.suppressions.into_iter().next().unwrap()
    }

    const LINE: &str = "curl https://crt.sh/?q=corp.example";

    #[test]
    fn each_condition_looks_at_its_own_fact() {
        let mut report = finding(10, 1000, LINE);
        report.login_uid = Some(1001);
        report.login_account = Some("alice".to_owned());
        report.script_path = Some(b"/opt/bin/ask.sh".to_vec());
        report.systemd_unit = Some("ci.service".to_owned());
        report.systemd_user_unit = Some("app.service".to_owned());
        report.container_id = Some("0123456789ab".to_owned());
        report.ancestry = vec![process("/usr/bin/dash"), process("/usr/sbin/cron")];
        let targets = ["a.corp.example".to_owned(), "10.1.2.3".to_owned()];
        let mut facts = Facts::of(&report).unwrap();
        facts.targets = &targets;
        let rule = facts.rules[0].to_ascii_uppercase();
        for (conditions, expected) in [
            ("account = 'user1000'", true),
            ("account = 'USER1000'", false),
            ("account = 'user*'", true),
            ("account = '1000'", true),
            ("account = '100'", false),
            ("account = 'alice'", false),
            ("account = ['root', 'user1000']", true),
            ("logon_account = 'alice'", true),
            ("logon_account = '1001'", true),
            ("logon_account = 'user1000'", false),
            ("program = 'curl'", true),
            ("program = 'Curl'", false),
            ("program = '/usr/bin/curl'", true),
            ("program = '/bin/curl'", false),
            ("program = '/usr/*'", true),
            ("program = 'ask.sh'", true),
            ("program = '/opt/bin/ask.sh'", true),
            ("parent = 'dash'", true),
            ("parent = 'borrowed'", false),
            ("parent = '/usr/bin/dash'", true),
            ("parent = 'cron'", false),
            ("ancestor = 'cron'", true),
            ("ancestor = 'dash'", true),
            ("ancestor = '/usr/bin/cron'", false),
            ("unit = 'ci.service'", true),
            ("unit = 'app.service'", false),
            ("container = '0123*'", true),
            ("container = '0123'", false),
            ("category = 'ctlogquery'", true),
            ("category = 'OpenSSLProbe'", false),
            ("rule = 'nothing'", false),
            ("target = ['*.corp.example', '10.0.0.0/8']", true),
            ("target = '*.corp.example'", false),
            ("command_line = 'curl https://crt.sh/*'", true),
            ("command_line = 'crt.sh'", false),
            ("command_line = 'CURL *'", false),
            ("account = 'user1000'\nprogram = 'wget'", false),
            ("account = 'user1000'\nprogram = 'curl'", true),
        ] {
            assert_eq!(suppression(conditions).holds(&facts), expected, "{conditions}");
        }
        assert!(suppression(&format!("rule = '{rule}'")).holds(&facts));
    }

    #[test]
    fn a_condition_on_what_is_not_known_does_not_hold() {
        let mut report = finding(10, 1000, LINE);
        report.account = None;
        report.uid = None;
        report.folder_path = None;
        report.argv_total += 1;
        let facts = Facts::of(&report).unwrap();
        for condition in Condition::ALL {
            let pattern = if condition == Condition::Target { "*.a" } else { "?*" };
            let text = format!("{condition} = '{pattern}'");
            let known = matches!(condition, Condition::Program | Condition::Category | Condition::Rule);
            assert_eq!(suppression(&text).holds(&facts), known, "{text}");
        }
        assert!(!suppression("program = '*/curl'").holds(&facts), "there is no path");
        assert!(!suppression("account = '0'").holds(&facts));
    }

    #[test]
    fn a_command_line_that_is_too_long_to_be_meant_fits_nothing() {
        let long = format!("{LINE} {}", "a".repeat(MOST_COMMAND_LINE_BYTES));
        let report = finding(10, 1000, &long);
        assert!(!suppression("command_line = 'curl *'").holds(&Facts::of(&report).unwrap()));
    }

    #[test]
    fn it_works_until_its_end_by_the_time_of_the_exec() {
        let ends = suppression("account = 'user1000'\nexpires = 1970-01-01T00:01:40Z");
        for (seconds, expected) in [(99, true), (100, false), (101, false)] {
            let report = finding(seconds, 1000, LINE);
            assert_eq!(ends.holds(&Facts::of(&report).unwrap()), expected, "{seconds}");
            assert_eq!(ends.is_expired(at(seconds)), !expected);
        }
    }

    #[test]
    fn a_pattern_that_fits_no_name_there_is_can_be_told() {
        let mistyped = suppression("rule = ['kql-*', 'kql-opensll']\ncategory = 'CTLogQuery'");
        let strays = |condition, known: &[&str]| mistyped.strays(condition, known).collect::<Vec<_>>().join(", ");
        assert_eq!(strays(Condition::Rule, &["kql-openssl"]), "kql-opensll");
        assert_eq!(strays(Condition::Rule, &[]), "kql-*, kql-opensll");
        assert_eq!(strays(Condition::Category, &["Other", "CTLogQuery"]), "");
        assert_eq!(strays(Condition::Unit, &[]), "");
    }

    #[test]
    fn without_a_condition_it_never_holds() {
        let mut empty = suppression("account = 'x'");
        empty.conditions.clear();
        assert!(!empty.holds(&Facts::of(&finding(1, 1, LINE)).unwrap()));
    }
}

//! What a condition may look at, and how.
//!
//! Owns the names of fields and operators and which of them go together; never compares anything.

use std::fmt;

/// What a condition looks at: a fact of the exec, or of one act of it (a command that it really runs, see `acts`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The names of the program; a condition holds if any of them satisfies it.
    FileName,
    /// The resolved path of the executable, and the names of the program: as CrowdStrike's field of that name, which holds a
    /// path or a name.
    ImageFileName,
    /// The command line.
    ProcessCommandLine,
    /// Names that the executable is known by although nothing calls it so: a copy of a watched program.
    KnownAs,
    /// The arguments were not captured completely.
    ArgumentsTruncated,
    /// A limit ended the work on this exec early.
    WorkCutShort,
    /// The names of a command's program.
    Program,
    /// One argument of a command, as a whole.
    Argument,
    /// A host that a command asks.
    Host,
    /// A script or template that a command is told to run.
    Script,
    /// A domain, host or address that a command asks about.
    Target,
    /// The program text on an interpreter's command line.
    Code,
    /// How a command is reached; `direct` for the exec itself.
    Via,
    /// What a command is for: `works`, `help`, `local`.
    Manner,
}

impl Field {
    /// Every field: first those of the exec, then those of an act.
    pub const ALL: [Self; 14] = [
        Self::FileName,
        Self::ImageFileName,
        Self::ProcessCommandLine,
        Self::KnownAs,
        Self::ArgumentsTruncated,
        Self::WorkCutShort,
        Self::Program,
        Self::Argument,
        Self::Host,
        Self::Script,
        Self::Target,
        Self::Code,
        Self::Via,
        Self::Manner,
    ];

    /// The fields of an act.
    pub(super) const OF_ACTS: &[Self] = Self::ALL.split_at(6).1;

    /// The name used in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileName => "FileName",
            Self::ImageFileName => "ImageFileName",
            Self::ProcessCommandLine => "ProcessCommandLine",
            Self::KnownAs => "KnownAs",
            Self::ArgumentsTruncated => "ArgumentsTruncated",
            Self::WorkCutShort => "WorkCutShort",
            Self::Program => "Program",
            Self::Argument => "Argument",
            Self::Host => "Host",
            Self::Script => "Script",
            Self::Target => "Target",
            Self::Code => "Code",
            Self::Via => "Via",
            Self::Manner => "Manner",
        }
    }

    /// Whether the condition is about one act, not about the exec.
    #[must_use]
    pub fn is_of_act(self) -> bool {
        Self::OF_ACTS.contains(&self)
    }

    /// How this field may be compared.
    #[must_use]
    pub fn operators(self) -> &'static [Operator] {
        match self {
            Self::FileName | Self::ImageFileName | Self::ProcessCommandLine => {
                &[Operator::HasAny, Operator::InCi, Operator::Matches]
            }
            Self::KnownAs => &[Operator::InCi],
            Self::ArgumentsTruncated | Self::WorkCutShort => &[Operator::Present],
            Self::Program => &[Operator::InCi, Operator::Glob],
            Self::Argument => &[Operator::InCi, Operator::In, Operator::Glob],
            Self::Script => &[Operator::InCi, Operator::Glob, Operator::Present],
            Self::Host | Self::Target => &[Operator::InDomain, Operator::Present],
            Self::Code => &[Operator::HasAny, Operator::Present],
            Self::Via | Self::Manner => &[Operator::InCi],
        }
    }

    /// The values that this field can have, when they are few.
    #[must_use]
    pub fn values(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Via => Some(&["direct", "wrapper", "shell", "launcher", "container", "code"]),
            Self::Manner => Some(&["works", "help", "local"]),
            _ => None,
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a condition compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// Kusto's `has_any`: one of the terms occurs as a whole term, without case.
    HasAny,
    /// Kusto's `in~` (and `=~` for one term): the whole text is one of the terms, without case.
    InCi,
    /// Kusto's `in`: the whole text is one of the terms, letter by letter.
    In,
    /// One of the regular expressions matches somewhere in the text.
    Matches,
    /// The host is one of the domains or below one.
    InDomain,
    /// The whole text is spelled like one of the patterns, without case: `*` is any text, `?` any one byte.
    Glob,
    /// There is such a thing at all.
    Present,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 7] = [
        Self::HasAny,
        Self::InCi,
        Self::In,
        Self::Matches,
        Self::InDomain,
        Self::Glob,
        Self::Present,
    ];

    /// The name used in rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HasAny => "has_any",
            Self::InCi => "in_ci",
            Self::In => "in",
            Self::Matches => "matches",
            Self::InDomain => "in_domain",
            Self::Glob => "glob",
            Self::Present => "present",
        }
    }

    /// Why this operator cannot search for a term, if so. What every term must be is checked before.
    pub(super) fn fault_of(self, field: Field, term: &str) -> Option<String> {
        match self {
            Self::Matches => super::exec_match::regex(term).err().map(|error| {
                // The error of the library shows the expression over several lines; its last line says what is wrong.
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default();
                format!("is no regular expression: {}", reason.trim_start_matches("error: "))
            }),
            Self::InDomain => fault_of_domain(term).map(str::to_owned),
            Self::InCi => field.values().filter(|values| !values.contains(&term)).map(|values| {
                format!(
                    "is no value that {field} can have; expected one of: {}",
                    values.join(", ")
                )
            }),
            Self::HasAny | Self::In | Self::Glob | Self::Present => None,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn fault_of_domain(term: &str) -> Option<&'static str> {
    if term.contains("://") || term.contains('/') || term.contains('@') {
        Some("is more than a domain; write the host alone, without scheme, port and path")
    } else if term.starts_with('.') || term.starts_with('*') {
        Some("need not say that what is below counts; write the domain alone")
    } else if term.ends_with('.') || term.contains("..") {
        Some("has an empty label; write the domain as usual")
    } else if !term
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.:".contains(&byte))
    {
        Some(
            "is no domain in its normal form: lower-case ASCII letters, digits, `-`, `_` and `.` (punycode for others)",
        )
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Operator};

    #[test]
    fn every_field_is_listed_once_and_has_an_operator() {
        let names: std::collections::BTreeSet<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
        assert_eq!(names.len(), Field::ALL.len());
        assert!(Field::ALL.iter().all(|field| !field.operators().is_empty()));
        assert!(Field::ALL[6..].iter().all(|field| field.is_of_act()));
        assert!(Field::ALL[..6].iter().all(|field| !field.is_of_act()));
    }

    #[test]
    fn a_domain_is_written_alone_and_in_lower_case() {
        let fault = |term| Operator::InDomain.fault_of(Field::Host, term);
        for good in [
            "crt.sh",
            "ct.googleapis.com",
            "xn--80ak6aa92e.com",
            "10.0.0.1",
            "localhost",
            "2001:db8::1",
        ] {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            "https://crt.sh",
            "crt.sh/",
            ".crt.sh",
            "*.crt.sh",
            "crt.sh.",
            "a..b",
            "CRT.sh",
            "crt sh",
            "é.fr",
        ] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}

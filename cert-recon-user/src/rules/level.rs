//! The two ordered scales of a finding: how sure it is and how much it matters.
//!
//! Owns their names, order and parsing; never decides which rule gets which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A scale is shown by the names of its levels, and read from them.
macro_rules! reads_and_shows {
    ($scale:ident, $allowed:literal) => {
        impl fmt::Display for $scale {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $scale {
            type Err = ParseLevelError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .into_iter()
                    .find(|level| level.as_str() == text)
                    .ok_or(ParseLevelError { allowed: $allowed })
            }
        }
    };
}

/// How much is known about what the exec does. Ordered: `Low < Medium < High`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The words only occur.
    Low,
    /// A remote certificate is actively inspected.
    Medium,
    /// A listed tool really runs, or a client really asks a listed service.
    High,
}

impl Confidence {
    /// Every level, lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The name used in rules, options and findings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

reads_and_shows!(Confidence, "low, medium, high");

/// How much a finding matters, on Microsoft Sentinel's scale. Ordered: `Informational < Low < Medium < High`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Context for other findings.
    Informational,
    /// Minor.
    Low,
    /// Worth a look by an analyst.
    Medium,
    /// Needs one at once.
    High,
}

impl Severity {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::Informational, Self::Low, Self::Medium, Self::High];

    /// The name used in rules and findings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

reads_and_shows!(Severity, "informational, low, medium, high");

/// The text names no level of the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseLevelError {
    allowed: &'static str,
}

impl fmt::Display for ParseLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected one of: {}", self.allowed)
    }
}

impl std::error::Error for ParseLevelError {}

#[cfg(test)]
mod tests {
    use super::{Confidence, Severity};

    #[test]
    fn names_survive_a_round_trip_and_keep_their_order() {
        for level in Confidence::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        for level in Severity::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert!(Confidence::ALL.is_sorted());
        assert!(Severity::ALL.is_sorted());
        assert!(Confidence::Low < Confidence::Medium && Confidence::Medium < Confidence::High);
    }

    #[test]
    fn anything_else_is_an_error_that_lists_the_names() {
        for text in ["", "High", "HIGH", " low", "highest"] {
            let error = text.parse::<Confidence>().unwrap_err();
            assert_eq!(error.to_string(), "expected one of: low, medium, high");
        }
        assert!("none".parse::<Severity>().is_err());
    }
}

//! What is done with a finding that its reader does not want, or not that often.
//!
//! Owns [`Suppression`]s (who may do what, why and until when), [`folding`](Folding) of repeated findings, and the [`Gate`]
//! that asks both about each report and keeps the sums. Pure: it reads no file and no clock, and what a finding gives today
//! it gives tomorrow. Where suppressions are written is the matter of [`config`](crate::config).

mod facts;
#[cfg(test)]
mod fixture;
mod fold;
mod gate;
mod pattern;
mod set;
mod suppression;

pub use self::{
    facts::Facts,
    fold::{Folding, MOST_FINDINGS, MOST_REPORT_BYTES},
    gate::{Gate, Wanted},
    pattern::{Letters, MOST_PATTERN_BYTES, Pattern, PatternError, TargetPattern},
    set::{REMOVED, Suppressions},
    suppression::{Condition, MOST_COMMAND_LINE_BYTES, Suppression},
};

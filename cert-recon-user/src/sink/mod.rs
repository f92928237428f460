//! Where records go: their forms ([`form`]: [`json`], [`mod@line`], [`journal`], [`syslog`]; [`csv`]) and the outputs that take them
//! ([`output`]).

pub mod csv;
pub mod fields;
pub mod form;
pub mod journal;
pub mod json;
pub mod line;
pub mod output;
pub mod screen;
pub mod segments;
mod socket;
pub mod syslog;
pub mod top;

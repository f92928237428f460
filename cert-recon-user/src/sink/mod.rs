//! Where records go: their forms ([`form`]: [`json`], [`mod@line`], [`ecs`], [`ocsf`], [`journal`], [`syslog`], [`otlp`]; [`csv`]) and the outputs that take them
//! ([`output`]).

pub mod csv;
pub mod ecs;
mod escape;
pub mod fields;
pub mod folder;
pub mod form;
pub mod journal;
pub mod json;
pub mod line;
pub mod ocsf;
pub mod otlp;
pub mod output;
pub mod screen;
pub mod segments;
mod socket;
pub mod syslog;
pub mod terminal;
pub mod top;

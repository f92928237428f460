//! Where records go: their forms ([`json`], [`mod@line`], [`csv`]) and the outputs that take them ([`output`]).

pub mod csv;
pub mod json;
pub mod line;
pub mod output;
pub mod segments;

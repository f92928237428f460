//! Where records go: their forms ([`json`], [`mod@line`]) and the outputs that take them ([`output`]).

pub mod json;
pub mod line;
pub mod output;

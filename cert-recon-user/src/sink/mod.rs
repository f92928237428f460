//! Where records go: their forms ([`form`]: [`json`], [`mod@line`]; [`csv`]) and the outputs that take them ([`output`]).

pub mod csv;
pub mod form;
pub mod json;
pub mod line;
pub mod output;
pub mod segments;

//! Hunting in records: what becomes of findings once they are made.

pub mod coverage;
pub mod page;
pub mod rendered;
pub mod sorter;
pub mod summary;

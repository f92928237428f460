//! TOML documents that people write: rule files and the configuration.
//!
//! Owns positions, types, unknown keys, "did you mean", and the wording of the faults that every such file can have. Never
//! knows what a rule or a setting is, and never reads a file: the caller gives it the text.

mod fault;
mod reader;
mod suggest;

pub(crate) use self::fault::suggest;
pub use self::fault::{Located, Problem};
pub(crate) use self::reader::{Source, Table, Value, is_name};
pub(crate) use self::suggest::nearest;

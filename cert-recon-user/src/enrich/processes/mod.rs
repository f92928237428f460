//! What each process runs: the images that execs made, so that a parent and its ancestors can be described.
//!
//! Pure: whether a process still lives is asked through [`Liveness`]. Bounded: at most [`Limits::bytes`] of memory, whatever
//! the host does. What is kept when that is full: images that were an ancestor of some exec, or whose process still lives
//! when its turn to be forgotten comes, are kept before others (most execs are short-lived leaves that nothing will ever ask
//! for), and among equals the one that was not asked for longest goes first.

mod scan;
mod table;

pub use scan::{ProcScan, Running, Scanned};
pub use table::{Limits, Liveness, Processes};

//! The live source: the running kernel's execs, through the eBPF program.
//!
//! Owns the program's life (offsets, load, attach, counters, detach) and the way from ring-buffer bytes to
//! [`crate::event::Exec`]. It judges nothing and prints nothing. [`btf`], [`offsets`], `placeholders` and [`reassembly`] are pure.

pub mod btf;
pub mod convert;
mod error;
mod fill;
mod loader;
mod mapping;
pub mod offsets;
mod placeholders;
mod programs;
pub mod reassembly;
mod type_information;
mod wakeups;

pub use error::LiveError;
pub use loader::{Arrival, Live, Nonce, Options, Totals};

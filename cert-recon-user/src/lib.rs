//! cert-recon: sees every exec on a Linux host and reports reconnaissance through digital certificates (ATT&CK T1596.003).
//!
//! The data's way is the list of modules: [`source`] -> [`enrich`] -> [`rules`] (through [`pipeline`]) ->
//! [`suppress`] -> [`sink`]. All sources give one event type, [`event::Exec`]. `rules`, `pipeline` and `suppress` are pure:
//! no I/O, no clock.

pub mod acts;
pub mod backlog;
pub mod cli;
pub mod config;
pub mod document;
pub mod enrich;
pub mod event;
pub mod finding;
pub mod host;
pub mod hunt;
pub mod metrics;
pub mod pipeline;
pub mod record;
pub mod rules;
pub mod sink;
pub mod source;
pub mod suppress;
#[cfg(test)]
mod testing;
pub mod text;
pub mod watch;

//! Where execs come from. Every source turns what it reads into [`crate::event::Exec`]; only [`live`] knows eBPF.

pub mod live;

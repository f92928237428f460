//! Where execs come from. Every source turns what it reads into [`crate::event::Exec`]; only [`live`] knows eBPF, and
//! only [`recorded`] reads what others wrote down.

pub mod live;
pub mod recorded;

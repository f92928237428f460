//! What user space adds to an exec: what the processes above it run, names of users, container and unit, the hash of the
//! executable and the watched program that it is a copy of. What takes time is asked for on the drain's thread, found on others, and put into the reports by [`stage`],
//! which keeps them in order.

pub mod accounts;
pub mod cgroup;
pub mod hash;
pub mod known;
pub mod processes;
pub mod stage;

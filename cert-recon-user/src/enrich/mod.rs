//! What user space adds to an exec: names of users, container and units.

pub mod accounts;
pub mod cgroup;

//! What user space adds to an exec: names of users.

pub mod accounts;

//! What an exec does: the commands that really run behind wrappers and shells, whom they ask, and about what.
//!
//! Owns the way from argv to [`Act`]s; never decides whether an act matters (`rules` does). Pure logic: no I/O, no clock,
//! no panic on any bytes, and work that is linear in the length of argv (see [`Budget`]).
//!
//! The way of an exec: `effective` looks through wrappers, interpreters and `sh -c` (whose strings `shell` parses) and
//! gives the [`Command`]s; `requests` reads the options of each as the program itself would, and says which hosts it
//! asks and which targets it asks about.

mod act;
mod budget;
mod command;
pub mod effective;
pub mod requests;
pub mod shell;

pub use self::act::{Act, Manner, Requests};
pub use self::budget::{Budget, Limit};
pub use self::command::{Command, Via, Word};

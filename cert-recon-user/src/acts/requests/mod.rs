//! What the arguments of a command say: hosts, targets, scripts. Each family of programs is read as it reads its options itself.

use super::{Budget, Command, Requests};

/// What a command asks for.
#[must_use]
pub fn of(command: &Command<'_>, budget: &mut Budget) -> Requests {
    let _ = (command, budget);
    Requests::default()
}

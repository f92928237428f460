//! What the monitor says while its live view has the terminal: held back, and said when the terminal is given back.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::sink::top;

/// Messages that are held; the oldest go first.
const MOST: usize = 500;

/// None while nothing is held back.
static MESSAGES: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

fn messages() -> MutexGuard<'static, Option<VecDeque<String>>> {
    MESSAGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a message that would spoil the view; false when it is to be said at once.
pub(super) fn take(message: &str) -> bool {
    let mut messages = messages();
    let Some(held) = messages.as_mut() else { return false };
    if held.len() == MOST {
        held.pop_front();
    }
    held.push_back(message.to_owned());
    true
}

/// The newest message that is held.
pub(super) fn newest() -> Option<String> {
    messages().as_ref()?.back().cloned()
}

/// While it lives, messages are held back, when standard error is a terminal: most likely the one that the view is on.
pub(super) struct Held;

impl Held {
    pub(super) fn begin() -> Self {
        if io::stderr().is_terminal() {
            *messages() = Some(VecDeque::new());
        }
        Self
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // However the view ended, the terminal is as it was before. Nobody may be left to read it.
        let _ = io::stdout().write_all(top::LEAVE).and_then(|()| io::stdout().flush());
        let held = messages().take();
        for message in held.into_iter().flatten() {
            let _ = writeln!(io::stderr(), "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_held_while_asked_for_and_only_then() {
        assert!(!take("at once"));
        *messages() = Some(VecDeque::new());
        for n in 0..MOST + 5 {
            assert!(take(&n.to_string()));
        }
        assert_eq!(newest().unwrap(), (MOST + 4).to_string());
        let held = messages().take().unwrap();
        assert_eq!((held.len(), held[0].as_str()), (MOST, "5"));
        assert!(!take("at once again"));
    }
}

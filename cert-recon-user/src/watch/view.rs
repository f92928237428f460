//! The live view on a terminal (`--top`): drawn on every tick, by a thread of its own as every output.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::OUTPUT_LIMIT;
use crate::{
    record::Record,
    sink::{
        output::{self, OpenError, Opened, Output, Target, Weight},
        top::{self, Size, State, Top},
    },
};

/// The newest message of the monitor that waits until the terminal is given back.
pub type Newest = fn() -> Option<String>;

/// The view and its terminal.
pub(super) struct View {
    top: Mutex<Top>,
    output: Output,
    colour: bool,
    newest: Newest,
}

impl View {
    /// Takes the terminal over. `broken` is called when it goes away.
    pub(super) fn start(device: String, newest: Newest, broken: impl Fn() + Send + 'static) -> Result<Self, OpenError> {
        let output = Output::start(Opened::open(Target::Stdout)?, broken)?;
        output.send(top::ENTER.to_vec(), Weight::Own);
        Ok(Self {
            top: Mutex::new(Top::new(device)),
            output,
            colour: output::colour(),
            newest,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Top> {
        self.top.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, record: &Record) {
        self.lock().note(record);
    }

    /// Draws it anew, unless the terminal has not even taken the frame before.
    pub(super) fn draw(&self, state: State) {
        if self.output.state().queued_bytes > 0 {
            return;
        }
        let (width, height) = output::terminal_size();
        let size = Size {
            width,
            height,
            colour: self.colour,
        };
        let mut top = self.lock();
        if let Some(message) = (self.newest)() {
            top.message(message);
        }
        let frame = top.frame(state, size);
        drop(top);
        self.output.send(frame, Weight::Own);
    }

    /// Gives the terminal back. Frames that it did not take are no loss.
    pub(super) fn end(&self) {
        self.output.send(top::LEAVE.to_vec(), Weight::Own);
        let _ = self.output.finish(OUTPUT_LIMIT);
    }
}

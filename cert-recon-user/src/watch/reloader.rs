//! Reading the settings anew while the monitor runs: on a thread of its own, for files may take their time.

use std::{future, thread};

use tokio::sync::oneshot;

use super::{Reload, Settings};

type Answer = Result<Settings, String>;

/// Runs one reading at a time.
#[derive(Debug)]
pub(super) struct Reloader {
    reload: Reload,
    running: Option<oneshot::Receiver<Answer>>,
    /// Asked again meanwhile: what is being read may be older than that.
    again: bool,
}

impl Reloader {
    pub(super) fn new(reload: Reload) -> Self {
        Self {
            reload,
            running: None,
            again: false,
        }
    }

    /// Begins to read, now or after the reading under way.
    pub(super) fn start(&mut self) {
        if self.running.is_some() {
            self.again = true;
            return;
        }
        let (answer, running) = oneshot::channel();
        self.running = Some(running);
        let reload = self.reload.clone();
        // Without a thread the sender goes with the closure, which is an answer too. Nobody waits for the thread: a file that
        // can't be read does not hold up the end.
        let started = thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || drop(answer.send((reload.0)())));
        if let Err(error) = started {
            log::error!("starting a thread to read the configuration: {error}");
        }
    }

    /// Whether a reading is under way.
    pub(super) fn is_reading(&self) -> bool {
        self.running.is_some()
    }

    /// What the reading under way gave; never ready when there is none. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Answer {
        let Some(running) = &mut self.running else {
            return future::pending().await;
        };
        let answer = running
            .await
            .unwrap_or_else(|_| Err("the reading of the configuration ended without a result".to_owned()));
        self.running = None;
        if std::mem::take(&mut self.again) {
            self.start();
        }
        answer
    }
}

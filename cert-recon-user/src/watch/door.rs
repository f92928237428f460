//! The end of the stage: asks the gate about each report and gives what is left to the outputs.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use tokio::sync::Notify;

use super::Outputs;
use crate::{
    enrich::stage::Taker,
    finding::Report,
    record::{Health, Occasion, Record},
    suppress::{Gate, Suppression},
};

/// The gate, as the threads share it. It is held for decisions only, never while something is written.
#[derive(Clone, Debug)]
pub(super) struct SharedGate(Arc<Mutex<Gate>>);

impl SharedGate {
    pub(super) fn new(gate: Gate) -> Self {
        Self(Arc::new(Mutex::new(gate)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Gate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which suppressions have expired since the last look.
    pub(super) fn tell_expired(&self, now: SystemTime) {
        let expired = self.lock().newly_expired(now);
        for suppression in expired {
            log::warn!("{}", expired_message(&suppression));
        }
    }
}

fn expired_message(suppression: &Suppression) -> String {
    let since = suppression
        .expires
        .map(|expires| format!(" since {}", humantime::format_rfc3339_seconds(expires)))
        .unwrap_or_default();
    let owner = suppression
        .owner
        .as_ref()
        .map(|owner| format!("; owner: {owner}"))
        .unwrap_or_default();
    format!(
        "suppression {} has expired and no longer works{since} (reason: {}{owner}): renew or remove it",
        suppression.name, suppression.reason
    )
}

/// Behind the stage.
pub(super) struct Door {
    pub(super) gate: SharedGate,
    pub(super) outputs: Arc<Outputs>,
    /// Told when as many reports were written as were asked for.
    pub(super) full: Arc<Notify>,
}

impl Door {
    fn write_all(&self, reports: Vec<Report>) {
        for report in reports {
            self.outputs.write(&Record::Exec(Box::new(report)));
        }
        if self.gate.lock().is_full() {
            self.full.notify_one();
        }
    }

    fn health(&self, mut health: Box<Health>) {
        if health.occasion == Occasion::Exit {
            let left = self.gate.lock().end();
            self.write_all(left);
        }
        self.gate.lock().complete(&mut health);
        self.outputs.write(&Record::Health(health));
    }
}

impl Taker for Door {
    fn record(&mut self, record: Record) {
        match record {
            Record::Exec(report) => {
                self.outputs.keep(&report);
                let written = self.gate.lock().take(*report);
                self.write_all(written.into_iter().collect());
            }
            Record::Health(health) => self.health(health),
            record => self.outputs.write(&record),
        }
    }

    fn time(&mut self, now: SystemTime) {
        self.gate.tell_expired(now);
        let due = self.gate.lock().tick(now);
        self.write_all(due);
    }
}

//! When the first exec is lost. As fast as this machine execs, the ring buffer of the default size may lose none, so smaller ones
//! are tried as well, and a monitor that stands still while the execs go on.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    monitor::{CERT_RECON, Monitor, Output},
    sums,
    workload::Workload,
};

/// The default first; then smaller ones, down to the smallest.
const RINGS: [u64; 5] = [16 << 20, 1 << 20, 256 << 10, 64 << 10, 16 << 10];

/// A storm under a monitor with this ring buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    /// Size of the ring buffer, bytes.
    pub(super) ring: u64,
    /// The monitor stood still from before the storm until after it.
    pub(super) is_stopped: bool,
    pub(super) execs: u64,
    pub(super) lost: u64,
    /// How long the storm took.
    pub(super) wall: Duration,
}

impl Loss {
    /// Execs per second.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(super) fn rate(self) -> f64 {
        self.execs as f64 / self.wall.as_secs_f64()
    }

    /// How long a monitor can stand still at this rate before the first exec is lost; none when none was.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(super) fn standstill(self) -> Option<Duration> {
        let held = self.execs.checked_sub(self.lost)? as f64;
        (self.is_stopped && self.lost > 0).then(|| Duration::from_secs_f64(held / self.rate()))
    }
}

/// Runs `storm` with each size, and once with the default while the monitor stands still.
pub(super) fn measure(program: &Path, storm: &Workload, folder: &Path) -> Result<Vec<Loss>> {
    let [default, ..] = RINGS;
    let runs = RINGS.iter().map(|&ring| (ring, false)).chain([(default, true)]);
    runs.map(|(ring, is_stopped)| {
        let size = format!("--ring-size={ring}");
        let running = Monitor::cert_recon(CERT_RECON, program, &[&size]).start(folder, Output::File)?;
        running.settle();
        let process = running.process().context("no process of the monitor")?;
        let signal = |signal| {
            let pid = i32::try_from(process.0).ok().and_then(Pid::from_raw);
            pid.map_or(Ok(()), |pid| kill_process(pid, signal))
        };
        if is_stopped {
            signal(Signal::STOP).context("stopping the monitor")?;
        }
        let cost = storm.run();
        if is_stopped {
            signal(Signal::CONT).context("letting the monitor go on")?;
        }
        let wall = cost?.wall;
        running.settle();
        let output = running.stop()?.0;
        let sums = sums(&output).context("cert-recon did not say its sums")?;
        Ok(Loss {
            ring,
            is_stopped,
            execs: sums.execs,
            lost: sums.lost,
            wall,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_is_as_long_as_what_the_ring_buffer_held() {
        let loss = Loss {
            ring: 16 << 20,
            is_stopped: true,
            execs: 1000,
            lost: 250,
            wall: Duration::from_secs(2),
        };
        assert_eq!(loss.standstill(), Some(Duration::from_millis(1500)));
        let held_all = Loss { lost: 0, ..loss };
        assert_eq!(held_all.standstill(), None, "longer than was tried");
        let running = Loss {
            is_stopped: false,
            ..loss
        };
        assert_eq!(running.standstill(), None);
    }
}

//! Time in the eBPF programs of two builds of cert-recon that watch the same execs at once. What a busy machine does to one it
//! does to the other, so that their ratio shows a change of a hundredth, where runs in turn differ by a fifth.

use std::path::Path;

use anyhow::{Context, Result};

use super::{
    measure::{Process, Stats, spent},
    monitor::{Monitor, Output},
    workload::Workload,
};

/// Storms in a row under the same two monitors.
const STORMS: usize = 6;

/// The time of the first divided by that of the second, of each storm: where the first was attached before the second, and where
/// after it. The one that comes second finds the kernel's data in the cache.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    pub(super) before: Vec<f64>,
    pub(super) after: Vec<f64>,
}

/// Attaches both in turns of order, `rounds` of each.
pub(super) fn measure(new: &Monitor, old: &Monitor, storm: &Workload, rounds: usize, folder: &Path) -> Result<Pair> {
    let _stats = Stats::on()?;
    let folders = [folder.join("new"), folder.join("old")];
    for folder in &folders {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let [new_folder, old_folder] = &folders;
    let mut pair = Pair::default();
    for round in 0..2 * rounds {
        let is_first = round % 2 == 0;
        let (new, old) = if is_first {
            let new = new.start(new_folder, Output::File)?;
            (new, old.start(old_folder, Output::File)?)
        } else {
            let old = old.start(old_folder, Output::File)?;
            (new.start(new_folder, Output::File)?, old)
        };
        new.settle();
        old.settle();
        let process = |running: Option<Process>| running.context("no process of the monitor");
        let (new_process, old_process) = (process(new.process())?, process(old.process())?);
        for _ in 0..STORMS {
            let before = [new_process.programs(), old_process.programs()];
            storm.run()?;
            let [new, old] = [(new_process, &before[0]), (old_process, &before[1])]
                .map(|(process, before)| spent(before, &process.programs()));
            if is_first { &mut pair.before } else { &mut pair.after }.push(new / old);
        }
    }
    Ok(pair)
}

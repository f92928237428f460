//! Which programs of the object a kernel gets, and what each is for.

use cert_recon_common::{LANES, program};

/// In the order in which they are attached, which is the order in which the kernel runs them.
const ATTACHED: [&str; LANES as usize] = ["sched_process_exec", "second_chance", "third_chance", "fourth_chance"];
const CONTINUED: [(u32, &str); program::COUNT as usize] = [
    (program::WALK, "walk_paths"),
    (program::EMIT, "send_head"),
    (program::CHUNKS, "send_chunks"),
    (program::LOSS, "note_loss"),
    (program::SCAN, "scan_tasks"),
    (program::BEGIN, "begin_again"),
    (program::CUT, "note_cut"),
];

/// Those of which there are two, and the other's name.
const PROBED: [(&str, &str); 3] = [
    ("sched_process_exec", "sched_process_exec_probed"),
    ("send_head", "send_head_probed"),
    ("begin_again", "begin_again_probed"),
];

/// The programs for one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    /// They follow the kernel's pointers; otherwise helper functions read what those lead to.
    pub(super) follow: bool,
    /// Programs on a tracepoint may be preempted, so that more than one is attached.
    pub(super) may_preempt: bool,
}

impl Programs {
    /// The programs that are attached, in that order.
    pub(super) fn attached(self) -> impl Iterator<Item = &'static str> {
        let lanes = if self.may_preempt { ATTACHED.len() } else { 1 };
        ATTACHED.into_iter().take(lanes).map(move |name| self.of_its_kind(name))
    }

    /// The programs that those go on in, each with its slot (`cert_recon_common::program`).
    pub(super) fn continued(self) -> impl Iterator<Item = (u32, &'static str)> {
        CONTINUED
            .into_iter()
            // Where the first program is run for every exec, none begins again.
            .filter(move |(slot, _)| self.may_preempt || *slot != program::BEGIN)
            .map(move |(slot, name)| (slot, self.of_its_kind(name)))
    }

    fn of_its_kind(self, name: &'static str) -> &'static str {
        let probed = PROBED.iter().find(|(followed, _)| *followed == name);
        match probed {
            Some((_, probed)) if !self.follow => probed,
            _ => name,
        }
    }
}

/// What the attached program of this name is called in metrics: the same whichever kind it is of.
pub(super) fn metric_name(name: &'static str) -> &'static str {
    let followed = PROBED.iter().find(|(_, probed)| *probed == name);
    followed.map_or(name, |(followed, _)| followed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(programs: Programs) -> Vec<&'static str> {
        let continued = programs.continued().map(|(_, name)| name);
        programs.attached().chain(continued).collect()
    }

    #[test]
    fn a_kernel_that_preempts_no_program_gets_one_attached() {
        let programs = Programs {
            follow: true,
            may_preempt: false,
        };
        assert_eq!(programs.attached().collect::<Vec<_>>(), ["sched_process_exec"]);
        assert!(!all(programs).contains(&"begin_again"));
        let all = all(Programs {
            may_preempt: true,
            ..programs
        });
        assert_eq!(all.len(), ATTACHED.len() + CONTINUED.len());
    }

    #[test]
    fn programs_are_of_one_kind() {
        let kinds = [true, false].map(|follow| {
            all(Programs {
                follow,
                may_preempt: true,
            })
        });
        for (followed, probed) in PROBED {
            assert!(kinds[0].contains(&followed) && !kinds[0].contains(&probed));
            assert!(kinds[1].contains(&probed) && !kinds[1].contains(&followed));
            assert_eq!(metric_name(probed), followed);
        }
        assert_eq!(metric_name("second_chance"), "second_chance");
    }
}

//! Trees of processes, made at random, with the truth about the process at the end of each.

use std::{
    fs, io,
    process::{Child, Stdio},
};

use super::{
    actor::{Chain, Reported, Stage},
    eventually,
    exec::Exec,
    temp::Temp,
    token,
    truth::{Process, above, difference},
    watch::Row,
};

/// Waits for the end of a process that need not be a child of this one: the next one could take the byte that was for it.
#[track_caller]
pub(crate) fn wait_for_end(pid: u32) {
    let has_ended = || {
        fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| {
            stat.rsplit_once(')')
                .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
        })
    };
    assert!(eventually(has_ended), "the process {pid} ends");
}

/// Starts the first actor of a chain, from a process that does this before.
#[track_caller]
pub(crate) fn start(
    stage: &Stage,
    chain: &Chain,
    before: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) -> Child {
    Exec::new(stage.path())
        .args(chain.argv())
        .before(stage.enter())
        .before(before)
        .spawn(Stdio::null())
        .expect("an actor")
}

/// Nothing to do before.
pub(crate) fn nothing() -> io::Result<()> {
    Ok(())
}

/// A generator of numbers, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Steps of some actors: forks, orphans and execs in place, six levels deep at most, then one that is held.
    fn steps(&mut self) -> Vec<String> {
        let mut steps = Vec::new();
        let mut left = self.below(7);
        loop {
            let mut word = String::new();
            // Execs in place have none.
            for _ in 0..self.below(4).min(left) {
                word.push(if self.below(8) == 0 { 'o' } else { 'f' });
                left -= 1;
            }
            if word.contains('o') && self.below(2) == 0 {
                word.insert_str(0, "sf");
            }
            steps.push(word);
            if left == 0 || steps.len() == 6 {
                steps.push("pw".to_owned());
                return steps;
            }
        }
    }
}

/// An actor of the storm, and what is true of it.
pub(crate) struct Leaf {
    pub(crate) chain: Chain,
    steps: Vec<String>,
    who: Reported,
    pub(crate) above: Vec<Process>,
}

impl Leaf {
    /// What is wrong with the row of its exec.
    pub(crate) fn check(&self, row: &Row) -> Option<String> {
        if row.number("ProcessId") != Some(u64::from(self.who.pid)) {
            return Some("ProcessId".to_owned());
        }
        let lines = self.chain.lines();
        let at = lines.len() - 1;
        let before = at.checked_sub(1).filter(|&at| self.steps[at].is_empty());
        if row.text("PreviousCommandLine") != before.map(|at| lines[at].as_str()) {
            return Some("PreviousCommandLine".to_owned());
        }
        difference(row, &self.above)
    }
}

/// Makes one tree after the other.
pub(crate) struct Player {
    stage: Stage,
    random: Random,
    execs: usize,
}

impl Player {
    /// The name of its program begins so. Those with the same seed and other numbers make other trees.
    pub(crate) fn new(temp: &Temp, name: &str, seed: u64, number: u64) -> Self {
        Self {
            stage: Stage::named(temp, &format!("{name}{}", &token()[16..])),
            random: Random(seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            execs: 0,
        }
    }

    /// Makes a tree, looks at it while it is held, and lets it end.
    pub(crate) fn leaf(&mut self) -> Leaf {
        let steps = self.random.steps();
        let words: Vec<&str> = steps.iter().map(String::as_str).collect();
        let chain = self.stage.chain(&words);
        self.execs += steps.len();
        let mut child = start(&self.stage, &chain, nothing);
        let who = self.stage.reported();
        let above = above(who.pid);
        self.stage.release(1);
        wait_for_end(who.pid);
        assert!(child.wait().expect("its end").success());
        Leaf {
            chain,
            steps,
            who,
            above,
        }
    }

    /// Execs made.
    pub(crate) fn execs(&self) -> usize {
        self.execs
    }
}

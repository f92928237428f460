//! What a guest says and what it means. Pure: lines in, verdicts out.
//!
//! A guest has two lines to the host. On its console the kernel speaks. On the other, init (`xtask/init`) reports,
//! each line beginning with `@vm `:
//!
//! | line | says |
//! |---|---|
//! | `boot RELEASE` | init runs on this kernel |
//! | `note TEXT` | something about the guest that a reader of a failure may want to know |
//! | `broken BINARY WHY` | a test binary that can't list its tests |
//! | `plan TEST` | this test will be run |
//! | `begin TEST` | ... is being run |
//! | `\| TEXT` | a line that the running test wrote |
//! | `kernel TEXT` | a record of the kernel's log: while a test runs of any level, otherwise of a warning or worse |
//! | `end TEST HOW MILLISECONDS` | how its process ended: `exit:N`, `signal:N`, `timeout`, `error:WHY` |
//! | `done` | all is run; the machine turns itself off |
//!
//! The verdict on a test is libtest's: exit status 0 and its line `test result: ok. 1 passed`. A test that passes and
//! has printed a line `SKIP: reason` says that it is impossible here. A test during which the kernel complains fails.

use std::mem;
use std::time::Duration;

/// The row under which a boot itself is judged.
pub(super) const BOOT: &str = "boot";

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// With the reason that the test gave.
    Skipped(String),
    /// With the reason, in one line.
    Failed(String),
}

/// One test on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) test: String,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
    /// What the test wrote, and what the kernel said meanwhile.
    pub(super) output: Vec<String>,
}

/// How the guest came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The machine turned itself off, or died.
    Exited,
    /// It was stopped from outside: nothing was heard for too long.
    Silent(Duration),
}

/// The story of one boot, told line by line.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) release: Option<String>,
    plan: Vec<String>,
    running: Option<Running>,
    finished: usize,
    /// What was said while no test ran.
    between: Vec<String>,
    complaints: Vec<String>,
    /// All complaints that init has read in the kernel's log.
    reported: Vec<String>,
    /// Complaints on the console. A kernel that lives on is also heard through init, and better: there it is known
    /// which test is at fault.
    console_complaints: Vec<String>,
    done: bool,
}

#[derive(Debug, Default)]
struct Running {
    test: String,
    output: Vec<String>,
    console: Vec<String>,
    complaints: Vec<String>,
}

/// What is known when the guest is gone.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) outcomes: Vec<Outcome>,
    /// The test that the guest died in, when tests after it are still to be run.
    pub(super) resume_after: Option<String>,
}

impl Session {
    /// Takes in a line of init's report. Returns what became of a test, when the line ends one.
    pub(super) fn report_line(&mut self, line: &str) -> Option<Outcome> {
        let Some(line) = line.strip_prefix("@vm ") else {
            // QEMU itself.
            self.remember(format!("[qemu] {line}"));
            return None;
        };
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "boot" => self.release = Some(rest.to_owned()),
            "plan" => self.plan.push(rest.to_owned()),
            "begin" => {
                self.running = Some(Running {
                    test: rest.to_owned(),
                    ..Running::default()
                });
            }
            "|" => self.remember(rest.to_owned()),
            "kernel" => self.kernel_record(rest),
            "broken" => self.complaints.push(format!("broken test binary: {rest}")),
            "end" => return self.end_of_test(rest),
            "done" => self.done = true,
            _ => self.remember(format!("[init] {rest}")),
        }
        None
    }

    /// Takes in a line of the guest's console.
    pub(super) fn console_line(&mut self, line: &str) {
        if line.is_empty() {
            return;
        }
        let place = self
            .running
            .as_mut()
            .map_or(&mut self.between, |running| &mut running.console);
        place.push(format!("[console] {line}"));
        if is_complaint(line) {
            self.console_complaints.push(without_time(line).to_owned());
        }
    }

    /// Takes in a record of the kernel's log.
    fn kernel_record(&mut self, text: &str) {
        self.remember(format!("[kernel] {text}"));
        if is_complaint(text) {
            self.reported.push(text.to_owned());
            let complaints = self
                .running
                .as_mut()
                .map_or(&mut self.complaints, |running| &mut running.complaints);
            complaints.push(text.to_owned());
        }
    }

    /// Whether a test is being run now.
    pub(super) fn in_test(&self) -> bool {
        self.running.is_some()
    }

    /// The guest is gone. `booted` is how long it took to init's first word.
    pub(super) fn close(mut self, end: End, booted: Option<Duration>) -> Closed {
        // What init had no time to report: the kernel's last words.
        let mut unreported = mem::take(&mut self.console_complaints);
        unreported.retain(|complaint| !self.reported.contains(complaint));
        let why = |complaints: &[String]| match (end, complaints) {
            (End::Exited, []) => "the guest ended in the middle of it".to_owned(),
            (End::Silent(limit), []) => format!("hang: the guest said nothing for {} s", limit.as_secs()),
            // The first complaint is the cause, what follows are its consequences.
            (_, [first, ..]) => format!("kernel: {first}"),
        };
        let mut outcomes = Vec::new();
        let died_in = self.running.take().map(|mut running| {
            let verdict = Verdict::Failed(why(&mem::take(&mut unreported)));
            running.output.append(&mut running.console);
            let outcome = Outcome {
                test: running.test.clone(),
                verdict,
                took: Duration::ZERO,
                output: running.output,
            };
            outcomes.push(outcome);
            self.finished += 1;
            running.test
        });
        self.complaints.append(&mut unreported);
        let resume_after = died_in.clone().filter(|_| self.finished < self.plan.len());
        let verdict = if let [first, ..] = self.complaints.as_slice() {
            Verdict::Failed(if first.starts_with("broken") {
                first.clone()
            } else {
                format!("kernel: {first}")
            })
        } else if self.release.is_none() || !self.done && died_in.is_none() {
            Verdict::Failed(match self.release {
                None => format!("init was not reached; {}", why(&[])),
                Some(_) => why(&[]),
            })
        } else {
            Verdict::Passed
        };
        let took = booted.unwrap_or_default();
        outcomes.push(Outcome {
            test: BOOT.to_owned(),
            verdict,
            took,
            output: self.between,
        });
        if resume_after.is_none() {
            // Nobody will run what is left.
            for test in self.plan.drain(..).skip(self.finished) {
                let verdict = Verdict::Failed("not run: the guest was gone".to_owned());
                outcomes.push(Outcome {
                    test,
                    verdict,
                    took: Duration::ZERO,
                    output: Vec::new(),
                });
            }
        }
        Closed { outcomes, resume_after }
    }

    fn remember(&mut self, line: String) {
        self.running
            .as_mut()
            .map_or(&mut self.between, |running| &mut running.output)
            .push(line);
    }

    fn end_of_test(&mut self, rest: &str) -> Option<Outcome> {
        let running = self.running.take()?;
        let mut words = rest.split(' ').skip(1);
        let how = words.next().unwrap_or_default();
        let took = Duration::from_millis(words.next().and_then(|number| number.parse().ok()).unwrap_or_default());
        self.finished += 1;
        let verdict = verdict(how, &running);
        Some(Outcome {
            test: running.test,
            verdict,
            took,
            output: running.output,
        })
    }
}

fn verdict(how: &str, running: &Running) -> Verdict {
    if let Some(complaint) = running.complaints.first() {
        return Verdict::Failed(format!("kernel: {complaint}"));
    }
    match how.split_once(':').unwrap_or((how, "")) {
        ("exit", "0") => {}
        ("exit", "101") => return Verdict::Failed(panic_message(running)),
        ("exit", code) => return Verdict::Failed(format!("exit status {code}")),
        ("signal", number) => return Verdict::Failed(format!("ended by signal {number}")),
        ("timeout", _) => return Verdict::Failed("timed out".to_owned()),
        (_, why) => return Verdict::Failed(why.replace('_', " ")),
    }
    if !running
        .output
        .iter()
        .any(|line| line.starts_with("test result: ok. 1 passed;"))
    {
        return Verdict::Failed("libtest didn't say that the test passed".to_owned());
    }
    match running.output.iter().find_map(|line| skip_reason(line)) {
        Some(reason) => Verdict::Skipped(reason.to_owned()),
        None => Verdict::Passed,
    }
}

/// The reason in `SKIP: reason`. The first line of a test's output has libtest's `test NAME ... ` before it.
fn skip_reason(line: &str) -> Option<&str> {
    let own = match line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) {
        Some((_, own)) => own,
        None => line,
    };
    own.strip_prefix("SKIP: ").map(str::trim)
}

/// Characters of a message.
const MESSAGE: usize = 600;

/// The first line of the message with which the test panicked, cut to what a table's remark can bear.
fn panic_message(running: &Running) -> String {
    let mut lines = running
        .output
        .iter()
        .skip_while(|line| !line.contains("panicked at "))
        .skip(1);
    lines
        .next()
        .filter(|line| !line.is_empty())
        .map_or_else(|| "failed".to_owned(), |line| line.chars().take(MESSAGE).collect())
}

/// Whether the kernel says here that something is wrong with it: words of its panic, oops, BUG, WARNING, soft lock-up,
/// hung task, RCU stall and memory checkers.
fn is_complaint(line: &str) -> bool {
    let text = without_time(line);
    let starts = [
        "BUG: ",
        "Oops: ",
        "Oops:",
        "WARNING: ",
        "Internal error: ",
        "general protection fault",
        "KASAN: ",
        "UBSAN: ",
    ];
    let contains = [
        "Kernel panic - not syncing",
        "BUG: soft lockup",
        "BUG: unable to handle",
        "Unable to handle kernel ",
        "kernel BUG at ",
        "detected stall",
        "self-detected stall",
        "blocked for more than",
        "invalid opcode: ",
        "Out of memory: Killed process",
    ];
    starts.iter().any(|word| text.starts_with(word)) || contains.iter().any(|word| text.contains(word))
}

/// The line without the kernel's `[    1.234567] `.
fn without_time(line: &str) -> &str {
    let stamp = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match stamp {
        Some((time, text)) if time.trim().parse::<f64>().is_ok() => text,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::{Closed, Duration, End, Outcome, Session, Verdict, is_complaint, skip_reason};

    fn feed(session: &mut Session, lines: &[&str]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for line in lines {
            match line.strip_prefix("K ") {
                Some(line) => session.console_line(line),
                None => outcomes.extend(session.report_line(line)),
            }
        }
        outcomes
    }

    fn story(lines: &[&str], end: End) -> (Vec<(String, Verdict)>, Option<String>) {
        let mut session = Session::default();
        let mut outcomes = feed(&mut session, lines);
        let Closed {
            outcomes: rest,
            resume_after,
        } = session.close(end, Some(Duration::from_secs(7)));
        outcomes.extend(rest);
        (
            outcomes
                .into_iter()
                .map(|outcome| (outcome.test, outcome.verdict))
                .collect(),
            resume_after,
        )
    }

    fn failed(text: &str) -> Verdict {
        Verdict::Failed(text.to_owned())
    }

    const OK: [&str; 2] = ["@vm | ok", "@vm | test result: ok. 1 passed; 0 failed; 0 ignored"];

    #[test]
    fn a_boot_in_which_all_is_well() {
        let lines = [
            &[
                "@vm boot 6.12.1",
                "@vm plan b::one",
                "@vm plan b::two",
                "@vm begin b::one",
                "@vm | test one ... ",
            ][..],
            &OK,
            &[
                "@vm end b::one exit:0 1500",
                "@vm begin b::two",
                "@vm | test two ... SKIP: no bpf_loop here",
            ],
            &OK,
            &[
                "@vm end b::two exit:0 3",
                "@vm done",
                "K [    9.000000] reboot: Power down",
            ],
        ]
        .concat();
        let (outcomes, resume_after) = story(&lines, End::Exited);
        let expected = [
            ("b::one".to_owned(), Verdict::Passed),
            ("b::two".to_owned(), Verdict::Skipped("no bpf_loop here".to_owned())),
            ("boot".to_owned(), Verdict::Passed),
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(resume_after, None);
    }

    #[test]
    fn how_a_process_ends_decides_and_libtest_has_to_agree() {
        for (how, said, expected) in [
            ("exit:0", "@vm | test result: ok. 1 passed; 0 failed", Verdict::Passed),
            (
                "exit:0",
                "@vm | test result: ok. 0 passed; 0 failed",
                failed("libtest didn't say that the test passed"),
            ),
            (
                "exit:1",
                "@vm | test result: ok. 1 passed; 0 failed",
                failed("exit status 1"),
            ),
            ("signal:11", "@vm | ", failed("ended by signal 11")),
            ("timeout", "@vm | ", failed("timed out")),
            ("error:No_such_file", "@vm | ", failed("No such file")),
        ] {
            let mut session = Session::default();
            let end = format!("@vm end b::t {how} 12");
            let outcomes = feed(&mut session, &["@vm begin b::t", said, &end]);
            assert_eq!(outcomes[0].verdict, expected, "{how}");
            assert_eq!(outcomes[0].took, Duration::from_millis(12));
        }
    }

    #[test]
    fn a_failed_assertion_is_named() {
        let mut session = Session::default();
        let outcomes = feed(
            &mut session,
            &[
                "@vm begin b::t",
                "@vm | thread 't' (7) panicked at live.rs:3:5:",
                "@vm | assertion failed: seen",
                "@vm | SKIP: not really",
                "@vm end b::t exit:101 1",
            ],
        );
        assert_eq!(outcomes[0].verdict, failed("assertion failed: seen"));
        assert_eq!(outcomes[0].output.len(), 3);
    }

    #[test]
    fn a_kernel_that_panics_ends_one_test_and_the_rest_is_run_in_another_boot() {
        let (outcomes, resume_after) = story(
            &[
                "@vm boot 5.10",
                "@vm plan b::one",
                "@vm plan b::two",
                "@vm begin b::one",
                "K [    8.1] sysrq: Trigger a crash",
                "K [    8.123456] Kernel panic - not syncing: sysrq triggered crash",
                "K [    8.2] Rebooting in 0 seconds..",
            ],
            End::Exited,
        );
        assert_eq!(
            outcomes[0],
            (
                "b::one".into(),
                failed("kernel: Kernel panic - not syncing: sysrq triggered crash")
            )
        );
        assert_eq!(outcomes[1], ("boot".into(), Verdict::Passed));
        assert_eq!(resume_after.as_deref(), Some("b::one"));
    }

    #[test]
    fn a_panic_in_the_last_test_needs_no_other_boot() {
        let (outcomes, resume_after) = story(
            &["@vm boot 5.10", "@vm plan b::one", "@vm begin b::one"],
            End::Silent(Duration::from_secs(9)),
        );
        assert_eq!(outcomes[0].1, failed("hang: the guest said nothing for 9 s"));
        assert_eq!(resume_after, None);
    }

    #[test]
    fn a_complaint_fails_a_test_that_would_have_passed() {
        let lines = [
            &[
                "@vm begin b::t",
                "@vm kernel watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [t:1]",
            ][..],
            &OK,
            &["@vm end b::t exit:0 1"],
        ]
        .concat();
        let outcomes = feed(&mut Session::default(), &lines);
        assert_eq!(
            outcomes[0].verdict,
            failed("kernel: watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [t:1]")
        );
    }

    #[test]
    fn what_init_has_reported_is_not_counted_again_when_the_console_says_it_late() {
        let warning = "WARNING: CPU: 0 PID: 1 at a.c:1";
        let (outcomes, _) = story(
            &[
                "@vm boot 7.3",
                "@vm plan b::t",
                "@vm begin b::t",
                "@vm | test result: ok. 1 passed; 0 failed",
                &format!("@vm kernel {warning}"),
                "@vm end b::t exit:0 1",
                "@vm done",
                &format!("K [    9.1] {warning}"),
            ],
            End::Exited,
        );
        let expected = [
            ("b::t".into(), failed(&format!("kernel: {warning}"))),
            ("boot".into(), Verdict::Passed),
        ];
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn a_kernel_that_dies_while_it_turns_the_machine_off_is_a_failed_boot() {
        let (outcomes, _) = story(
            &[
                "@vm boot 7.3",
                "@vm done",
                "K [    9.1] BUG: unable to handle page fault",
            ],
            End::Exited,
        );
        assert_eq!(
            outcomes,
            [("boot".into(), failed("kernel: BUG: unable to handle page fault"))]
        );
    }

    #[test]
    fn a_guest_that_never_starts_or_stops_between_tests_fails_as_a_boot() {
        let (outcomes, _) = story(&["K [    0.1] Booting", "qemu: bad option"], End::Exited);
        assert_eq!(
            outcomes,
            [(
                "boot".into(),
                failed("init was not reached; the guest ended in the middle of it")
            )]
        );
        let (outcomes, resume_after) = story(&["@vm boot 6.1", "@vm plan b::one"], End::Exited);
        assert_eq!(
            outcomes[0],
            ("boot".into(), failed("the guest ended in the middle of it"))
        );
        assert_eq!(outcomes[1], ("b::one".into(), failed("not run: the guest was gone")));
        assert_eq!(resume_after, None);
    }

    #[test]
    fn a_broken_binary_is_a_failure() {
        let (outcomes, _) = story(&["@vm boot 6.1", "@vm broken live_x signal:4", "@vm done"], End::Exited);
        assert_eq!(
            outcomes,
            [("boot".into(), failed("broken test binary: live_x signal:4"))]
        );
    }

    #[test]
    fn what_kernels_say_when_something_is_wrong() {
        for line in [
            "[    8.123456] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
            "[   12.0] BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "[   12.0] Oops: 0000 [#1] PREEMPT SMP NOPTI",
            "[   12.0] Oops: general protection fault, probably for non-canonical address",
            "[   12.0] Unable to handle kernel paging request at virtual address ffff",
            "[   12.0] WARNING: CPU: 0 PID: 1 at kernel/bpf/verifier.c:2 foo+0x1/0x2",
            "[   40.0] rcu: INFO: rcu_sched self-detected stall on CPU",
            "[   40.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
            "[  240.0] INFO: task sleep:12 blocked for more than 120 seconds.",
        ] {
            assert!(is_complaint(line), "{line}");
        }
        for line in [
            "[    8.1] sysrq: Trigger a crash",
            "Debian GNU/Linux",
            "[    1.0] random: crng init done",
        ] {
            assert!(!is_complaint(line), "{line}");
        }
    }

    #[test]
    fn a_reason_to_skip_may_share_its_line_with_libtest() {
        assert_eq!(skip_reason("SKIP: no BTF "), Some("no BTF"));
        assert_eq!(skip_reason("test a::b ... SKIP: no BTF"), Some("no BTF"));
        assert_eq!(skip_reason("output with SKIP: in it"), None);
    }
}

//! Nothing is lost in a storm of execs, and what is lost when there is no room is counted and reported.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{fs, sync::Arc, time::Duration};

use common::{
    argv::{LONGEST, argv_of, bytes_of},
    elf::Program,
    eventually,
    exec::Exec,
    in_vm,
    kernel::{Held, misses},
    storm::storm,
    temp::Temp,
    token,
    watch::{Closing, Row, Watch},
};

/// Tries of what others on this host can spoil by an exec at the wrong moment.
const TRIES: usize = 20;

/// How often each exec of a storm was reported, by thread and number.
fn seen(rows: &[Arc<Row>], threads: usize, count: usize) -> Vec<u32> {
    let mut seen = vec![0; threads * count];
    for row in rows {
        let number = |at: usize| {
            row.json["ProcessArguments"][at]
                .as_str()
                .and_then(|n| n.parse::<usize>().ok())
        };
        let (thread, number) = (number(2).expect("the thread"), number(3).expect("the number"));
        seen[thread * count + number] += 1;
    }
    seen
}

/// Ends the monitor, and asserts that nothing was lost and that each exec of a storm has one row. A failure says how many
/// execs the kernel did not show to the program: where programs on tracepoints can be preempted, it shows them no exec
/// that another one is interrupted by.
#[track_caller]
fn assert_once_each(watch: Watch, rows: &[Arc<Row>], threads: usize, count: usize) -> Closing {
    let misses = misses(watch.pid());
    let closing = watch.stop();
    let seen = seen(rows, threads, count);
    let missing = seen.iter().filter(|times| **times == 0).count() as u64;
    let doubled = seen.iter().filter(|times| **times > 1).count();
    assert_eq!(doubled, 0, "none is there twice");
    assert!(
        missing <= closing.lost,
        "{missing} are missing, which are not all counted: {closing:?}"
    );
    let lost = closing.lost;
    // Since 7.0 programs on a tracepoint can be preempted, and the kernel shows a program no exec that comes meanwhile. Four take
    // turns; on an emulated processor, where everything takes a hundred times as long, even that is not always enough. Then
    // it has to be counted.
    let withheld = if in_vm() { misses } else { 0 };
    assert!(
        lost <= withheld,
        "lost: {lost}, of these not shown to the program by the kernel: {misses}; {closing:?}"
    );
    closing
}

/// The smallest ring buffer.
fn one_page() -> String {
    rustix::param::page_size().to_string()
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn twenty_thousand_execs_are_reported_once_each() {
    const THREADS: usize = 4;
    // An emulated processor makes a tenth of the speed; there the number matters less than the kernel.
    let count = if in_vm() { 750 } else { 5_000 };
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let asked = token();
    storm(&temp.program("p", Program::Exit), &asked, THREADS, count);
    let rows = watch.rows_so_far(|row| row.is(&asked));
    let closing = assert_once_each(watch, &rows, THREADS, count);
    assert!(closing.execs >= (THREADS * count) as u64);
    closing.assert_each_has_a_line();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn how_full_the_ring_buffer_is_can_be_told() {
    let watch = Watch::all_execs();
    let maps = fs::read_to_string(format!("/proc/{}/maps", watch.pid())).expect("its mappings");
    let bytes = |range: &str| {
        let (start, end) = range.split_once('-')?;
        Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
    };
    // The page of either position, and nothing of the data.
    let positions = maps.lines().filter(|line| {
        let mut fields = line.split_whitespace();
        let (range, rights, offset) = (fields.next(), fields.next(), fields.next());
        line.ends_with("bpf-map")
            && (rights, offset) == (Some("r--s"), Some("00000000"))
            && range.and_then(bytes) == Some(2 * rustix::param::page_size() as u64)
    });
    assert_eq!(positions.count(), 1, "{maps}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_exec_is_told_without_another_after_it_whatever_the_pause_before_it() {
    // While execs come nobody is woken for them: the pauses go through the time after which a record wakes again.
    let watch = Watch::all_execs();
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    for step in 0..100 {
        let asked = token();
        Exec::new(&program).args(["p", &asked]).run();
        watch.row_of(&asked);
        std::thread::sleep(Duration::from_micros(100 * step));
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_does_not_fit_is_counted_and_the_next_report_says_so() {
    // An emulated processor has time for fewer; they fill the ring buffer as well.
    let count = if in_vm() { 100 } else { 500 };
    // With every exec reported, and with findings only, which then carry what was lost since the one before.
    for flags in [&["--ring-size", "64KiB", "--all-execs"][..], &["--ring-size", "64KiB"]] {
        let all_told = (0..TRIES).any(|_| {
            let watch = Watch::findings(flags);
            let temp = Temp::new();
            let program = temp.program("p", Program::Exit);
            let asked = token();
            watch.hold();
            storm(&program, &asked, 2, count);
            for _ in 0..3 {
                Exec::new(&program)
                    .args(argv_of(asked.as_bytes(), 100 << 10, LONGEST))
                    .run();
            }
            storm(&program, &asked, 2, 10);
            watch.go_on();
            // The loss is told by the next exec of the same CPU.
            watch.barrier_on_each_cpu();
            let withheld = if in_vm() { misses(watch.pid()) } else { 0 };
            let closing = watch.stop();
            assert!(closing.lost > 0, "{closing:?}");
            assert!(closing.reported_lost > 0, "{closing:?}");
            // Unless something was lost after the last of them. What newer kernels withheld (see above) is told at the end.
            closing.lost - closing.reported_lost <= withheld
        });
        assert!(all_told, "{flags:?}: never were all losses told");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_argv_that_did_not_fit_is_reported_as_far_as_it_did() {
    let argv = |token: &str| argv_of(token.as_bytes(), 330 << 10, LONGEST);
    let reported = (0..TRIES).any(|_| {
        let watch = Watch::findings(&["--all-execs", "--ring-size", "64KiB"]);
        let temp = Temp::new();
        let asked = token();
        let argv = argv(&asked);
        watch.hold();
        Exec::new(temp.program("p", Program::Exit)).args(&argv).run();
        watch.go_on();
        let rows = watch.rows_so_far(|row| row.is(&asked));
        let closing = watch.stop();
        let Some(row) = rows.first() else { return false };
        let bytes = bytes_of(&argv);
        assert_eq!(rows.len(), 1);
        assert_eq!(row.truth("ArgumentsTruncated"), Some(true));
        assert_eq!(row.number("ArgumentBytes"), Some(bytes.len() as u64));
        let captured = row
            .number("ArgumentBytesCaptured")
            .and_then(|n| usize::try_from(n).ok())
            .expect("a number");
        assert!(captured > 0 && captured < 64 << 10, "{captured}");
        assert_eq!(
            row.argv().get(..captured),
            bytes.get(..captured),
            "what is there is right"
        );
        assert!(row.argv().len() <= captured + 1, "and nothing else is");
        assert!(closing.argv_cut >= 1, "{closing:?}");
        true
    });
    assert!(reported, "others filled the ring buffer every time");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn with_the_smallest_ring_buffer_every_exec_is_reported_or_counted_as_lost() {
    const THREADS: usize = 3;
    const COUNT: usize = 500;
    let watch = Watch::findings(&["--all-execs", "--ring-size", &one_page()]);
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    let asked = token();
    storm(&program, &asked, THREADS, COUNT);
    let rows = watch.rows_so_far(|row| row.is(&asked));
    // An argv that can never fit is a loss like any other, or is cut.
    let long = token();
    Exec::new(&program)
        .args(argv_of(long.as_bytes(), 60 << 10, LONGEST))
        .run();
    let long = watch.rows_so_far(|row| row.is(&long));
    assert!(
        long.iter().all(|row| row.truth("ArgumentsTruncated") == Some(true)),
        "{long:#?}"
    );
    let seen = seen(&rows, THREADS, COUNT);
    assert!(seen.iter().all(|times| *times <= 1), "none twice");
    let missing = seen.iter().filter(|times| **times == 0).count() + 1 - long.len();
    let closing = watch.stop();
    assert!(closing.lost >= missing as u64, "{missing} missing: {closing:?}");
    closing.assert_each_has_a_line();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn two_monitors_at_once_both_see_everything() {
    const THREADS: usize = 2;
    const COUNT: usize = 500;
    let watches = [Watch::all_execs(), Watch::all_execs()];
    let temp = Temp::new();
    let program = temp.program("p", Program::Exit);
    let asked = token();
    storm(&program, &asked, THREADS, COUNT);
    let rows = watches.each_ref().map(|watch| watch.rows_so_far(|row| row.is(&asked)));
    let [first, second] = watches;
    let [first_rows, second_rows] = rows;
    assert_once_each(first, &first_rows, THREADS, COUNT);
    // The one that is left goes on.
    second.barrier();
    assert_once_each(second, &second_rows, THREADS, COUNT);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn nothing_of_it_is_left_in_the_kernel_however_it_ends() {
    for signal in [libc::SIGINT, libc::SIGKILL] {
        let watch = Watch::all_execs();
        watch.barrier();
        let held = Held::by(watch.pid());
        assert!(held.programs.len() >= 4 && held.maps.len() >= 4, "{held:?}");
        assert_eq!(held.left(), held, "while it runs it is all there");
        if signal == libc::SIGKILL {
            watch.kill();
        } else {
            watch.stop_with(signal);
        }
        assert!(
            eventually(|| held.left().is_empty()),
            "left of {held:?}: {:?}",
            held.left()
        );
    }
    // And the next one works as the first did.
    let watch = Watch::all_execs();
    watch.barrier();
    assert_eq!(watch.stop().lost, 0);
}

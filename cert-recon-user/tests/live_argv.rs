//! argv reaches the report byte for byte, up to the kernel's own limits.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::sync::Arc;

use cert_recon_common::{CHUNK_DATA, INLINE_ARGV};
use common::{
    argv::{LONGEST, argv_of, bytes_of, filler},
    elf::Program,
    exec::Exec,
    find_program, skip, sys,
    temp::Temp,
    token,
    watch::{Row, Watch},
};

/// Asserts that the row has exactly these arguments, and says so.
#[track_caller]
fn assert_whole(row: &Row, argv: &[impl AsRef<[u8]>]) {
    let bytes = bytes_of(argv);
    assert_eq!(row.number("ArgumentBytes"), Some(bytes.len() as u64), "ArgumentBytes");
    assert_eq!(
        row.number("ArgumentBytesCaptured"),
        Some(bytes.len() as u64),
        "ArgumentBytesCaptured"
    );
    assert_eq!(row.truth("ArgumentsTruncated"), Some(false), "ArgumentsTruncated");
    let captured = row.argv();
    if captured != bytes {
        let at = captured
            .iter()
            .zip(&bytes)
            .position(|(a, b)| a != b)
            .unwrap_or(captured.len().min(bytes.len()));
        panic!(
            "argv of {} bytes differs at byte {at} (captured {} bytes)",
            bytes.len(),
            captured.len()
        );
    }
    let utf8 = std::str::from_utf8(&bytes).is_ok();
    assert_eq!(
        row.text("ProcessArgumentsBase64").is_none(),
        utf8,
        "exact bytes are there when text can't say them"
    );
    if utf8 {
        let joined = argv
            .iter()
            .map(|arg| std::str::from_utf8(arg.as_ref()).unwrap_or_default());
        let joined: Vec<&str> = joined.collect();
        assert!(
            row.text("ProcessCommandLine") == Some(&joined.join(" ")),
            "ProcessCommandLine is argv with spaces"
        );
    }
}

/// The monitor and a program that only exits.
struct Fixture {
    watch: Watch,
    temp: Temp,
}

impl Fixture {
    fn new() -> Self {
        Self {
            watch: Watch::all_execs(),
            temp: Temp::new(),
        }
    }

    /// Execs a program with these arguments and gives its row. The token is in the program's path, so argv can be anything.
    #[track_caller]
    fn exec<A: AsRef<[u8]>>(&self, argv: impl IntoIterator<Item = A>) -> Arc<Row> {
        let name = token();
        Exec::new(self.temp.program(&name, Program::Exit))
            .args(argv)
            .before(sys::child_unlimited_stack)
            .run();
        self.watch.row_of(&name)
    }

    /// Asserts that each argv comes through whole.
    #[track_caller]
    fn assert_all_whole(self, argvs: impl IntoIterator<Item = Vec<Vec<u8>>>) {
        for argv in argvs {
            let row = self.exec(&argv);
            assert_whole(&row, &argv);
        }
        let closing = self.watch.stop();
        assert_eq!((closing.lost, closing.argv_cut), (0, 0), "{closing:?}");
    }
}

fn argv(args: &[&[u8]]) -> Vec<Vec<u8>> {
    args.iter().map(|arg| arg.to_vec()).collect()
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_exec_without_arguments_has_those_that_the_kernel_gave_it() {
    let fixture = Fixture::new();
    let name = token();
    // The program's status is the number of its arguments: since Linux 5.18 the kernel adds an empty one
    // (do_execveat_common() in fs/exec.c), before there were none.
    let ran = Exec::new(fixture.temp.program(&name, Program::ExitWithArgc))
        .args::<&[u8]>([])
        .run_any();
    let row = fixture.watch.row_of(&name);
    match ran.status.code() {
        Some(0) => {
            assert_whole(&row, &[b""; 0]);
            assert_eq!(row.json["ProcessArguments"], serde_json::json!([]));
        }
        Some(1) => {
            assert_whole(&row, &[b""]);
            assert_eq!(row.json["ProcessArguments"], serde_json::json!([""]));
        }
        other => panic!("the program had {other:?} arguments"),
    }
    assert_eq!(row.text("FileName"), Some(name.as_str()));
    fixture.watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn empty_arguments_keep_their_places() {
    Fixture::new().assert_all_whole([
        argv(&[b""]),
        argv(&[b"", b"x"]),
        argv(&[b"a", b"", b"b"]),
        argv(&[b"a", b"", b"", b"b", b"", b""]),
        argv(&[b"", b"", b""]),
        argv(&[b"a", b" ", b"b  c", b""]),
    ]);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn every_byte_but_nul_comes_through_exactly() {
    let every: Vec<u8> = (1..=255).collect();
    Fixture::new().assert_all_whole([
        vec![b"a".to_vec(), every.clone()],
        (1..=255).map(|byte| vec![byte]).collect(),
        argv(&[
            "é 漢字 🦀".as_bytes(),
            b"\xff\xfe",
            b"\xc3",
            b"\xa9",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
        ]),
        argv(&[
            b"\\xff",
            b"\\",
            b"\"",
            b"\x1b[31m\x07\r\n\t",
            "\u{9b}\u{202e}\u{2028}".as_bytes(),
        ]),
        // More than one record of bytes that are not UTF-8.
        vec![b"a".to_vec(), every.repeat(100)],
    ]);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn no_length_around_a_limit_of_the_records_is_cut() {
    let mut totals = vec![
        2,
        255,
        256,
        257,
        4095,
        4096,
        4097,
        8300,
        17 << 10,
        65_535,
        65_536,
        65_636,
        330 << 10,
    ];
    for chunks in 0..=4 {
        let edge = INLINE_ARGV + chunks * CHUNK_DATA;
        totals.extend([edge - 1, edge, edge + 1]);
    }
    // One argument as long as it gets, then many short ones.
    for each in [LONGEST, 100] {
        Fixture::new().assert_all_whole(totals.iter().map(|&total| argv_of(b"", total, each)));
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn one_argument_may_be_as_long_as_the_kernel_allows() {
    let fixture = Fixture::new();
    let longest = [b"a".to_vec(), filler(LONGEST, 1)];
    assert_whole(&fixture.exec(&longest), &longest);
    let path = fixture.temp.program(token(), Program::Exit);
    let too_long = Exec::new(path).args([filler(LONGEST + 1, 1)]).attempt();
    assert_eq!(
        too_long.err().and_then(|e| e.raw_os_error()),
        Some(libc::E2BIG),
        "that was the longest"
    );
    fixture.watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn megabytes_of_argv_come_through_whole() {
    Fixture::new().assert_all_whole([
        argv_of(b"a", 1_900 << 10, LONGEST),
        argv_of(b"a", 1_900 << 10, 40),
        // Beyond what fits without a larger stack; the kernel's own limit is 6 MiB (bprm_stack_limits() in fs/exec.c).
        argv_of(b"a", 5_500 << 10, LONGEST),
    ]);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn megabytes_of_what_grows_when_it_is_written_come_through_whole() {
    // Each of these bytes is six in JSON, and is there twice.
    let mut hostile = vec![b"a".to_vec()];
    hostile.extend(std::iter::repeat_n(vec![1; LONGEST], 40));
    Fixture::new().assert_all_whole([hostile]);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_name_that_a_program_is_told_may_be_of_any_length() {
    Fixture::new().assert_all_whole([
        vec![filler(4096, 2)],
        vec![filler(4096, 3), b"x".to_vec()],
        vec![filler(70_000, 4)],
    ]);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_is_asked_for_at_the_end_of_a_long_command_line_is_found() {
    let watch = Watch::findings(&["--rules", "kql"]);
    let temp = Temp::new();
    let curl = find_program("curl").unwrap_or_else(|| {
        skip("no curl here, a program of that name stands for it");
        temp.program("curl", Program::Exit)
    });
    let url = |token: &str| format!("https://crt.sh/?q=%25.{token}.example.com&output=json").into_bytes();
    let header = |len, seed| vec![b"-H".to_vec(), [b"X-Filler: ", filler(len, seed).as_slice()].concat()];
    let cases: [Vec<Vec<u8>>; 4] = [
        // 25 arguments before it.
        std::iter::repeat_n(b"-s".to_vec(), 25).collect(),
        // 600 bytes before it.
        header(590, 5),
        // More than one record before it.
        header(50_000, 6),
        // A megabyte before it.
        (0..10).flat_map(|seed| header(100_000, seed)).collect(),
    ];
    for case in cases {
        let token = token();
        let mut argv = vec![b"curl".to_vec(), b"--disable".to_vec(), b"-m1".to_vec()];
        argv.extend(case);
        argv.push(url(&token));
        // No request leaves the host: nothing listens on the port of the proxy.
        Exec::new(&curl)
            .args(&argv)
            .env("https_proxy=http://127.0.0.1:9")
            .run_any();
        let row = watch.row_of(&token);
        assert_whole(&row, &argv);
        assert_eq!(
            row.text("ToolCategory"),
            Some("CTLogQuery"),
            "{:?}",
            row.text("MatchedTerms")
        );
        assert_eq!(row.text("Confidence"), Some("high"));
    }
    watch.stop();
}

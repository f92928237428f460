//! `watch --metrics-file` and `--metrics-listen`: the numbers are those of the health records and of the end.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
};

use common::{
    elf::Program,
    eventually,
    exec::Exec,
    temp::Temp,
    token,
    watch::{Closing, Watch, command, output_of, path_text},
};

/// The samples of a text, by name and labels as they are written.
type Samples = HashMap<String, f64>;

#[track_caller]
fn samples(text: &str) -> Samples {
    assert!(text.ends_with('\n'), "whole: {text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, number) = line.rsplit_once(' ').expect("a sample");
            (name.to_owned(), number.parse().expect("a number"))
        })
        .collect()
}

#[track_caller]
fn ask(mut stream: impl Read + Write) -> Samples {
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n")
        .expect("asking");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    if head.starts_with("HTTP/1.1 503") {
        return Samples::new();
    }
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    samples(body)
}

/// The sum of the samples of a family.
fn sum(samples: &Samples, family: &str) -> u64 {
    let of = |name: &str| {
        name.strip_prefix(family)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
    };
    samples
        .iter()
        .filter(|(name, _)| of(name))
        .map(|(_, number)| *number as u64)
        .sum()
}

/// The sums hold at every moment, but for what is on its way from the kernel.
#[track_caller]
fn assert_sums(samples: &Samples) {
    let of = |name| sum(samples, &format!("cert_recon_{name}_total"));
    assert_eq!(
        of("delivered"),
        of("findings") + of("suppressed") + of("folded") + of("clean"),
        "{samples:?}"
    );
    assert!(of("execs") >= of("lost"));
}

#[track_caller]
fn assert_closing(samples: &Samples, closing: &Closing) {
    for (name, number) in [
        ("execs", closing.execs),
        ("delivered", closing.delivered),
        ("lost", closing.lost),
        ("findings", closing.findings),
        ("suppressed", closing.suppressed),
        ("folded", closing.folded),
        ("clean", closing.clean),
        ("arguments_truncated", closing.argv_cut),
        ("paths_truncated", closing.paths_cut),
        ("own_execs", closing.own()),
        ("output_lines", closing.outputs.iter().map(|(lines, _)| lines).sum()),
        (
            "output_dropped",
            closing.outputs.iter().map(|(_, dropped)| dropped).sum(),
        ),
    ] {
        assert_eq!(sum(samples, &format!("cert_recon_{name}_total")), number, "{name}");
    }
    assert_eq!(samples["cert_recon_up"], 0.0);
}

fn run_all(program: &Path, count: usize) {
    let mark = token();
    for _ in 0..count {
        Exec::new(program).args(["sslyze", &mark]).run();
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_file_and_the_endpoint_tell_what_the_closing_sums_tell() {
    const COUNT: usize = 50;
    const FOUND: &str = "cert_recon_findings_total{category=\"CertEnumTool\",confidence=\"high\"}";
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let (file, socket) = (temp.join("cert-recon.prom"), temp.join("metrics.sock"));
    let watch = Watch::findings(&[
        "--metrics-file",
        path_text(&file),
        "--metrics-listen",
        &format!("unix:{}", path_text(&socket)),
    ]);
    run_all(&program, COUNT);
    let ask = || ask(UnixStream::connect(&socket).expect("the socket"));
    let mut seen = Samples::new();
    let has_all = |samples: &Samples| samples.get(FOUND).is_some_and(|found| *found >= COUNT as f64);
    assert!(eventually(|| {
        seen = ask();
        has_all(&seen)
    }));
    assert_sums(&seen);
    assert_eq!(seen["cert_recon_up"], 1.0);
    assert_eq!(seen["cert_recon_sensor_blind"], 0.0);
    assert!(seen["cert_recon_last_canary_timestamp_seconds"] >= seen["cert_recon_start_time_seconds"]);
    assert!(seen["cert_recon_resident_memory_bytes"] > 1e6);
    // The file is as old as its interval at most.
    assert!(eventually(|| {
        let found = samples(&fs::read_to_string(&file).unwrap_or("\n".to_owned()));
        if has_all(&found) {
            assert_sums(&found);
        }
        has_all(&found)
    }));
    let closing = watch.stop();
    let last = samples(&fs::read_to_string(&file).expect("the file at the end"));
    assert_closing(&last, &closing);
    assert!(!socket.exists(), "the socket's name is gone with it");
    // What rises never fell, and every name was there before.
    for (name, before) in seen.iter().filter(|(name, _)| name.contains("_total")) {
        assert!(last[name] >= *before, "{name}");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn programs_are_measured_while_the_kernel_measures_them_and_a_port_is_told() {
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let stats = Path::new("/proc/sys/kernel/bpf_stats_enabled");
    let Ok(before) = fs::read_to_string(stats) else {
        return common::skip("this kernel measures no programs");
    };
    let set = |value: &str| fs::write(stats, value).is_ok();
    if !set("1") {
        return common::skip("the kernel's settings can't be changed here");
    }
    let watch = Watch::findings(&["--metrics-listen", "127.0.0.1:0"]);
    let text = watch.stderr();
    let address = text
        .lines()
        .find_map(|line| line.split_once("metrics: http://")?.1.strip_suffix("/metrics"))
        .expect("the address is told");
    let ask = || ask(TcpStream::connect(address).expect("the port"));
    run_all(&program, 3);
    let runs = "cert_recon_bpf_runs_total{program=\"sched_process_exec\"}";
    let measured = eventually(|| ask().get(runs).is_some_and(|count| *count >= 3.0));
    set("0");
    let gone = eventually(|| !ask().contains_key(runs));
    set(before.trim());
    watch.stop();
    assert!(measured && gone, "measured {measured}, gone {gone}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_folder_that_goes_away_is_told_counted_and_holds_up_nothing() {
    let temp = Temp::new();
    let program = temp.program("sslyze", Program::Exit);
    let (folder, socket) = (temp.join("textfile"), temp.join("metrics.sock"));
    fs::create_dir(&folder).expect("a folder");
    let file = folder.join("cert-recon.prom");
    let watch = Watch::findings(&[
        "--metrics-file",
        path_text(&file),
        "--metrics-listen",
        &format!("unix:{}", path_text(&socket)),
    ]);
    assert!(eventually(|| file.exists()));
    fs::remove_dir_all(&folder).expect("it is removed");
    watch.wait_for_message("writing the metrics to ");
    run_all(&program, 5);
    watch.wait_for("it says so itself", |row| {
        row.line.contains("the metrics file can't be written")
    });
    assert!(eventually(|| {
        let seen = ask(UnixStream::connect(&socket).expect("the socket"));
        seen.get("cert_recon_metrics_file_failures_total")
            .is_some_and(|count| *count >= 1.0)
    }));
    assert!(watch.stop().findings >= 5);
}

#[test]
fn an_address_that_others_reach_and_a_folder_that_others_write_to_are_refused() {
    let temp = Temp::new();
    for (flags, expected) in [
        (["--metrics-listen", "0.0.0.0:9469"], "is not the loopback interface"),
        (["--metrics-file", "/tmp/cert-recon.prom"], "could be changed by others"),
        (["--metrics-file", path_text(&temp.join("a.txt"))], "ends in .prom"),
    ] {
        let ended = output_of(command(&["watch"]).args(flags));
        assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

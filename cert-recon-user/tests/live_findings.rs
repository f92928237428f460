//! What is asked of the command: findings for the tools that it is about, and flags, outputs, signals and refusals.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs, io,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use common::{
    elf::Program,
    eventually,
    exec::Exec,
    find_program, sys,
    temp::Temp,
    token,
    watch::{Closing, Watch, binary, command, output_of, path_text},
};

/// How soon after its exec a finding is to be read.
const SOON: Duration = Duration::from_millis(100);
/// Tries for that: the host may be doing something else.
const TRIES: usize = 20;

/// This host's program of that name, or one that only exits.
fn program(temp: &Temp, name: &str) -> PathBuf {
    find_program(name).unwrap_or_else(|| temp.program(name, Program::Exit))
}

/// A tool of the list: what is executed, and what is to be said of it.
struct Case {
    program: PathBuf,
    args: fn(&str) -> Vec<String>,
    category: &'static str,
    confidence: &'static str,
}

/// The command lines that the two queries were written for. Nothing leaves the host: nobody listens on the proxy's port
/// nor at the addresses.
fn cases(temp: &Temp) -> Vec<Case> {
    let script = |name: &str| match find_program("sh") {
        Some(sh) => temp.executable(name, format!("#!{}\nexit 0\n", sh.display()).as_bytes()),
        None => {
            let interpreter = temp.program("sh", Program::Exit);
            temp.executable(name, format!("#!{}\n", interpreter.display()).as_bytes())
        }
    };
    vec![
        Case {
            program: program(temp, "curl"),
            args: |t| split(&format!("curl -m1 https://crt.sh/?q=%25.{t}.example.com&output=json")),
            category: "CTLogQuery",
            confidence: "high",
        },
        Case {
            program: program(temp, "wget"),
            args: |t| {
                split(&format!(
                    "wget -T1 -t1 -O /dev/null https://crt.sh/?q=%25.{t}.example.com"
                ))
            },
            category: "CTLogQuery",
            confidence: "high",
        },
        Case {
            program: program(temp, "python3"),
            args: |t| {
                let code = format!("url = 'https://api.certspotter.com/v1/issuances?domain={t}.example.com'");
                ["python3", "-c", &code].map(str::to_owned).to_vec()
            },
            category: "CTLogQuery",
            confidence: "high",
        },
        Case {
            program: program(temp, "openssl"),
            args: |t| {
                split(&format!(
                    "openssl s_client -connect 127.0.0.1:1 -servername {t}.example.com"
                ))
            },
            category: "OpenSSLProbe",
            confidence: "medium",
        },
        Case {
            program: script("testssl.sh"),
            args: |t| split(&format!("testssl.sh {t}.example.com")),
            category: "CertEnumTool",
            confidence: "high",
        },
        Case {
            program: temp.program("sslyze", Program::Exit),
            args: |t| split(&format!("sslyze {t}.example.com")),
            category: "CertEnumTool",
            confidence: "high",
        },
    ]
}

fn split(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

impl Case {
    /// Makes the exec.
    #[track_caller]
    fn run(&self, token: &str) {
        Exec::new(&self.program)
            .args((self.args)(token))
            .env("https_proxy=http://127.0.0.1:9")
            .env("HOME=/nonexistent")
            .run_any();
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn each_tool_of_the_list_gives_one_finding_with_its_category() {
    let watch = Watch::findings(&["--rules", "kql"]);
    let temp = Temp::new();
    for case in cases(&temp) {
        let asked = token();
        case.run(&asked);
        let rows = watch.rows_so_far(|row| row.is(&asked));
        assert_eq!(rows.len(), 1, "{}: {rows:#?}", case.program.display());
        let row = &rows[0];
        assert_eq!(row.text("ToolCategory"), Some(case.category), "{}", row.line);
        assert_eq!(row.text("Confidence"), Some(case.confidence), "{}", row.line);
        assert_eq!(row.text("Technique"), Some("T1596.003"));
        assert_eq!(row.text("Tactic"), Some("Reconnaissance"));
        assert_eq!(row.text("ActionType"), Some("ProcessCreated"));
        for field in ["RuleIds", "RulePacks", "MatchedTerms"] {
            assert!(
                row.json[field].as_array().is_some_and(|list| !list.is_empty()),
                "{field}: {}",
                row.line
            );
        }
    }
    let closing = watch.stop();
    assert!(
        closing.findings >= 6 && closing.lines == closing.findings,
        "{closing:?}"
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_text_form_is_one_line_for_each_finding() {
    let watch = Watch::start(&["watch", "--rules", "kql"]);
    let temp = Temp::new();
    for case in cases(&temp) {
        let asked = token();
        case.run(&asked);
        let rows = watch.rows_so_far(|row| row.is(&asked));
        assert_eq!(rows.len(), 1, "{}: {rows:#?}", case.program.display());
        let line = &rows[0].line;
        assert!(line.contains(case.category) && line.contains(case.confidence), "{line}");
        assert!(line.contains(&(case.args)(&asked).join(" ")), "{line}");
        assert!(!line.contains('\x1b'), "no colour on what is no terminal: {line}");
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_finding_is_read_within_a_tenth_of_a_second_of_its_exec() {
    let watch = Watch::findings(&[]);
    let temp = Temp::new();
    for case in cases(&temp) {
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            let asked = token();
            case.run(&asked);
            let row = watch.row_of(&asked);
            best = best.min(row.read.duration_since(row.time()).unwrap_or_default());
            if best <= SOON {
                break;
            }
        }
        assert!(best <= SOON, "{}: {best:?} at best", case.program.display());
        println!("{}: {best:?}", case.category);
    }
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_is_no_such_tool_is_counted_as_clean_and_not_reported() {
    let watch = Watch::findings(&["--rules", "kql"]);
    let temp = Temp::new();
    let asked = token();
    Exec::new(temp.program("curl", Program::Exit))
        .args(["curl", "https://example.com/", &asked])
        .run();
    Exec::new(temp.program("dig", Program::Exit))
        .args(["dig", "crt.sh", &asked])
        .run();
    assert_eq!(watch.rows_so_far(|row| row.is(&asked)).len(), 0);
    let closing = watch.stop();
    assert!(closing.clean >= 2, "{closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn nothing_in_a_command_line_reaches_a_terminal_raw() {
    let hostile: [&[u8]; 7] = [
        b"sslyze",
        b"\x1b[2J\x1b]0;title\x07",
        b"\r\n2026-01-01T00:00:00.000000Z  high  forged",
        b"",
        "\u{9b}31m\u{202e}gnp\u{2028}\u{feff}".as_bytes(),
        b"\x9b31m\xff\xfe\x7f",
        b"\x08\x08\x0b\x0c\t",
    ];
    for flags in [
        &["watch"][..],
        &["watch", "--format", "json"],
        &["watch", "--format", "json", "--all-execs"],
    ] {
        let watch = Watch::start(flags);
        let asked = token();
        let temp = Temp::new();
        let argv: Vec<&[u8]> = hostile.iter().copied().chain([asked.as_bytes()]).collect();
        Exec::new(temp.program("sslyze", Program::Exit)).args(&argv).run();
        let row = watch.row_of(&asked);
        if flags.len() > 1 {
            assert_eq!(row.argv(), common::argv::bytes_of(&argv), "and it is there exactly");
        }
        assert!(!row.line.chars().any(cert_recon::text::is_harmful), "{:?}", row.line);
        // That no other line has any is asserted at the end of every run.
        watch.stop();
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn findings_below_the_confidence_asked_for_are_counted_as_suppressed() {
    let temp = Temp::new();
    let low = temp.program("vim", Program::Exit);
    let medium = temp.program("openssl", Program::Exit);
    for (flag, low_shown, medium_shown) in [("low", 1, 1), ("medium", 0, 1), ("high", 0, 0)] {
        let watch = Watch::findings(&["--min-confidence", flag]);
        let (l, m) = (token(), token());
        Exec::new(&low).args(["vim", "sslyze.py", &l]).run();
        Exec::new(&medium)
            .args(["openssl", "s_client", "-connect", "127.0.0.1:1", &m])
            .run();
        assert_eq!(watch.rows_so_far(|row| row.is(&l)).len(), low_shown, "{flag}: low");
        assert_eq!(
            watch.rows_so_far(|row| row.is(&m)).len(),
            medium_shown,
            "{flag}: medium"
        );
        let closing = watch.stop();
        let hidden = 2 - low_shown - medium_shown;
        assert!(closing.suppressed >= hidden as u64, "{flag}: {closing:?}");
        assert_eq!(closing.lines, closing.findings, "{flag}: {closing:?}");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn count_ends_after_so_many_results() {
    let temp = Temp::new();
    let tool = temp.program("sslyze", Program::Exit);
    for flags in [&[][..], &["--all-execs"]] {
        let args = ["watch", "--format", "json", "--fold-interval", "0", "--count", "2"];
        let watch = Watch::start_or_end(&[&args, flags].concat());
        for _ in 0..2 {
            Exec::new(&tool).args(["sslyze", &token()]).run();
        }
        let closing = watch.end();
        assert_eq!(closing.lines, 2, "{closing:?}");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn duration_ends_after_that_time() {
    let started = Instant::now();
    let watch = Watch::findings(&["--duration", "1s"]);
    watch.barrier();
    let closing = watch.end();
    assert!(started.elapsed() >= Duration::from_secs(1), "not before");
    assert!(closing.findings >= 1, "{closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn both_signals_that_end_it_give_the_closing_sums() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let watch = Watch::all_execs();
        watch.barrier();
        let closing = watch.stop_with(signal);
        assert!(closing.delivered >= 1 && closing.findings >= 1, "{closing:?}");
        closing.assert_each_has_a_line();
    }
}

/// Runs the monitor once with this output file; the token of an exec that it saw.
#[track_caller]
fn run_with_output(file: &Path) -> (String, Closing) {
    let watch = Watch::findings(&["--output", path_text(file)]);
    let asked = token();
    Exec::new(watch.temp().program("tlsx", Program::Exit))
        .args(["tlsx", &asked])
        .run();
    let row = watch.row_of(&asked);
    let closing = watch.stop();
    assert!(
        fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line == row.line)),
        "the same line"
    );
    (asked, closing)
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_output_file_is_private_and_appended_to() {
    let temp = Temp::new();
    let file = temp.join("findings.json");
    let (first, _) = run_with_output(&file);
    assert_eq!(
        fs::metadata(&file).expect("the file").permissions().mode() & 0o7777,
        0o600
    );
    let before = fs::read_to_string(&file).expect("the file");
    let (second, _) = run_with_output(&file);
    let after = fs::read_to_string(&file).expect("the file");
    assert!(after.starts_with(&before), "what was there stays");
    for token in [first, second] {
        assert_eq!(
            after
                .lines()
                .filter(|line| line.contains(&format!("\"tlsx {token}\"")))
                .count(),
            1,
            "{after}"
        );
    }
    for line in after.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    assert!(after.ends_with('\n'));
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_output_file_that_could_lead_elsewhere_is_refused() {
    let temp = Temp::new();
    let target = temp.join("target");
    let link = temp.join("link");
    symlink(&target, &link).expect("a link");
    let open_to_all = temp.join("open-to-all");
    fs::write(&open_to_all, "").expect("a file");
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o666)).expect("its mode");
    let folder = temp.folder("folder");
    let missing = temp.join("missing/findings.json");
    for (file, why) in [
        (&link, "symbolic link"),
        (&open_to_all, "could be changed by others"),
        (&folder, "folder"),
        (&missing, "missing"),
    ] {
        let ended = output_of(&mut command(&["watch", "--output", path_text(file)]));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains(why) && ended.stderr.contains(path_text(file)),
            "{ended:?}"
        );
        assert!(!ended.stderr.contains("watching every exec"), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
    assert!(!target.exists(), "nothing was made behind the link");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_rotated_output_file_is_opened_anew_on_sighup() {
    let temp = Temp::new();
    let (file, rotated) = (temp.join("findings.json"), temp.join("findings.json.1"));
    let watch = Watch::findings(&["--output", path_text(&file)]);
    let tool = temp.program("tlsx", Program::Exit);
    let (before, between, after) = (token(), token(), token());
    let has = |path: &Path, token: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(token));

    Exec::new(&tool).args(["tlsx", &before]).run();
    assert!(eventually(|| has(&file, &before)));
    fs::rename(&file, &rotated).expect("rotating");
    Exec::new(&tool).args(["tlsx", &between]).run();
    assert!(
        eventually(|| has(&rotated, &between)),
        "until then it goes on with the file that it has"
    );
    watch.signal(libc::SIGHUP);
    assert!(eventually(|| file.exists()), "SIGHUP makes a new file");
    assert_eq!(
        fs::metadata(&file).expect("the file").permissions().mode() & 0o7777,
        0o600
    );
    Exec::new(&tool).args(["tlsx", &after]).run();
    assert!(eventually(|| has(&file, &after)));
    assert!(!has(&rotated, &after));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut command = command(&["watch", "--format", "json", "--all-execs"]);
    command.stdout(writer);
    let watch = Watch::start_command(&mut command);
    // The command holds the write end too.
    drop(command);
    drop(reader);
    let temp = Temp::new();
    Exec::new(temp.program("p", Program::Exit)).run();
    let closing = watch.end();
    let quiet = closing.stderr.lines().all(|line| {
        let line = line.to_lowercase();
        !line.contains("error") && !line.contains("panic") && !line.contains("broken pipe")
    });
    assert!(quiet, "{}", closing.stderr);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn another_user_is_told_what_is_missing() {
    // Opened while this is root, because the other user may not get through the folders on the way.
    let program = sys::open_path(binary()).expect("opening cert-recon");
    let mut command = command(&["watch"]);
    let exec = move || {
        sys::child_become(65_534, 65_534)?;
        Err(sys::child_execute(&program, [c"cert-recon", c"watch"]))
    };
    // SAFETY: only system calls.
    unsafe { command.pre_exec(exec) };
    let ended = output_of(command.stdout(Stdio::piped()));
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    for word in ["CAP_BPF", "CAP_PERFMON", "sudo"] {
        assert!(ended.stderr.contains(word), "{word}: {ended:?}");
    }
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn flags_that_make_no_sense_are_refused() {
    for flags in [
        &["--no-such-flag"][..],
        &["--format", "yaml"],
        &["--min-confidence", "certain"],
        &["--rules", "nothing"],
        &["--duration", "soon"],
        &["--count", "0"],
        &["--count", "-1"],
        &["--ring-size", "3MiB"],
        &["--ring-size", "1KiB"],
        &["--ring-size", "2GiB"],
        &["--output"],
        &["a-word"],
    ] {
        let ended = output_of(&mut command(&[&["watch"], flags].concat()));
        assert_eq!(ended.status.code(), Some(2), "{flags:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{flags:?}");
        assert!(!ended.stderr.contains("watching every exec"), "{flags:?}: {ended:?}");
        assert!(
            flags.iter().any(|flag| ended.stderr.contains(flag)),
            "it says which: {ended:?}"
        );
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn type_information_that_can_t_be_used_is_refused_before_anything_is_attached() {
    let whole = fs::read("/sys/kernel/btf/vmlinux").expect("the kernel's type information");
    let temp = Temp::new();
    let file = |name: &str, bytes: &[u8]| {
        let path = temp.join(name);
        fs::write(&path, bytes).expect("a file");
        path
    };
    let mut noise = whole.clone();
    noise
        .iter_mut()
        .skip(24)
        .for_each(|byte| *byte = byte.wrapping_mul(31) ^ 0x5a);
    // Whole, but of a kernel without any of the structures.
    let mut empty = whole[..24].to_vec();
    empty[8..24].fill(0);
    empty[20] = 1;
    empty.push(0);
    for (path, why) in [
        (temp.join("missing"), "No such file"),
        (temp.path().to_owned(), "directory"),
        (file("nothing", b""), "cut short"),
        (file("header", &whole[..10]), "cut short"),
        (file("half", &whole[..whole.len() / 2]), "cut short"),
        (file("almost", &whole[..whole.len() - 1]), "cut short"),
        (file("text", b"this is no type information at all"), "not BTF"),
        (file("noise", &noise), ""),
        (file("empty", &empty), ""),
    ] {
        let ended = output_of(&mut command(&["watch", "--btf", path_text(&path)]));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(
            ended.stderr.contains(path_text(&path)) && ended.stderr.contains(why),
            "{why}: {ended:?}"
        );
        assert!(!ended.stderr.contains("watching every exec"), "{ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

/// The tests that come with the queries, as far as Linux runs them: a query to crt.sh, a probe with openssl, PowerShell asking
/// (a stand-in of its name: what PowerShell would do, its command line says), and certutil by name.
#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_tests_that_come_with_the_queries_are_found_as_what_they_are() {
    let watch = Watch::findings(&[]);
    let temp = Temp::new();
    let web = "Invoke-RestMethod -Uri 'https://crt.sh/?q=%25.";
    let asks: &dyn Fn(&str) -> String = &|token| format!("{web}{token}.example.com&output=json'");
    let cases: [(PathBuf, &[&str], &str, &str); 6] = [
        (
            program(&temp, "curl"),
            &["curl", "-m1", "-s", "{curl}"],
            "CTLogQuery",
            "high",
        ),
        (
            program(&temp, "openssl"),
            &[
                "openssl",
                "s_client",
                "-connect",
                "127.0.0.1:1",
                "-servername",
                "{host}",
            ],
            "OpenSSLProbe",
            "medium",
        ),
        (
            temp.program("pwsh", Program::Exit),
            &["pwsh", "-Command", "{asks}"],
            "CTLogQuery",
            "high",
        ),
        (
            temp.program("powershell.exe", Program::Exit),
            &["powershell.exe", "-NoProfile", "-c", "{asks}"],
            "CTLogQuery",
            "high",
        ),
        (
            temp.program("certutil.exe", Program::Exit),
            &["certutil.exe", "-store", "My", "{host}"],
            "CertutilEnum",
            "low",
        ),
        // Words alone.
        (
            temp.program("vim", Program::Exit),
            &["vim", "notes-{host}/sslyze.py"],
            "CertEnumTool",
            "low",
        ),
    ];
    for (program, argv, category, confidence) in cases {
        let asked = token();
        let argv = argv.iter().map(|arg| {
            arg.replace(
                "{curl}",
                &format!("https://crt.sh/?q=%25.{asked}.example.com&output=json"),
            )
            .replace("{host}", &format!("{asked}.example.com"))
            .replace("{asks}", &asks(&asked))
        });
        Exec::new(&program).args(argv).run_any();
        let row = watch.row_of(&asked);
        assert_eq!(row.text("ToolCategory"), Some(category), "{}", row.line);
        assert_eq!(row.text("Confidence"), Some(confidence), "{}", row.line);
        if category == "CTLogQuery" {
            assert_eq!(row.json["Services"][0], "crt.sh", "{}", row.line);
            assert_eq!(row.json["Targets"][0], format!("{asked}.example.com"), "{}", row.line);
        }
    }
    watch.stop();
}

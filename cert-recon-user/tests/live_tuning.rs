//! Configuration, suppressions, folding and reloads, through the real program on the running kernel.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{
    elf::Program,
    exec::Exec,
    temp::Temp,
    token,
    watch::{Closing, Row, Watch, command, output_of, path_text},
};
use serde_json::{Value, json};

/// Writes a file that only root can change, whole: no reader sees half of it.
fn write(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("a file");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("its mode");
    fs::rename(&new, path).expect("its name");
}

fn config(temp: &Temp, text: &str) -> PathBuf {
    let path = temp.join("config.toml");
    write(&path, text);
    path
}

/// What a health record says of each suppression.
fn suppressions(row: &Row) -> &Value {
    &row.json["Suppressions"]
}

/// The record of the state at the end.
fn last(closing: &Closing) -> Arc<Row> {
    closing.health.clone().expect("the state at the end")
}

/// Root, by name, and the folder of the test's programs: names come late, paths from the kernel.
fn suppress(temp: &Temp, name: &str) -> String {
    format!(
        "[[suppress]]\nname = '{name}'\nreason = 'agreed'\naccount = 'root'\nprogram = '{}/*'\n",
        temp.path().display()
    )
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_is_suppressed_is_counted_and_shown_when_asked_for() {
    for show in [false, true] {
        let temp = Temp::new();
        let file = config(&temp, &suppress(&temp, "mine"));
        let mut flags = vec!["--config", path_text(&file)];
        flags.extend(show.then_some("--show-suppressed"));
        let watch = Watch::findings(&flags);
        let mine = token();
        let tool = temp.program("sslyze", Program::Exit);
        Exec::new(&tool).args(["sslyze", &mine]).run();
        let rows = watch.rows_so_far(|row| row.is(&mine));
        assert_eq!(rows.len(), usize::from(show));
        for row in rows {
            assert_eq!(row.json["Suppressed"], json!({ "Name": "mine", "Reason": "agreed" }));
        }
        watch.signal(libc::SIGUSR1);
        let health = watch.wait_for("the state", |row| row.is_health("signal"));
        let expected = json!([{ "Name": "mine", "Count": 1, "Expired": false }]);
        assert_eq!(suppressions(&health), &expected);
        let sum = |field| health.number(field).expect("a count");
        assert_eq!(
            sum("Delivered"),
            sum("Findings") + sum("Suppressed") + sum("Folded") + sum("Clean"),
            "{}",
            health.line
        );
        assert!(sum("Suppressed") >= 1);
        let closing = watch.stop();
        assert_eq!(suppressions(&last(&closing)), &expected);
        assert!(closing.suppressed >= 1 && closing.findings >= 1, "{closing:?}");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_suppressed_finding_is_no_result_and_does_not_end_the_run() {
    let temp = Temp::new();
    let file = config(&temp, &suppress(&temp, "mine"));
    let other = Temp::new();
    let watch = Watch::findings(&["--config", path_text(&file), "--count", "1"]);
    let (mine, theirs) = (token(), token());
    Exec::new(temp.program("sslyze", Program::Exit))
        .args(["sslyze", &mine])
        .run();
    Exec::new(other.program("sslyze", Program::Exit))
        .args(["sslyze", &theirs])
        .run();
    let closing = watch.end();
    assert_eq!((closing.lines, closing.findings), (1, 1), "{closing:?}");
    assert!(closing.suppressed >= 1, "{closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn the_same_finding_again_is_folded_into_one_record_with_its_number() {
    const TIMES: u64 = 8;
    let watch = Watch::findings(&["--fold-interval", "2s"]);
    let same = token();
    let tool = watch.temp().program("tlsx", Program::Exit);
    let run = || Exec::new(&tool).args(["tlsx", &same]).run();
    let ran: Vec<_> = (0..TIMES).map(|_| run()).collect();
    let first = watch.row_of(&same);
    first.assert_pid(ran[0].pid);
    assert!(first.number("FoldedCount").is_none(), "the first is written at once");
    // On a slow host the interval may end in between; then there are more of both.
    let told = |row: &Row| row.number("FoldedCount").unwrap_or(1);
    let mut sum = 0;
    watch.wait_for("all of them are told", |row| {
        sum += if row.is(&same) { told(row) } else { 0 };
        sum == TIMES
    });
    let rows = watch.rows_so_far(|row| row.is(&same));
    assert!(rows.len() < usize::try_from(TIMES).expect("a small number"), "{rows:?}");
    let folded = rows
        .iter()
        .find(|row| row.number("FoldedCount").is_some())
        .expect("one");
    folded.assert_pid(ran[1].pid);
    assert_eq!(folded.text("FoldedSince"), first.text("Timestamp"));
    // What is folded when the monitor ends is told at its end.
    run();
    run();
    let before = watch.rows_so_far(|row| row.is(&same)).len();
    let closing = watch.stop();
    assert!(closing.folded >= 1, "{closing:?}");
    let own = closing.lines - closing.findings;
    assert!(
        own >= 1 && before > rows.len(),
        "records that tell of others: {closing:?}"
    );
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn folding_is_off_for_all_execs_and_when_it_is_told_so() {
    for flags in [&["--all-execs"][..], &["--fold-interval", "0"]] {
        let watch = Watch::findings(flags);
        let same = token();
        let tool = watch.temp().program("tlsx", Program::Exit);
        for _ in 0..3 {
            Exec::new(&tool).args(["tlsx", &same]).run();
        }
        assert_eq!(watch.rows_so_far(|row| row.is(&same)).len(), 3, "{flags:?}");
        assert_eq!(watch.stop().folded, 0);
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn what_waits_to_be_folded_is_told_before_the_end() {
    let watch = Watch::findings(&["--fold-interval", "1h"]);
    let same = token();
    let tool = watch.temp().program("tlsx", Program::Exit);
    for _ in 0..3 {
        Exec::new(&tool).args(["tlsx", &same]).run();
    }
    assert_eq!(watch.rows_so_far(|row| row.is(&same)).len(), 1);
    let closing = watch.stop();
    assert!(closing.folded >= 2, "{closing:?}");
    assert!(closing.lines > closing.findings, "{closing:?}");
}

/// A rule for programs with a name that no other rule knows.
const RULE: &str = r#"
pack = "site"
version = 1
description = "test"

[[rule]]
id = "site-tool"
category = "CertEnumTool"
severity = "low"
confidence = "high"
technique = "T1596.003"
tactic = "Reconnaissance"
description = "test"
all = [{ field = "FileName", in_ci = ["sitetool"] }]
match = [{ argv = ["sitetool"] }]
no_match = [{ argv = ["other"] }]
"#;

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn sighup_reads_rules_and_configuration_anew_and_what_is_bad_leaves_the_old_at_work() {
    let temp = Temp::new();
    let folder = temp.folder("rules.d");
    let base = format!("rules_dir = '{}'\n", folder.display());
    let file = config(&temp, &base);
    let watch = Watch::findings(&["--config", path_text(&file)]);
    let tool = temp.program("sitetool", Program::Exit);
    let known = temp.program("sslyze", Program::Exit);
    let seen = |program: &Path| {
        let token = token();
        Exec::new(program).args(["x", &token]).run();
        !watch.rows_so_far(|row| row.is(&token)).is_empty()
    };
    assert!(!seen(&tool) && seen(&known));

    // A rule, and a suppression.
    write(&folder.join("site.toml"), RULE);
    let good = base.clone()
        + &suppress(&temp, "mine")
        + &format!("[[suppress]]\nreason = 'r'\nprogram = '{}'\n", known.display());
    write(&file, &good.replace("/*'", "/nothing'"));
    watch.signal(libc::SIGHUP);
    watch.wait_for_message("read anew (2 suppressions)");
    assert!(seen(&tool) && !seen(&known));

    // Nothing of a bad one is used: neither its good part nor the rules that are good.
    fs::remove_file(folder.join("site.toml")).expect("the rules are gone");
    write(&file, &(base.clone() + "\n[[supress]]\n"));
    watch.signal(libc::SIGHUP);
    watch.wait_for_message("did you mean `suppress`?");
    let place = format!("{}:3:", file.display());
    let bad = watch.wait_for("the state has changed", |row| {
        row.is_health("change") && row.text("Status") == Some("degraded")
    });
    assert!(bad.json["Problems"].to_string().contains(&place), "{}", bad.line);
    assert!(seen(&tool) && !seen(&known), "the old ones are at work");

    // A bad rule is as bad.
    write(&file, &base);
    write(&folder.join("site.toml"), &RULE.replace("in_ci", "in_cii"));
    watch.signal(libc::SIGHUP);
    watch.wait_for_message("did you mean `in_ci`?");
    assert!(seen(&tool) && !seen(&known), "the old ones are at work");

    fs::remove_file(folder.join("site.toml")).expect("the rules are gone");
    watch.signal(libc::SIGHUP);
    watch.wait_for_message("read anew (0 suppressions)");
    watch.wait_for("all is well again", |row| {
        row.is_health("change") && row.text("Status") == Some("ok")
    });
    assert!(!seen(&tool) && seen(&known));
    let closing = watch.stop();
    let removed = suppressions(&last(&closing)).clone();
    assert_eq!(removed[0]["Name"], "(removed)");
    assert_eq!(removed[0]["Count"], 3, "nothing disappears uncounted");
    assert!(closing.suppressed >= 3, "{closing:?}");
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn an_expired_suppression_says_so_once_and_no_longer_works() {
    let temp = Temp::new();
    let text = suppress(&temp, "over") + "owner = 'ciso'\nexpires = 2020-02-29\ncategory = ['*Tool', 'CertEnumTol']\n";
    let file = config(&temp, &text);
    let watch = Watch::findings(&["--config", path_text(&file)]);
    let mine = token();
    Exec::new(temp.program("sslyze", Program::Exit))
        .args(["sslyze", &mine])
        .run();
    watch.row_of(&mine);
    let closing = watch.stop();
    let said =
        "suppression over has expired and no longer works since 2020-03-01T00:00:00Z (reason: agreed; owner: ciso)";
    assert_eq!(closing.stderr.matches(said).count(), 1, "{}", closing.stderr);
    let stray = "suppression over: no category of the loaded packs fits \"CertEnumTol\"";
    assert_eq!(closing.stderr.matches(stray).count(), 1, "{}", closing.stderr);
    let expected = json!([{ "Name": "over", "Count": 0, "Expired": true }]);
    assert_eq!(suppressions(&last(&closing)), &expected);
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn flags_win_over_the_file() {
    let temp = Temp::new();
    let file = config(&temp, "min_confidence = 'high'\n[watch]\nring_size = '1MiB'\n");
    for (flags, shown) in [(&[][..], 0), (&["--min-confidence", "low", "--ring-size", "2MiB"], 1)] {
        let watch = Watch::findings(&[&["--config", path_text(&file)], flags].concat());
        let low = token();
        Exec::new(temp.program("vim", Program::Exit))
            .args(["vim", "sslyze.py", &low])
            .run();
        let words = temp.program("openssl", Program::Exit);
        Exec::new(&words).args(["openssl", "x509", &low]).run();
        let rows = watch.rows_so_far(|row| row.is(&low) && row.text("ToolCategory") == Some("OpenSSLProbe"));
        assert_eq!(rows.len(), shown, "{flags:?}");
        let closing = watch.stop();
        let ring = last(&closing).number("RingBytes");
        assert_eq!(ring, Some(if shown == 0 { 1 << 20 } else { 2 << 20 }));
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_configuration_that_is_bad_or_that_others_could_write_is_refused_before_anything_is_watched() {
    let temp = Temp::new();
    let good = config(&temp, "min_confidence = 'low'\n");
    let file = |name: &str, text: &str, mode: u32| {
        let path = temp.join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        path
    };
    let link = temp.join("link.toml");
    symlink(&good, &link).expect("a link");
    let open = temp.folder("open");
    fs::write(open.join("c.toml"), "").expect("a file");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("its mode");
    for (path, why) in [
        (temp.join("missing.toml"), "No such file"),
        (temp.path().to_owned(), "not a regular file"),
        (link, "symbolic link"),
        (file("group.toml", "", 0o664), "could be changed by others"),
        (file("others.toml", "", 0o646), "could be changed by others"),
        (open.join("c.toml"), "could be changed by others"),
        (file("key.toml", "\nmin_confidance = 'low'", 0o600), ":2: unknown key"),
        (file("rules.toml", "rules_dir = '/nonexistent'", 0o600), "/nonexistent"),
    ] {
        let ended = output_of(&mut command(&["watch", "--config", path_text(&path)]));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains(why), "{why}: {ended:?}");
        assert!(!ended.stderr.contains("watching every exec"), "{ended:?}");
        assert_eq!(ended.stdout, "");
    }
}

//! A copy of a watched program is known by its content, whatever it is called, and nothing else is taken for one.
//!
//! Root and a kernel with eBPF are needed: `cargo xtask test` runs these.

#[expect(dead_code, reason = "each file of tests uses its part of the harness")]
mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use common::{
    elf::{Program, elf},
    eventually,
    exec::Exec,
    find_program,
    temp::Temp,
    token,
    watch::{Row, Watch},
};

/// What the monitor says once it knows the host's programs.
const KNOWN: &str = "watched programs of this host are known";
/// A proxy that refuses at once: no test waits for a network.
const NO_NETWORK: &str = "https_proxy=http://127.0.0.1:9";

/// A program in a place where the monitor looks for watched ones, removed at the end.
struct Installed {
    folder: PathBuf,
    path: PathBuf,
}

impl Installed {
    #[track_caller]
    fn new(name: &str) -> Self {
        let folder = PathBuf::from(format!("/opt/cert-recon-live-{}", token()));
        let bin = folder.join("bin");
        fs::create_dir_all(&bin).expect("a folder below /opt");
        let path = bin.join(name);
        // Something of its own at the end: no other program has this content.
        let bytes = [elf(Program::Exit), token().into_bytes()].concat();
        fs::write(&path, bytes).expect("writing a program");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
        Self { folder, path }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        // A folder that stays behind is untidy, no failure.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The host's program of this name, or one that stands for it.
#[track_caller]
fn watched_program(name: &str) -> (PathBuf, Option<Installed>) {
    match find_program(name) {
        Some(path) => (path, None),
        None => {
            let installed = Installed::new(name);
            (installed.path.clone(), Some(installed))
        }
    }
}

#[track_caller]
fn copy(temp: &Temp, program: &Path, name: &str) -> PathBuf {
    let bytes = fs::read(program).expect("reading the program");
    temp.executable(name, &bytes)
}

/// The first name of what it is a copy of.
fn known_as(row: &Row) -> Option<&str> {
    row.json.get("KnownAs")?.get(0)?.as_str()
}

/// Asks a service about a domain that has the token in it, as curl does.
fn asks(asked: &str) -> [String; 4] {
    ["x", "-m", "1", &format!("https://crt.sh/?q={asked}.example.com")].map(str::to_owned)
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_copy_of_curl_is_curl_whatever_it_is_called_and_another_file_of_its_size_is_not() {
    let (curl, _installed) = watched_program("curl");
    let watch = Watch::findings(&[]);
    watch.wait_for_message(KNOWN);
    let temp = Temp::new();
    let x = copy(&temp, &curl, "x");

    let asked = token();
    Exec::new(&x).args(asks(&asked)).env(NO_NETWORK).run_any();
    let row = watch.row_of(&asked);
    assert_eq!(known_as(&row), Some("curl"), "{}", row.line);
    assert_eq!(row.text("Confidence"), Some("high"), "{}", row.line);
    assert_eq!(row.text("ToolCategory"), Some("CTLogQuery"), "{}", row.line);
    assert_eq!(row.text("FileName"), Some("x"));
    assert_eq!(row.json["Targets"], serde_json::json!([format!("{asked}.example.com")]));

    // As long, and not the same: its last byte differs. Only curl reads the braces.
    let mut bytes = fs::read(&curl).expect("reading curl");
    let last = bytes.last_mut().expect("curl is not empty");
    *last ^= 1;
    let y = temp.executable("y", &bytes);
    let (whole, other) = (token(), token());
    for (program, asked) in [(&x, &whole), (&y, &other)] {
        let url = format!("https://{{crt,foo}}.sh/?q={asked}.example.com");
        Exec::new(program)
            .args(["x", "-m", "1", &url])
            .env(NO_NETWORK)
            .run_any();
    }
    assert_eq!(known_as(&watch.row_of(&whole)), Some("curl"));
    let about = |row: &Row| row.text("ProcessCommandLine").is_some_and(|line| line.contains(&other));
    assert_eq!(watch.rows_so_far(about).len(), 0);

    // A hard link and a file that is gone are the same content.
    let asked = token();
    let z = temp.join("z");
    fs::hard_link(&x, &z).expect("a link");
    fs::remove_file(&x).expect("removing it");
    Exec::new(&z).args(asks(&asked)).env(NO_NETWORK).run_any();
    assert_eq!(known_as(&watch.row_of(&asked)), Some("curl"));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_copy_of_curl_that_asks_no_service_is_no_more_than_renamed() {
    let (curl, _installed) = watched_program("curl");
    let temp = Temp::new();
    let x = copy(&temp, &curl, "x");
    for (least, rows) in [("low", 1), ("medium", 0)] {
        let watch = Watch::findings(&["--min-confidence", least]);
        watch.wait_for_message(KNOWN);
        let asked = token();
        let url = format!("https://example.com/{asked}");
        Exec::new(&x).args(["x", "-m", "1", &url]).env(NO_NETWORK).run_any();
        let found = watch.rows_so_far(|row| row.text("ProcessCommandLine").is_some_and(|line| line.contains(&asked)));
        assert_eq!(found.len(), rows, "{least}");
        for row in found {
            assert_eq!(row.text("ToolCategory"), Some("RenamedTool"), "{}", row.line);
            assert_eq!(row.text("Confidence"), Some("low"), "{}", row.line);
        }
        let closing = watch.stop();
        assert!(closing.suppressed >= 1 - rows as u64, "{closing:?}");
    }
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn code_for_a_copy_of_python_is_read_as_pythons() {
    let (python, _installed) = watched_program("python3");
    let watch = Watch::findings(&[]);
    watch.wait_for_message(KNOWN);
    let temp = Temp::new();
    let asked = token();
    let code = format!("import urllib.request as r; r.urlopen('https://crt.sh/?q={asked}.example.com')");
    Exec::new(copy(&temp, &python, "srv"))
        .args(["srv", "-c", &code])
        .env(NO_NETWORK)
        .run_any();
    let row = watch.row_of(&asked);
    assert!(
        known_as(&row).is_some_and(|name| name.starts_with("python3")),
        "{}",
        row.line
    );
    assert_eq!(row.text("ToolCategory"), Some("CTLogQuery"), "{}", row.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn another_argv_0_alone_makes_nobody_a_copy() {
    let (curl, _installed) = watched_program("curl");
    let watch = Watch::findings(&[]);
    watch.wait_for_message(KNOWN);
    let asked = token();
    Exec::new(&curl).args(asks(&asked)).env(NO_NETWORK).run_any();
    let row = watch.row_of(&asked);
    assert_eq!(row.text("Confidence"), Some("high"), "{}", row.line);
    assert_eq!(known_as(&row), None, "{}", row.line);
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn a_program_installed_later_is_known_after_a_hangup() {
    let watch = Watch::findings(&["--fold-interval", "0s"]);
    watch.wait_for_message(KNOWN);
    let later = Installed::new("sslscan");
    let temp = Temp::new();
    let x = copy(&temp, &later.path, "x");
    let run = || {
        let asked = token();
        Exec::new(&x).args(["x", &format!("{asked}.example.com")]).run();
        watch
            .rows_so_far(|row| row.is(&asked))
            .first()
            .map(|row| known_as(row).map(str::to_owned))
    };
    assert_eq!(run(), None, "nobody knows that program yet");
    watch.signal(libc::SIGHUP);
    let mut found = None;
    assert!(
        eventually(|| {
            found = run();
            found.is_some()
        }),
        "it is known once the programs were read anew"
    );
    assert_eq!(found.flatten().as_deref(), Some("sslscan"));
    watch.stop();
}

#[test]
#[ignore = "needs root and eBPF: cargo xtask test runs it"]
fn people_read_what_it_is_a_copy_of() {
    let (curl, _installed) = watched_program("curl");
    let watch = Watch::start(&["watch"]);
    watch.wait_for_message(KNOWN);
    let temp = Temp::new();
    let asked = token();
    Exec::new(copy(&temp, &curl, "x"))
        .args(asks(&asked))
        .env(NO_NETWORK)
        .run_any();
    let row = watch.row_of(&asked);
    assert!(row.line.contains("(a copy of curl)"), "{}", row.line);
    watch.stop();
}

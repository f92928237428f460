//! What is made from the definition of the command line is accepted by those that it is for: shells complete with it, and
//! formatters of manual pages have nothing to say against it.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

fn cert_recon(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_cert-recon"))
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{args:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program that reads this; nothing when it is not installed.
fn fed(program: &str, args: &[&str], input: &str) -> Option<Output> {
    let spawned = Command::new(program)
        .args(args)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIP: {program} is not installed");
            return None;
        }
        spawned => spawned.unwrap(),
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// What a shell says, which must not be a complaint.
fn words(output: &Output) -> BTreeSet<String> {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn assert_has(found: &BTreeSet<String>, wanted: &[&str]) {
    for word in wanted {
        assert!(found.contains(*word), "{word} is not among {found:?}");
    }
}

const COMMANDS: [&str; 8] = [
    "watch",
    "hunt",
    "check",
    "rules",
    "doctor",
    "completions",
    "config",
    "man",
];

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = cert_recon(&["completions", "bash"]);
    let ask = |line: &str| {
        let text = format!(
            "{script}\nCOMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             spec=($(complete -p cert-recon)); for ((i = 0; i < ${{#spec[@]}}; i++)); do [[ ${{spec[i]}} = -F ]] && \
             function=${{spec[i + 1]}}; done\n\
             $function cert-recon \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
             echo \"${{COMPREPLY[@]}}\"\n"
        );
        fed("bash", &["--norc", "-s"], &text).map(|output| words(&output))
    };
    let Some(found) = ask("cert-recon ''") else { return };
    assert_has(&found, &COMMANDS);
    assert_eq!(ask("cert-recon wa").unwrap(), BTreeSet::from(["watch".to_owned()]));
    assert_has(
        &ask("cert-recon watch --").unwrap(),
        &["--record", "--output", "--config"],
    );
    assert_has(&ask("cert-recon watch --format ''").unwrap(), &["text", "json"]);
    assert_has(&ask("cert-recon rules ''").unwrap(), &["list", "test", "export"]);
}

#[test]
fn zsh_takes_it_as_the_completion_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("_cert-recon"), cert_recon(&["completions", "zsh"])).unwrap();
    let text = format!(
        "fpath=({} $fpath)\nautoload -Uz compinit\ncompinit -u -D\necho $_comps[cert-recon]\n\
         autoload +X _cert-recon && whence -w _cert-recon\n",
        folder.path().display()
    );
    let Some(output) = fed("zsh", &["-f", "-s"], &text) else {
        return;
    };
    let found = words(&output);
    assert_has(&found, &["_cert-recon", "_cert-recon:", "function"]);
}

#[test]
fn fish_completes_commands_flags_and_values() {
    let script = cert_recon(&["completions", "fish"]);
    let home = tempfile::tempdir().unwrap();
    let ask = |line: &str| {
        // Its settings are in the home folder, which is not to be changed by a test.
        let text = format!(
            "set -x HOME {}\n{script}\ncomplete -C '{line}'\n",
            home.path().display()
        );
        fed("fish", &["--no-config"], &text).map(|output| words(&output))
    };
    let Some(found) = ask("cert-recon ") else { return };
    assert_has(&found, &COMMANDS);
    assert_has(
        &ask("cert-recon watch --").unwrap(),
        &["--record", "--output", "--config"],
    );
    assert_has(&ask("cert-recon watch --format ").unwrap(), &["text", "json"]);
}

#[test]
fn there_is_a_page_for_each_command_and_the_main_one_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new/man1");
    assert_eq!(cert_recon(&["man", "--dir", dir.to_str().unwrap()]), "");
    let found: BTreeSet<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut wanted: BTreeSet<String> = COMMANDS.iter().map(|name| format!("cert-recon-{name}.1")).collect();
    wanted.extend(["list", "test", "export"].map(|name| format!("cert-recon-rules-{name}.1")));
    wanted.extend(["check", "show"].map(|name| format!("cert-recon-config-{name}.1")));
    wanted.insert("cert-recon.1".to_owned());
    assert_eq!(found, wanted);
    let main = fs::read_to_string(dir.join("cert-recon.1")).unwrap();
    assert_eq!(main, cert_recon(&["man"]), "the same on standard output");
    for text in [".SH NAME", ".SH \"EXIT STATUS\"", ".SH FILES", "SIGHUP"] {
        assert!(
            main.contains(text) || main.contains(&text.replace("FILES", "\"FILES\"")),
            "{text}\n{main}"
        );
    }
    for command in COMMANDS {
        assert!(
            main.contains(&format!("cert\\-recon\\-{command}(1)")),
            "{command}\n{main}"
        );
    }
}

fn each_page(mut look: impl FnMut(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    cert_recon(&["man", "--dir", folder.path().to_str().unwrap()]);
    for entry in fs::read_dir(folder.path()).unwrap() {
        look(&entry.unwrap().path());
    }
}

#[test]
fn groff_formats_each_page_without_a_warning() {
    each_page(|page| {
        let text = fs::read_to_string(page).unwrap();
        let Some(output) = fed("groff", &["-man", "-Tascii", "-ww", "-rF0", "-z"], &text) else {
            return;
        };
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}: {output:?}",
            page.display()
        );
    });
}

#[test]
fn mandoc_has_no_warning_for_any_page() {
    each_page(|page| {
        let text = fs::read_to_string(page).unwrap();
        let Some(output) = fed("mandoc", &["-T", "lint", "-W", "warning"], &text) else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // A page that is made with each build has no date of its own; paragraphs without text change nothing that is seen.
        let known = ["missing date", "skipping paragraph macro"];
        let bad: Vec<_> = said
            .lines()
            .filter(|line| !known.iter().any(|known| line.contains(known)))
            .collect();
        assert!(bad.is_empty(), "{}: {bad:?}", page.display());
    });
}

//! Every command that README.md shows is one that works.

use std::process::Command;

/// Lines of the README's `console` blocks that begin with `$ `.
fn commands() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let mut commands = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            commands.push(command.to_owned());
        }
    }
    commands
}

#[test]
fn commands_of_the_program_run_and_end_as_they_should() {
    let mut ran = 0;
    for line in commands() {
        let Some(rest) = line.strip_prefix("cert-recon ") else {
            continue;
        };
        let output = Command::new(env!("CARGO_BIN_EXE_cert-recon"))
            .args(rest.split(' '))
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .unwrap();
        let expected = i32::from(rest.starts_with("check") || rest.starts_with("hunt"));
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.stdout.is_empty(), "{line}: no output");
        ran += 1;
    }
    assert!(ran >= 3, "the README shows commands of the program");
}

#[test]
fn the_other_commands_are_the_two_that_ci_runs() {
    // `.ci/run` runs the second; `cargo xtask ci` the first, for a shorter time.
    let others: Vec<_> = commands()
        .into_iter()
        .filter(|line| !line.starts_with("cert-recon "))
        .collect();
    assert_eq!(others, ["cargo xtask run -- --duration 60s", "cargo xtask test"]);
}

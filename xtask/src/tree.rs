//! Checks on the tree's files themselves: nothing of one machine in them, and shell scripts that parse.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{tools, workspace};

/// What must not be in a file: it is right on one machine only. In two pieces each, so that this file may hold them.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "an absolute path of one machine"),
    (concat!("/ro", "ot/"), "an absolute path of one user"),
    (concat!("index.crates", ".io"), "a package registry's host"),
    (concat!("static.crates", ".io"), "a package registry's host"),
    (concat!("deb.debian", ".org"), "a package registry's host"),
    (concat!("security.debian", ".org"), "a package registry's host"),
    (concat!("pypi", ".org"), "a package registry's host"),
    (concat!("pythonhosted", ".org"), "a package registry's host"),
    (concat!("registry.npmjs", ".org"), "a package registry's host"),
];

/// Where one of them means something else: the file's path begins with the first, and the line contains the second.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// Every file that git tracks or would add, relative to the checkout.
fn files() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(workspace::root());
    let list = tools::stdout_of(&mut git).context("the list of files to check comes from git")?;
    let root = workspace::root();
    Ok(list
        .split('\0')
        .filter(|name| !name.is_empty() && root.join(name).is_file())
        .map(str::to_owned)
        .collect())
}

/// No machine's paths, no registry's hosts; returns the number of files.
pub(crate) fn check_content() -> Result<usize> {
    let files = files()?;
    let mut hits = Vec::new();
    for name in &files {
        let content = fs::read(workspace::root().join(name)).with_context(|| format!("reading {name}"))?;
        for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            if let Some((text, what)) = forbidden(&line)
                && !ALLOWED
                    .iter()
                    .any(|(file, allowed, _)| name.starts_with(file) && line.contains(allowed))
            {
                hits.push(format!("{name}:{}: {text} is {what}", number + 1));
            }
        }
    }
    if !hits.is_empty() {
        bail!(
            "{}\nIf it means something else there, say so in ALLOWED in xtask/src/tree.rs",
            hits.join("\n")
        );
    }
    Ok(files.len())
}

fn forbidden(line: &str) -> Option<(&'static str, &'static str)> {
    FORBIDDEN.iter().copied().find(|(text, _)| {
        line.match_indices(text).any(|(at, _)| {
            // `a/b/` inside `x/a/b/` is not absolute.
            !text.starts_with('/') || !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c))
        })
    })
}

/// `sh -n`, and shellcheck where it is installed; returns a remark.
pub(crate) fn check_scripts() -> Result<String> {
    let mut scripts: Vec<(String, PathBuf)> = Vec::new();
    for name in files()? {
        let path = workspace::root().join(&name);
        let content = fs::read(&path).with_context(|| format!("reading {name}"))?;
        let first = String::from_utf8_lossy(content.split(|byte| *byte == b'\n').next().unwrap_or_default());
        if let Some(shell) = shell(&name, &first) {
            scripts.push((shell.to_owned(), path));
        }
    }
    for (shell, path) in &scripts {
        tools::run(Command::new(shell).arg("-n").arg(path))?;
    }
    if tools::find("shellcheck").is_none() {
        return Ok(format!("{} parse; shellcheck is not installed: not run", scripts.len()));
    }
    if !scripts.is_empty() {
        let mut shellcheck = Command::new("shellcheck");
        tools::run(
            shellcheck
                .args(scripts.iter().map(|(_, path)| path))
                .stdin(Stdio::null()),
        )?;
    }
    Ok(format!("{} pass shellcheck", scripts.len()))
}

/// The shell that a file is for; none if it is not a script.
fn shell(name: &str, first_line: &str) -> Option<&'static str> {
    let interpreter = first_line
        .strip_prefix("#!")
        .unwrap_or(if name.ends_with(".sh") { "sh" } else { "" });
    let mut words = interpreter.split(|c: char| c.is_whitespace() || c == '/').rev();
    words.find_map(|word| ["bash", "sh", "dash"].into_iter().find(|shell| *shell == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_found_and_others_are_not() {
        let path = FORBIDDEN[0].0;
        assert!(forbidden(&format!("include = \"{path}x\"")).is_some());
        assert!(forbidden(&format!("file://{path}x")).is_some());
        assert!(forbidden(&format!("docs{path}x")).is_none());
        assert!(forbidden("/home/someone/x").is_none());
        assert!(forbidden(&format!("https://{}/simple", FORBIDDEN[6].0)).is_some());
    }

    #[test]
    fn scripts_are_known_by_their_first_line() {
        assert_eq!(shell(".ci/run", "#!/usr/bin/env bash"), Some("bash"));
        assert_eq!(shell("init", "#!/bin/sh -e"), Some("sh"));
        assert_eq!(shell("a.sh", ""), Some("sh"));
        assert_eq!(shell("a.py", "#!/usr/bin/python3"), None);
        assert_eq!(shell("README.md", "# sh"), None);
    }
}

//! The THIRD-PARTY file: which works of others the program has in it, and what their licences ask to be told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};

use super::platform::Platform;
use crate::{tools, workspace, workspace::Metadata};

/// What is in the program and no crate of the lock file.
const OTHERS: &[(&str, &str)] = &[
    (
        "Rust's standard library, MIT OR Apache-2.0",
        "Copyright (c) The Rust Project Contributors. The texts of both licences are with cert-recon's own: LICENSE-MIT, \
         LICENSE-APACHE. It has in it the crates addr2line, adler2, cfg-if, compiler_builtins, gimli, hashbrown, libc, memchr, \
         miniz_oxide, object, rustc-demangle and std_detect, under the same licences.",
    ),
    (
        "musl, MIT",
        "Copyright (c) 2005-2020 Rich Felker, et al. The text of the licence is that of LICENSE-MIT.",
    ),
    (
        "libgcc and its unwinder, GPL-3.0-or-later WITH GCC-exception-3.1",
        "Copyright (c) Free Software Foundation, Inc. The exception lets a program that is compiled with gcc or with another \
         compiler under a free licence have them in it under terms of its own choice.",
    ),
];

/// The text.
pub(super) fn third_party(root: &Path, platform: Platform) -> Result<String> {
    let used = used(root, platform)?;
    let metadata = Metadata::load_of(root)?;
    let mut list = String::new();
    // The same text is there once, with the names of all that are under it.
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut known = 0;
    for package in metadata.packages() {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let name = format!("{} {}", text("name"), text("version"));
        if package["source"].is_null() || !used.contains(&name) {
            continue;
        }
        known += 1;
        let _ = writeln!(list, "- {name}: {}", text("license"));
        let manifest = text("manifest_path");
        let folder = Path::new(&manifest).parent().context("a manifest has a folder")?;
        for text in licence_texts(folder)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    ensure!(
        known > 50,
        "only {known} crates are in the program: is `cargo tree` read rightly?"
    );
    let mut out = String::from(
        "cert-recon is under the licences in LICENSE-MIT and LICENSE-APACHE, at your choice. Works of others that are in its\n\
         program:\n\n",
    );
    out.push_str(&list);
    for (name, text) in OTHERS {
        let _ = writeln!(out, "\n{name}\n\n{text}");
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    for (text, names) in texts {
        let _ = writeln!(out, "\n{}\n{}\n\n{}", "=".repeat(80), names.join(", "), text.trim());
    }
    Ok(out)
}

/// `name version` of every crate whose code is in the program.
fn used(root: &Path, platform: Platform) -> Result<BTreeSet<String>> {
    let mut tree = workspace::cargo();
    tree.current_dir(root)
        .args([
            "tree",
            "--locked",
            "-p",
            "cert-recon-user",
            "-e",
            "normal,no-proc-macro",
            "--target",
            platform.target(),
        ])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    let printed = tools::stdout_of(&mut tree)?;
    Ok(printed
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            Some(format!("{name} {version}"))
        })
        .collect())
}

/// The texts in a crate's folder, and of C code that it brings in a folder of its own.
fn licence_texts(folder: &Path) -> Result<BTreeSet<String>> {
    let mut texts = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    for folder in folders {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
            let is_licence = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
                .iter()
                .any(|begin| name.starts_with(begin));
            // zstd's COPYING is the GPL, which it may be had under instead.
            if !path.is_file() || !is_licence || name == "COPYING" && folder.join("LICENSE").is_file() {
                continue;
            }
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            texts.insert(String::from_utf8_lossy(&bytes).replace('\r', ""));
        }
    }
    Ok(texts)
}

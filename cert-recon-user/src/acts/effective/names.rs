//! The names under which a program is known: what a path, a package or an image is called without the parts that do not
//! make it another program.
//!
//! Owns only the spelling of names; knows nothing of what a program does.

use crate::acts::Word;
use crate::text;

/// Longer names than this belong to no file (`NAME_MAX`), so nothing is derived from them.
const LONGEST: usize = 255;
/// More names than this are not derived from one word.
const MOST: usize = 8;

/// Endings of programs and scripts; without them it is the same program.
const ENDINGS: &[&str] = &[
    "exe", "cmd", "bat", "com", "py", "pyc", "pyw", "pyz", "pex", "sh", "bash", "zsh", "ksh", "fish", "pl", "rb",
    "php", "phar", "js", "mjs", "cjs", "ts", "lua", "tcl", "r", "jar", "ps1", "appimage", "sif", "bin", "elf",
    "static", "real", "orig", "distrib", "bak", "old",
];

/// Endings that say that the file is a script, or a package of one.
const SCRIPTS: &[&str] = &[
    "py", "pyc", "pyw", "pyz", "pex", "sh", "bash", "zsh", "ksh", "fish", "pl", "rb", "php", "phar", "js", "mjs",
    "cjs", "ts", "lua", "tcl", "r", "jar", "ps1",
];

/// Parts of a released file's name that tell the machine that it is for, or how it was made.
const PLATFORMS: &[&str] = &[
    "linux",
    "linux64",
    "linux32",
    "darwin",
    "macos",
    "windows",
    "win",
    "win32",
    "win64",
    "freebsd",
    "unknown",
    "pc",
    "amd64",
    "x86",
    "x64",
    "x86_64",
    "64",
    "32",
    "64bit",
    "32bit",
    "64-bit",
    "i386",
    "i586",
    "i686",
    "386",
    "arm64",
    "aarch64",
    "armv6",
    "armv6l",
    "armv7",
    "armv7l",
    "armhf",
    "arm",
    "riscv64",
    "ppc64le",
    "s390x",
    "musl",
    "gnu",
    "gnueabihf",
    "static",
    "latest",
    "stable",
    "release",
    "preview",
    "lts",
    "nightly",
    "wrapped",
    "unwrapped",
    "bin",
    "binary",
];

/// Programs whose version stands at the end of the name without a separator: `python3.11`, `php8.2`, `go1.22`.
const FAMILIES: &[&str] = &[
    "python", "pypy", "pip", "perl", "ruby", "jruby", "irb", "gem", "php", "php-cgi", "node", "nodejs", "npm", "lua",
    "luajit", "tclsh", "wish", "java", "ksh", "mksh", "openssl", "go", "guile", "erl", "ipython", "sqlmap", "bash",
    "nmap", "busybox",
];

/// Names of the program that a word names, best first: its base name in lower case, then without what does not make it
/// another program. Empty when the name is not known.
pub(super) fn of_program(word: &[u8]) -> Vec<String> {
    variants(base(word))
}

/// Whether the name is that of a script, by its ending.
pub(super) fn is_script(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(stem, ending)| !stem.is_empty() && SCRIPTS.contains(&ending))
}

/// Names of a container's image: `registry.example/drwetter/testssl.sh:3.0@sha256:...` is `testssl.sh`.
pub(super) fn of_image(word: &[u8]) -> Vec<String> {
    let word = before(word, b'@');
    let base = base(word);
    // `apptainer` names the file of an image with its tag: sslyze_latest.sif.
    variants(before(base, b':'))
}

/// Names of a package as package runners spell it: `sslyze==5.2`, `@scope/name@1`, `git+https://host/ctfr.git@main`.
pub(super) fn of_package(word: &[u8]) -> Vec<String> {
    let word = before(word, b'#');
    let word = word.strip_suffix(b"/").unwrap_or(word);
    let base = match word.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &word[slash + 1..],
        None => word,
    };
    // An at sign in front is a scope's, which was cut off with the path; behind the name it begins the version.
    let end = base
        .iter()
        .position(|byte| {
            matches!(
                byte,
                b'@' | b'=' | b'<' | b'>' | b'~' | b'!' | b'[' | b';' | b' ' | b'?'
            )
        })
        .unwrap_or(base.len());
    let base = &base[..end];
    variants(base.strip_suffix(b".git").unwrap_or(base))
}

/// Names of a Go package with or without a version; a path on this host and a source file give none.
pub(super) fn of_go_package(word: &[u8]) -> Vec<String> {
    let path = before(word, b'@');
    if path.first() == Some(&b'.') || path.first() == Some(&b'/') || path.ends_with(b".go") {
        return Vec::new();
    }
    let mut elements = path.rsplit(|byte| *byte == b'/');
    let last = elements.next().unwrap_or_default();
    // `example/tool/v2` is major version 2 of `tool`.
    let major = last.len() > 1 && last[0] == b'v' && last[1..].iter().all(u8::is_ascii_digit);
    variants(if major { elements.next().unwrap_or(last) } else { last })
}

/// Names of what a flake reference builds: `nixpkgs#sslscan`, `nixpkgs#python3Packages.sslyze`, `github:owner/tool`.
pub(super) fn of_flake(word: &[u8]) -> Vec<String> {
    match word.iter().position(|byte| *byte == b'#') {
        Some(hash) => of_dotted(&word[hash + 1..]),
        None => of_package(word),
    }
}

/// Names of the last part of a dotted path, and of the whole: attributes, snaps' applications, Java classes.
pub(super) fn of_dotted(word: &[u8]) -> Vec<String> {
    let last = word.rsplit(|byte| *byte == b'.').next().unwrap_or(word);
    let mut names = variants(last);
    for name in variants(word) {
        push(&mut names, name);
    }
    names
}

/// Names of a Python module: as spelled, its package, and with the hyphens that its distribution is
/// usually spelled with.
pub(super) fn of_module(word: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for name in variants(word).into_iter().take(1) {
        let package = name.split('.').next().unwrap_or_default().to_owned();
        let hyphens = package.replace('_', "-");
        push(&mut names, name);
        // The standard library's `http.server` is not HTTPie's `http`.
        if package != "http" && package != "json" {
            push(&mut names, package);
            push(&mut names, hyphens);
        }
    }
    names
}

/// Adds a name unless it is there.
pub(super) fn push(names: &mut Vec<String>, name: String) {
    if !name.is_empty() && !names.contains(&name) {
        names.push(name);
    }
}

/// The last element of a path, Windows' backslashes included where the word is a path of Windows.
pub(super) fn base(word: &[u8]) -> &[u8] {
    let end = word.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let word = &word[..end];
    let word = match word.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &word[slash + 1..],
        None => word,
    };
    let windows = word.get(1) == Some(&b':')
        || word.starts_with(b"\\\\")
        || word.len() > 4 && word[word.len() - 4..].eq_ignore_ascii_case(b".exe");
    match word.iter().rposition(|byte| *byte == b'\\') {
        Some(backslash) if windows => &word[backslash + 1..],
        _ => word,
    }
}

fn before(word: &[u8], end: u8) -> &[u8] {
    word.split(|byte| *byte == end).next().unwrap_or_default()
}

/// The name in lower case, then shorter and shorter.
fn variants(base: &[u8]) -> Vec<String> {
    if base.is_empty() || base.contains(&Word::UNKNOWN) || base == b"." || base == b".." {
        return Vec::new();
    }
    let (name, _) = text::lossless(&base[..base.len().min(LONGEST)]);
    let mut names = vec![name.to_lowercase()];
    while names.len() < MOST {
        match names.last().and_then(|last| shorter(last)) {
            Some(name) if !names.contains(&name) => names.push(name),
            _ => break,
        }
    }
    names
}

/// The name without its last part that does not make it another program.
fn shorter(name: &str) -> Option<String> {
    // Hidden files: a tool that was put out of sight, and the real programs behind the wrappers of Nix (`.curl-wrapped`).
    if let Some(visible) = name.strip_prefix('.').filter(|visible| !visible.is_empty()) {
        return Some(visible.to_owned());
    }
    if let Some((stem, ending)) = name.rsplit_once('.')
        && !stem.is_empty()
        && ENDINGS.contains(&ending)
    {
        return Some(stem.to_owned());
    }
    for platform in ["x86_64", "64-bit"] {
        if let Some(stem) = name
            .strip_suffix(platform)
            .and_then(|stem| stem.strip_suffix(['-', '_', '.']))
            && !stem.is_empty()
        {
            return Some(stem.to_owned());
        }
    }
    if let Some(at) = name.rfind(['-', '_'])
        && at > 0
        && (PLATFORMS.contains(&&name[at + 1..]) || is_version(&name[at + 1..]))
    {
        return Some(name[..at].to_owned());
    }
    family(name)
}

/// `3`, `1.2.3`, `v1.1.5`, `3.2rc1`.
fn is_version(part: &str) -> bool {
    let part = part.strip_prefix('v').unwrap_or(part);
    part.starts_with(|c: char| c.is_ascii_digit())
        && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
        && part.chars().filter(char::is_ascii_alphabetic).count() <= 4
}

/// `python3.11` -> `python3` -> `python`.
fn family(name: &str) -> Option<String> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    // Builds without the lock, and for debugging: python3.13t.
    let stem = if stem == name {
        name.trim_end_matches(['t', 'd'])
    } else {
        stem
    };
    let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    if stem.len() == name.len() || !FAMILIES.contains(&stem) {
        return None;
    }
    match name.rsplit_once('.') {
        Some((shorter, _)) if shorter.len() > stem.len() => Some(shorter.to_owned()),
        _ => Some(stem.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{of_flake, of_go_package, of_image, of_module, of_package, of_program};

    fn assert_all(names: fn(&[u8]) -> Vec<String>, rows: &[(&str, &str)]) {
        for (word, expected) in rows {
            assert_eq!(names(word.as_bytes()).join(" "), *expected, "{word}");
        }
    }

    #[test]
    fn a_program_is_known_without_what_does_not_make_it_another_program() {
        assert_all(
            of_program,
            &[
                ("curl", "curl"),
                ("/usr/bin/curl", "curl"),
                ("./curl", "curl"),
                ("/tmp/.x/curl", "curl"),
                ("/tmp/.curl", ".curl curl"),
                ("CURL", "curl"),
                ("curl.exe", "curl.exe curl"),
                (r"C:\Windows\System32\CURL.EXE", "curl.exe curl"),
                ("curl7", "curl7"),
                ("python3.11", "python3.11 python3 python"),
                ("/usr/bin/python3", "python3 python"),
                ("python2", "python2 python"),
                ("python3.13t", "python3.13t python3 python"),
                ("pypy3.9", "pypy3.9 pypy3 pypy"),
                ("pip3.12", "pip3.12 pip3 pip"),
                ("perl5.36.0", "perl5.36.0 perl5.36 perl5 perl"),
                ("ruby3.1", "ruby3.1 ruby3 ruby"),
                ("php8.2", "php8.2 php8 php"),
                ("node18", "node18 node"),
                ("lua5.4", "lua5.4 lua5 lua"),
                ("tclsh8.6", "tclsh8.6 tclsh8 tclsh"),
                ("ksh93", "ksh93 ksh"),
                ("openssl11", "openssl11 openssl"),
                ("openssl-3.0", "openssl-3.0 openssl"),
                ("java-17", "java-17 java"),
                ("sslscan-2.1.3", "sslscan-2.1.3 sslscan"),
                (
                    "tlsx_1.1.5_linux_amd64",
                    "tlsx_1.1.5_linux_amd64 tlsx_1.1.5_linux tlsx_1.1.5 tlsx",
                ),
                ("zgrab2-linux-amd64", "zgrab2-linux-amd64 zgrab2-linux zgrab2"),
                (
                    "subfinder-linux-x86_64",
                    "subfinder-linux-x86_64 subfinder-linux subfinder",
                ),
                ("busybox-x86_64", "busybox-x86_64 busybox"),
                ("busybox.static", "busybox.static busybox"),
                ("testssl.sh", "testssl.sh testssl"),
                ("testssl.sh-3.2rc3", "testssl.sh-3.2rc3 testssl.sh testssl"),
                ("ctfr.py", "ctfr.py ctfr"),
                ("sslyze.exe", "sslyze.exe sslyze"),
                ("sslyze.pyz", "sslyze.pyz sslyze"),
                (".curl-wrapped", ".curl-wrapped curl-wrapped curl"),
                ("pwsh-preview", "pwsh-preview pwsh"),
                ("gnutls-cli", "gnutls-cli"),
                ("ssl-cert-check", "ssl-cert-check"),
                ("wget2", "wget2"),
                ("[", "["),
                ("", ""),
                ("/", ""),
                ("..", ""),
                ("\0", ""),
                ("\0/curl", "curl"),
                ("cu\0l", ""),
            ],
        );
    }

    #[test]
    fn an_image_is_the_last_element_of_its_name_without_tag_and_digest() {
        assert_all(
            of_image,
            &[
                ("drwetter/testssl.sh:3.0", "testssl.sh testssl"),
                ("nablac0d3/sslyze", "sslyze"),
                ("registry.example:5000/team/tlsx:v1.1@sha256:0011", "tlsx"),
                ("curl@sha256:00", "curl"),
                ("docker://curlimages/curl:8.1.0", "curl"),
                ("sslyze_latest.sif", "sslyze_latest.sif sslyze_latest sslyze"),
                ("", ""),
            ],
        );
    }

    #[test]
    fn a_package_is_known_without_version_scope_and_source() {
        assert_all(
            of_package,
            &[
                ("sslyze==5.2", "sslyze"),
                ("sslyze>=5", "sslyze"),
                ("sslyze@latest", "sslyze"),
                ("@scope/tool@1.2", "tool"),
                ("censys[all]", "censys"),
                ("git+https://github.com/UnaPibaGeek/ctfr.git@main", "ctfr"),
                ("github:owner/tool", "tool"),
                ("./tool", "tool"),
            ],
        );
        assert_all(
            of_go_package,
            &[
                ("github.com/projectdiscovery/tlsx/cmd/tlsx@latest", "tlsx"),
                (
                    "github.com/projectdiscovery/subfinder/v2/cmd/subfinder@latest",
                    "subfinder",
                ),
                ("github.com/x/ctail/v2@v2.0.1", "ctail"),
                (".", ""),
                ("./cmd/x", ""),
                ("main.go", ""),
            ],
        );
        assert_all(
            of_flake,
            &[
                ("nixpkgs#sslscan", "sslscan"),
                ("nixpkgs#python3Packages.sslyze", "sslyze python3packages.sslyze"),
                ("github:owner/tool", "tool"),
            ],
        );
        assert_all(
            of_module,
            &[
                ("sslyze", "sslyze"),
                ("sslyze.cli", "sslyze.cli sslyze"),
                ("ct_exposer", "ct_exposer ct-exposer"),
                ("http.server", "http.server"),
            ],
        );
    }
}

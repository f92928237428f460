//! Which reader a program has. Owns the names; a program that stands nowhere is read as one that may ask any URL it is given.

use std::{collections::HashMap, sync::LazyLock};

use super::{
    catalog::{TOOLS, Tool},
    clients::{self, CLIENTS, Client},
    code, curl,
    found::Found,
    httpie,
    interpreter::{self, INTERPRETERS, Interpreter},
    local, openssl, sockets, sql, tools, wget,
};
use crate::acts::{Command, Manner, Word};

type Read = fn(&Command<'_>, &mut Found<'_>);

#[derive(Clone, Copy)]
enum Reader {
    Special(Read),
    Client(&'static Client),
    Interpreter(&'static Interpreter),
    Tool(&'static Tool),
}

/// Programs with a reader of their own.
#[rustfmt::skip]
const SPECIAL: &[(&[&str], Read)] = &[
    (&["curl", "curlie", "curl-impersonate", "curl.real", "hcurl"], curl::read),
    (&["wget", "wget2", "wget.real"], wget::read),
    (&["http", "https", "xh", "xhs", "httpie", "ht"], httpie::read),
    (&["openssl", "libressl", "boringssl", "openssl3", "eopenssl"], openssl::read),
    (&["nc", "netcat", "ncat", "nc.openbsd", "nc.traditional", "netcat-openbsd", "telnet", "cryptcat", "inetutils-telnet"], sockets::netcat),
    (&["socat", "filan", "socat1"], sockets::socat),
    (&["gnutls-cli", "gnutls-cli-debug"], sockets::gnutls),
    (&["psql", "pgcli", "pg_dump", "pg_isready", "usql", "pg_dumpall", "vacuumdb", "dblab", "harlequin"], sql::psql),
    (&["osqueryi", "osqueryd", "duckdb", "steampipe", "clickhouse", "clickhouse-local", "chdb", "sqlite3", "powerpipe", "datafusion-cli"], sql::engine),
    (&["pwsh", "powershell", "pwsh-preview", "pwsh-lts", "powershell_ise"], interpreter::powershell),
    (&["awk", "gawk", "mawk", "nawk", "original-awk", "goawk", "frawk"], interpreter::awk),
    (&["keytool"], local::keytool),
    (&["certutil", "certtool", "certreq", "certmgr", "p11tool", "pk12util", "crlutil", "modutil", "update-ca-certificates", "trust", "mkcert", "easyrsa"], local::unless_url),
    (&["bash", "sh", "dash", "zsh", "ksh", "ksh93", "mksh", "rbash", "ash", "fish", "tcsh", "csh", "yash", "exec", "source", "."], shell),
    (SILENT, silent),
    (TEXT, text),
];

/// Programs that may be told a URL and ask no certificate service about anything: they fetch what they are for.
#[rustfmt::skip]
const SILENT: &[&str] = &[
    "ansible", "ansible-playbook", "ansible-pull", "apk", "apt", "apt-add-repository", "apt-cache", "apt-get", "apt-key", "aptitude", "aws", "az", "brew", "bundle",
    "bunx", "cargo", "certbot", "acme.sh", "dehydrated", "lego", "composer", "conda", "cpan", "cpanm", "crane", "debootstrap", "delv", "dig", "dnf", "docker", "docker-compose",
    "doctl", "dpkg", "drill", "flatpak", "gcloud", "gem", "gh", "git", "git-remote-https", "glab", "go", "gradle", "gsutil", "helm", "hg", "host", "kdig",
    "kubectl", "mamba", "maven", "mvn", "mysql", "nerdctl", "nix", "nix-env", "npm", "npx", "nslookup", "oc", "opam", "opkg", "pacman", "pip", "pip3", "pipx",
    "pnpm", "podman", "poetry", "port", "rclone", "resolvectl", "restic", "rpm", "rsync", "rustup", "s3cmd", "scp", "sftp", "skopeo", "snap", "ssh", "ssh-keyscan",
    "sshfs", "svn", "systemctl", "terraform", "tofu", "unbound-host", "uv", "uvx", "vagrant", "vercel", "yarn", "yay", "yum", "zypper", "mount", "mount.cifs",
];

/// Programs that handle text and files, whatever URLs the text has.
#[rustfmt::skip]
const TEXT: &[&str] = &[
    "ack", "ag", "base64", "bat", "batcat", "cat", "chmod", "chown", "cmp", "code", "column", "comm", "cp", "crontab", "csplit", "cut", "dd", "diff", "echo", "ed", "egrep",
    "emacs-nox", "ex", "exiftool", "export", "fgrep", "file", "find", "fmt", "fold", "grep", "gpg", "gunzip", "gzip", "hexdump", "hx", "iconv", "info", "install", "jq",
    "joe", "kate", "kak", "key", "less", "ln", "locate", "logger", "look", "ls", "mail", "make", "man", "mcedit", "md5sum", "micro", "mkdir", "more", "mousepad", "mv", "nano", "ne", "nl", "notify-send", "nvim", "od",
    "paste", "patch", "pico", "printenv", "printf", "read", "realpath", "rev", "rg", "rm", "rmdir", "sed", "seq", "set", "sha1sum", "sha256sum", "shuf", "sleep", "sort", "split", "stat",
    "strings", "tac", "tail", "tar", "tee", "test", "tmux", "touch", "tr", "tree", "trurl", "true", "type", "uniq", "unset", "unzip", "vi", "view", "vim", "wall", "wc", "whatis", "whereis",
    "which", "whois", "write", "xclip", "xsel", "xxd", "yes", "yq", "zcat", "zgrep", "zip", "wl-copy", "declare", "local", "readonly", "alias", "[", "[[", "cd", "false", "gedit", "screen", "systemd-cat", "apropos", "dict", "figlet", "cowsay",
];

static READERS: LazyLock<HashMap<&'static str, Reader>> = LazyLock::new(|| {
    let mut readers = HashMap::new();
    for tool in TOOLS {
        readers.extend(tool.names.iter().map(|name| (*name, Reader::Tool(tool))));
    }
    for client in CLIENTS {
        readers.extend(client.names.iter().map(|name| (*name, Reader::Client(client))));
    }
    for interpreter in INTERPRETERS {
        readers.extend(
            interpreter
                .names
                .iter()
                .map(|name| (*name, Reader::Interpreter(interpreter))),
        );
    }
    for (names, read) in SPECIAL {
        readers.extend(names.iter().map(|name| (*name, Reader::Special(*read))));
    }
    readers
});

/// Reads the arguments of a command by the first of its names that is known.
pub(super) fn read(command: &Command<'_>, found: &mut Found<'_>) {
    match command.programs.iter().find_map(|name| reader(name)) {
        Some(Reader::Special(read)) => read(command, found),
        Some(Reader::Client(client)) => clients::read(client, command, found),
        Some(Reader::Interpreter(interpreter)) => interpreter::read(interpreter, command, found),
        Some(Reader::Tool(tool)) => tools::read(tool, command, found),
        None => unknown(command, found),
    }
}

fn reader(name: &str) -> Option<Reader> {
    if let Some(reader) = READERS.get(name) {
        return Some(*reader);
    }
    // curl built to look like a browser: curl_chrome116, curl-impersonate-ff.
    (name.starts_with("curl_") || name.starts_with("curl-impersonate")).then_some(Reader::Special(curl::read))
}

/// Every name that a reader is known for.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = READERS.keys().copied().collect();
    names.sort_unstable();
    names
}

/// A program that no table knows may be a renamed copy, or a script: whole URLs and whole host names count.
fn unknown(command: &Command<'_>, found: &mut Found<'_>) {
    if command
        .args
        .iter()
        .any(|word| matches!(word.bytes(), b"--help" | b"--version"))
    {
        found.manner(Manner::Help);
    }
    code::arguments(&command.args, found);
}

fn silent(command: &Command<'_>, found: &mut Found<'_>) {
    help(command, found);
}

fn text(command: &Command<'_>, found: &mut Found<'_>) {
    help(command, found);
    found.manner(Manner::Local);
}

fn help(command: &Command<'_>, found: &mut Found<'_>) {
    if command
        .args
        .iter()
        .any(|word| matches!(word.bytes(), b"--help" | b"--version"))
    {
        found.manner(Manner::Help);
    }
}

/// What a shell runs is found elsewhere; here are only the connections that its redirections open, and the arguments of scripts.
fn shell(command: &Command<'_>, found: &mut Found<'_>) {
    let mut operands = 0;
    for (index, word) in command.args.iter().enumerate() {
        let word = word.bytes();
        sockets::shell_files(word, found);
        if word.starts_with(b"-") {
            if matches!(word, b"--help" | b"--version") && index == 0 {
                found.manner(Manner::Help);
            }
            // bash -c TEXT: the arguments belong to the text.
            if !word.starts_with(b"--") && word.contains(&b'c') {
                operands = usize::MAX;
            }
        } else if operands == usize::MAX {
        } else if operands > 0 {
            code::arguments(&[Word::borrowed(word)], found);
        } else {
            operands = 1;
        }
    }
    sockets::shell_files(command.stdin.as_deref().unwrap_or_default(), found);
}

/// Redirections that came along as words: `3<>/dev/tcp/crt.sh/443`.
pub(super) fn redirections(command: &Command<'_>, found: &mut Found<'_>) {
    for word in &command.args {
        let word = word.bytes();
        let digits = word.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
        let rest = &word[digits..];
        if rest.starts_with(b"<") || rest.starts_with(b">") || rest.starts_with(b"&>") {
            sockets::shell_files(word, found);
        }
    }
}

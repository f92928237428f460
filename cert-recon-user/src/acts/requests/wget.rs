//! wget and wget2, and the applet of busybox.

use super::{
    found::Found,
    options::{Dash, Item, Syntax, Walk},
    search,
    url::Scheme,
};
use crate::acts::{Command, Manner};

#[rustfmt::skip]
const SYNTAX: Syntax = Syntax {
    short: "aABDeiIloOPQRtTUwX",
    long: &[
        "accept", "accept-regex", "append-output", "base", "bind-address", "bind-dns-address", "body-data", "body-file",
        "ca-certificate", "ca-directory", "certificate", "certificate-type", "chunk-size", "ciphers", "compression", "config",
        "connect-timeout", "crl-file", "cut-dirs", "default-page", "directory-prefix", "dns-servers", "dns-timeout", "domains",
        "egd-file", "exclude-directories", "exclude-domains", "execute", "filter-mime-type", "follow-tags", "ftp-password",
        "ftp-user", "header", "hsts-file", "http-password", "http-proxy", "http-user", "https-proxy", "ignore-tags",
        "include-directories", "input-file", "input-metalink", "level", "limit-rate", "load-cookies", "local-encoding",
        "max-redirect", "max-threads", "metalink-index", "method", "output-document", "output-file", "password", "pinnedpubkey",
        "post-data", "post-file", "prefer-family", "preferred-location", "private-key", "private-key-type", "progress",
        "proxy-password", "proxy-user", "quota", "random-file", "read-timeout", "referer", "regex-type", "reject", "reject-regex",
        "rejected-log", "remote-encoding", "report-speed", "restrict-file-names", "save-cookies", "secure-protocol", "start-pos",
        "timeout", "tries", "user", "user-agent", "wait", "waitretry", "warc-dedup", "warc-file", "warc-header", "warc-max-size",
        "warc-tempdir",
    ],
    dash: Dash::Short,
};

/// Reads wget's arguments.
pub(super) fn read(command: &Command<'_>, found: &mut Found<'_>) {
    for item in Walk::new(&command.args, SYNTAX) {
        match item {
            Item::Operand(word) => {
                found.ask_url(word, Scheme::Guessed);
            }
            Item::Option(b"h" | b"help" | b"V" | b"version", None) => found.manner(Manner::Help),
            Item::Option(b"header", Some(line)) => {
                found.header(line);
            }
            Item::Option(b"post-data" | b"body-data", Some(body)) => search::body(body, found),
            Item::Option(b"i" | b"input-file", Some(file)) => input(file, command.stdin.as_deref(), found),
            Item::Option(..) => {}
        }
    }
}

fn input(file: &[u8], stdin: Option<&[u8]>, found: &mut Found<'_>) {
    if !matches!(file, b"-" | b"/dev/stdin" | b"/dev/fd/0" | b"/proc/self/fd/0") {
        // The list itself can be fetched.
        found.ask_url(file, Scheme::Needed);
        return;
    }
    for line in stdin.unwrap_or_default().split(|&b| b == b'\n') {
        if !line.trim_ascii().is_empty() {
            found.ask_url(line, Scheme::Guessed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sorted() {
        assert!(SYNTAX.long.is_sorted());
    }
}

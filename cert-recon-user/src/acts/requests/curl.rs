//! curl (and curlie, which hands its options on): its options, its configuration files, its URL globs.

use std::collections::HashMap;

use super::{
    decode,
    found::Found,
    glob, host,
    httpie::Items,
    options::{Dash, Item, Syntax, Walk},
    search,
    url::Scheme,
};
use crate::acts::{Command, Manner, Word};

/// Options that take a value, of every curl up to 8.
#[rustfmt::skip]
const SYNTAX: Syntax = Syntax {
    short: "AbcCdDeEFHKmoPQrtTuUwxXyYz",
    long: &[
        "abstract-unix-socket", "alt-svc", "aws-sigv4", "cacert", "capath", "cert", "cert-type", "ciphers", "config",
        "connect-timeout", "connect-to", "continue-at", "cookie", "cookie-jar", "create-file-mode", "crlfile", "curves", "data",
        "data-ascii", "data-binary", "data-raw", "data-urlencode", "delegation", "dns-interface", "dns-ipv4-addr", "dns-ipv6-addr",
        "dns-servers", "doh-url", "dump-header", "ech", "egd-file", "engine", "etag-compare", "etag-save", "expand-data",
        "expand-header", "expand-output", "expand-url", "expect100-timeout", "form", "form-string", "ftp-account",
        "ftp-alternative-to-user", "ftp-method", "ftp-port", "ftp-ssl-ccc-mode", "happy-eyeballs-timeout-ms", "haproxy-clientip",
        "header", "hostpubmd5", "hostpubsha256", "hsts", "interface", "ip-tos", "ipfs-gateway", "json", "keepalive-cnt",
        "keepalive-time", "key", "key-type", "krb", "libcurl", "limit-rate", "local-port", "login-options", "mail-auth",
        "mail-from", "mail-rcpt", "max-filesize", "max-redirs", "max-time", "netrc-file", "noproxy", "oauth2-bearer", "output",
        "output-dir", "parallel-max", "parallel-max-host", "pass", "pinnedpubkey", "preproxy", "proto", "proto-default",
        "proto-redir", "proxy", "proxy-cacert", "proxy-capath", "proxy-cert", "proxy-cert-type", "proxy-ciphers", "proxy-crlfile",
        "proxy-header", "proxy-key", "proxy-key-type", "proxy-pass", "proxy-pinnedpubkey", "proxy-service-name",
        "proxy-tls13-ciphers", "proxy-tlsauthtype", "proxy-tlspassword", "proxy-tlsuser", "proxy-user", "proxy1.0", "pubkey",
        "quote", "random-file", "range", "rate", "referer", "request", "request-target", "resolve", "retry", "retry-delay",
        "retry-max-time", "sasl-authzid", "service-name", "sigalgs", "socks4", "socks4a", "socks5", "socks5-gssapi-service",
        "socks5-hostname", "speed-limit", "speed-time", "stderr", "telnet-option", "tftp-blksize", "time-cond", "tls-max",
        "tls13-ciphers", "tlsauthtype", "tlspassword", "tlsuser", "trace", "trace-ascii", "trace-config", "unix-socket",
        "upload-file", "upload-flags", "url", "url-query", "user", "user-agent", "variable", "vlan-priority", "write-out",
    ],
    dash: Dash::Short,
};

/// Reads curl's arguments.
pub(super) fn read(command: &Command<'_>, found: &mut Found<'_>) {
    let mut reader = Reader {
        items: command.is("curlie").then(Items::default),
        ..Reader::default()
    };
    reader.words(&command.args, command.stdin.as_deref(), found);
    reader.finish(found);
}

#[derive(Default)]
struct Reader {
    /// Globs are on, unless `-g`; it counts for the whole command, wherever it stands.
    urls: Vec<Vec<u8>>,
    no_globs: bool,
    /// `--resolve name:port:address` and what else leads a name elsewhere.
    resolved: Vec<(String, Vec<u8>)>,
    variables: HashMap<Vec<u8>, Vec<u8>>,
    /// curlie's operands are httpie's.
    items: Option<Items>,
}

impl Reader {
    fn words(&mut self, words: &[Word<'_>], stdin: Option<&[u8]>, found: &mut Found<'_>) {
        for item in Walk::new(words, SYNTAX) {
            match item {
                Item::Operand(word) => match &mut self.items {
                    Some(items) => items.operand(word, found),
                    None => self.url(word, found),
                },
                Item::Option(name, value) => self.option(name, value, stdin, found),
            }
        }
    }

    fn url(&mut self, text: &[u8], found: &mut Found<'_>) {
        if found.budget.pay(text.len()) {
            self.urls.push(text.to_vec());
        }
    }

    fn option(&mut self, name: &[u8], value: Option<&[u8]>, stdin: Option<&[u8]>, found: &mut Found<'_>) {
        let Some(value) = value else {
            match name {
                b"V" | b"version" | b"h" | b"help" | b"M" | b"manual" => found.manner(Manner::Help),
                b"g" | b"globoff" => self.no_globs = true,
                _ => {}
            }
            return;
        };
        match name {
            b"url" => match value.strip_prefix(b"@") {
                Some(b"-") => self.lines(stdin, found),
                Some(_) => {}
                None => self.url(value, found),
            },
            b"expand-url" => {
                let url = self.expand(value, found);
                self.url(&url, found);
            }
            b"variable" => self.variable(value, found),
            b"H" | b"header" => {
                found.header(value);
            }
            b"expand-header" => {
                let line = self.expand(value, found);
                found.header(&line);
            }
            b"connect-to" => connect_to(value, found),
            b"resolve" => self.resolve(value, found),
            b"request-target" => {
                found.ask_url(value, Scheme::Needed);
            }
            b"K" | b"config" => self.config_file(value, stdin, found),
            b"d" | b"data" | b"data-ascii" | b"data-binary" | b"data-raw" | b"json" | b"expand-data" => {
                search::body(value, found);
            }
            b"data-urlencode" => search::query(&encoded(value), found),
            b"url-query" => search::query(value.strip_prefix(b"+").unwrap_or(value), found),
            b"F" | b"form" | b"form-string" => search::query(value, found),
            _ => {}
        }
    }

    /// Only what comes from the standard input is known, or from a process whose output the shell makes a file of.
    fn config_file(&mut self, file: &[u8], stdin: Option<&[u8]>, found: &mut Found<'_>) {
        let is_stdin =
            matches!(file, b"-" | b"/dev/stdin" | b"/dev/fd/0" | b"/proc/self/fd/0") || file == [Word::UNKNOWN];
        if is_stdin && found.budget.enter() {
            self.config(stdin.unwrap_or_default(), found);
            found.budget.leave();
        }
    }

    fn lines(&mut self, stdin: Option<&[u8]>, found: &mut Found<'_>) {
        for line in stdin.unwrap_or_default().split(|&b| b == b'\n') {
            let line = line.trim_ascii();
            if !line.is_empty() && !line.starts_with(b"#") {
                self.url(line, found);
            }
        }
    }

    /// A configuration file: one option a line, dashes optional, its value behind white space, `=` or `:`, quotes optional.
    fn config(&mut self, text: &[u8], found: &mut Found<'_>) {
        if !found.budget.pay(text.len().saturating_mul(2)) {
            return;
        }
        for line in text.split(|&b| b == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let is_long = !line.starts_with(b"-") || line.starts_with(b"--");
            let start = line.iter().position(|&b| b != b'-').unwrap_or(line.len());
            let line = &line[start..];
            let end = if is_long {
                line.iter()
                    .position(|b| b.is_ascii_whitespace() || matches!(b, b'=' | b':'))
                    .unwrap_or(line.len())
            } else {
                line.len().min(1)
            };
            let (name, rest) = line.split_at(end);
            let skip = rest
                .iter()
                .position(|b| !b.is_ascii_whitespace() && !matches!(b, b'=' | b':'));
            let value = unquoted(skip.and_then(|at| rest.get(at..)).unwrap_or_default());
            self.option(name, (!value.is_empty()).then_some(&value), None, found);
        }
    }

    fn resolve(&mut self, value: &[u8], found: &mut Found<'_>) {
        let value = value.strip_prefix(b"+").unwrap_or(value);
        let mut parts = value.splitn(3, |&b| b == b':');
        if let (Some(name), Some(_), Some(addresses)) = (parts.next(), parts.next(), parts.next())
            && let Some(name) = host::normal(name)
            && found.budget.pay(value.len())
        {
            self.resolved.push((name, addresses.to_vec()));
        }
    }

    fn variable(&mut self, value: &[u8], found: &mut Found<'_>) {
        let value = value.strip_prefix(b"%").unwrap_or(value);
        if let Some(at) = value.iter().position(|&b| b == b'=')
            && found.budget.pay(value.len())
        {
            self.variables.insert(value[..at].to_vec(), value[at + 1..].to_vec());
        }
    }

    /// `{{name}}` and `{{name:function}}`; a function makes the value unknown, and so does a name that argv does not set.
    fn expand(&self, text: &[u8], found: &mut Found<'_>) -> Vec<u8> {
        let mut expanded = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.windows(2).position(|pair| pair == b"{{") {
            let Some(length) = rest[open + 2..].windows(2).position(|pair| pair == b"}}") else {
                break;
            };
            let name = &rest[open + 2..open + 2 + length];
            expanded.extend_from_slice(&rest[..open]);
            match self.variables.get(name.trim_ascii()) {
                Some(value) if found.budget.pay(value.len()) => expanded.extend_from_slice(value),
                _ => expanded.push(Word::UNKNOWN),
            }
            rest = &rest[open + length + 4..];
        }
        expanded.extend_from_slice(rest);
        expanded
    }

    fn finish(self, found: &mut Found<'_>) {
        for url in &self.urls {
            if self.no_globs || !glob::is_in(url) {
                found.ask_url(url, Scheme::Guessed);
            } else {
                glob::expand(url, found, &mut |url, found| {
                    found.ask_url(url, Scheme::Guessed);
                });
            }
        }
        for (name, addresses) in self.resolved {
            if name == "*" || found.knows_host(&name) {
                for address in addresses.split(|&b| b == b',') {
                    found.ask_endpoint(address);
                }
            }
        }
    }
}

/// `--connect-to HOST1:PORT1:HOST2:PORT2`: who asks for the first connects to the second.
fn connect_to(value: &[u8], found: &mut Found<'_>) {
    let mut inside = false;
    let mut colons = 0;
    let second = value.iter().position(|&b| {
        match b {
            b'[' => inside = true,
            b']' => inside = false,
            b':' if !inside => colons += 1,
            _ => {}
        }
        colons == 2
    });
    if let Some(rest) = second.and_then(|at| value.get(at + 1..))
        && !rest.is_empty()
        && !rest.starts_with(b":")
    {
        found.ask_endpoint(rest);
    }
}

/// `--data-urlencode`: `name=content`, `=content`, `content`, where content is not encoded yet.
fn encoded(value: &[u8]) -> Vec<u8> {
    let value = value.strip_prefix(b"=").unwrap_or(value);
    // A `%` of the content would be read as an escape, a `+` as a space; only the second needs care here.
    let mut text = Vec::with_capacity(value.len());
    for &byte in value {
        match byte {
            b'+' => text.extend_from_slice(b"%2B"),
            b'&' => text.extend_from_slice(b"%26"),
            _ => text.push(byte),
        }
    }
    text
}

/// The value of a configuration line: in quotes with backslash escapes, or up to white space.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(inside) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        return text[..end].to_vec();
    };
    let mut value = Vec::new();
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => match bytes.next() {
                Some(b'n') => value.push(b'\n'),
                Some(b't') => value.push(b'\t'),
                Some(&other) => value.push(other),
                None => {}
            },
            _ => value.push(byte),
        }
    }
    if decode::is_text(&value) || value.is_empty() {
        value
    } else {
        Vec::new()
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

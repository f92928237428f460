//! openssl (and libressl, which reads the same): which of its commands ask a host, and which only work on files.

use super::{
    found::Found,
    options::{Dash, Item, Syntax, Walk},
    url::Scheme,
};
use crate::acts::{Command, Manner, Word};

/// Options of `s_client`, `s_time` and `ocsp` that take a value.
#[rustfmt::skip]
const SYNTAX: Syntax = Syntax {
    short: "",
    long: &["CA", "CAfile", "CApath", "CAstore", "CRL", "CRLform", "VAfile", "alpn", "attime", "auth_level", "bind", "cafile", "cert", "cert_chain", "certform", "chainCAfile", "chainCApath", "chainCAstore", "cipher", "ciphersuites", "client_sigalgs", "connect", "crl_file", "curves", "dane_tlsa_domain", "dane_tlsa_rrdata", "early_data", "engine", "groups", "header", "host", "index", "issuer", "key", "keyform", "keylogfile", "keymatexport", "keymatexportlen", "max_pipelines", "max_send_frag", "maxfraglen", "msgfile", "name", "named_curve", "new", "nextprotoneg", "no_alt_chains_depth", "pass", "policy", "port", "prexit_after", "proxy", "proxy_pass", "proxy_user", "psk", "psk_identity", "psk_session", "purpose", "rand", "read_buf", "record_padding", "reqin", "reqout", "respin", "respout", "rsigner", "serial", "server", "serverinfo", "servername", "sess_in", "sess_out", "sigalgs", "signer", "split_send_frag", "srp_strength", "srppass", "srpuser", "ssl_client_engine", "starttls", "time", "timeout", "trusted", "unix", "url", "use_srtp", "validity_period", "verify", "verifyCAfile", "verifyCApath", "verifyCAstore", "verify_depth", "verify_email", "verify_hostname", "verify_ip", "verify_name", "verify_other", "www", "xcert", "xcertform", "xchain", "xkey", "xkeyform", "xmpphost"],
    dash: Dash::Name,
};

/// Reads openssl's arguments.
pub(super) fn read(command: &Command<'_>, found: &mut Found<'_>) {
    let stdin = command.stdin.as_deref();
    match command.args.split_first() {
        Some((name, args)) => subcommand(name.bytes(), args, stdin, found),
        // Without arguments it reads commands from its standard input.
        None => {
            for line in stdin.unwrap_or_default().split(|&b| b == b'\n') {
                if !found.budget.pay(line.len().saturating_mul(2)) {
                    return;
                }
                let words: Vec<Word<'_>> = line
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| !word.is_empty())
                    .map(Word::borrowed)
                    .collect();
                if let Some((name, args)) = words.split_first() {
                    subcommand(name.bytes(), args, None, found);
                }
            }
        }
    }
}

fn subcommand(name: &[u8], args: &[Word<'_>], stdin: Option<&[u8]>, found: &mut Found<'_>) {
    match name {
        b"s_client" | b"s_time" => connect(args, stdin, found),
        b"ocsp" | b"cmp" | b"ts" | b"tsget" | b"storeutl" => ask(args, found),
        b"s_server" => {}
        b"version" | b"help" | b"list" | b"--help" | b"-help" | b"-h" | b"--version" | b"-version" | b"-v"
        | b"ciphers" | b"errstr" => {
            found.manner(Manner::Help);
        }
        _ => {
            if args.iter().any(|word| is_help(word.bytes())) {
                found.manner(Manner::Help);
            }
            found.manner(Manner::Local);
            // Newer ones fetch what `-in` names, when it is a URL.
            for word in args {
                if found.ask_url(word.bytes(), Scheme::Needed) {
                    found.manner(Manner::Works);
                }
            }
        }
    }
}

fn is_help(word: &[u8]) -> bool {
    matches!(word, b"-help" | b"--help" | b"-h" | b"-?")
}

fn connect(args: &[Word<'_>], stdin: Option<&[u8]>, found: &mut Found<'_>) {
    for item in walk(args) {
        match item {
            Item::Option(b"connect" | b"host", Some(host)) => endpoint(host, found),
            Item::Option(b"servername" | b"verify_hostname" | b"xmpphost", Some(name)) => found.about(name),
            Item::Option(b"www", Some(path)) => found.http_text(&[b"GET ", path, b" HTTP/1.0"].concat()),
            Item::Option(b"help" | b"h" | b"?", _) => found.manner(Manner::Help),
            Item::Option(..) => {}
            Item::Operand(host) => endpoint(host, found),
        }
    }
    found.http_text(stdin.unwrap_or_default());
}

/// `host`, `host:port`, `[v6]:port`: asked, and asked about.
fn endpoint(text: &[u8], found: &mut Found<'_>) {
    // A port may be a service's name.
    let port = text.iter().rposition(|byte| *byte == b':');
    let text = match port.map(|at| (&text[..at], &text[at + 1..])) {
        Some((host, port)) if port.first().is_some_and(u8::is_ascii_alphabetic) && !host.contains(&b':') => host,
        _ => text,
    };
    if found.ask_endpoint(text) {
        found.about(text);
    }
}

fn ask(args: &[Word<'_>], found: &mut Found<'_>) {
    let mut asks = false;
    for item in walk(args) {
        match item {
            Item::Option(b"url", Some(url)) => asks |= found.ask_url(url, Scheme::Guessed),
            Item::Option(b"host" | b"server", Some(host)) => asks |= found.ask_endpoint(host),
            Item::Option(b"help" | b"h" | b"?", _) => found.manner(Manner::Help),
            Item::Option(..) => {}
            Item::Operand(word) => asks |= found.ask_url(word, Scheme::Needed),
        }
    }
    if !asks {
        found.manner(Manner::Local);
    }
}

fn walk<'w>(args: &'w [Word<'w>]) -> Walk<'w> {
    Walk::new(args, SYNTAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sorted() {
        assert!(SYNTAX.long.is_sorted());
    }
}

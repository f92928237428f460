//! Programs that open a connection to a host and a port: netcat's family, socat, telnet, gnutls-cli; and connections of shells and
//! awk that are spelled like files (`/dev/tcp/crt.sh/443`).

use super::{
    found::Found,
    host,
    options::{Dash, Item, Syntax, Walk},
};
use crate::acts::{Command, Manner};

/// netcat in its three forms, ncat, telnet. An option that takes a value in only some of them is not listed: what it
/// swallows too little shows as an operand, and only a host before a port counts.
#[rustfmt::skip]
const NETCAT: Syntax = Syntax {
    short: "gGiIlmMoOpPqsTwWxXbn",
    long: &[
        "allow", "allowfile", "delay", "exec", "hex-dump", "idle-timeout", "lua-exec", "max-conns", "output", "proxy", "proxy-auth",
        "proxy-dns", "proxy-type", "sh-exec", "source", "source-port", "ssl-alpn", "ssl-cert", "ssl-ciphers", "ssl-key",
        "ssl-servername", "ssl-trustfile", "wait",
    ],
    dash: Dash::Short,
};

/// Reads the arguments of netcat and telnet.
pub(super) fn netcat(command: &Command<'_>, found: &mut Found<'_>) {
    // In netcat `-l`, `-b` and `-n` are flags, in telnet they take a user, an alias, a file.
    let short = if command.is("telnet") {
        NETCAT.short
    } else {
        "gGiImMoOpPqsTwWxX"
    };
    let mut operands: Vec<&[u8]> = Vec::new();
    let mut listens = false;
    for item in Walk::new(&command.args, Syntax { short, ..NETCAT }) {
        match item {
            Item::Operand(word) => operands.push(word),
            Item::Option(b"h" | b"help" | b"version", None) => found.manner(Manner::Help),
            Item::Option(b"l" | b"listen", None) => listens = true,
            Item::Option(b"ssl-servername", Some(name)) => found.about(name),
            Item::Option(..) => {}
        }
    }
    if listens {
        return;
    }
    let is_port =
        |word: &&[u8]| word.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b',' | 0)) || is_service(word);
    let at = operands.iter().skip(1).position(is_port).unwrap_or(0);
    if let Some(host) = operands.get(at) {
        found.ask_endpoint(host);
    }
    found.http_text(command.stdin.as_deref().unwrap_or_default());
}

fn is_service(word: &[u8]) -> bool {
    matches!(
        word,
        b"http" | b"https" | b"postgresql" | b"postgres" | b"ssl" | b"imaps" | b"smtps" | b"ldaps"
    )
}

/// Reads socat's two addresses, of which either may be a connection.
pub(super) fn socat(command: &Command<'_>, found: &mut Found<'_>) {
    for word in &command.args {
        let word = word.bytes();
        if matches!(word, b"-V" | b"-h" | b"-hh" | b"-hhh" | b"-?" | b"-??") {
            found.manner(Manner::Help);
        }
        if word.starts_with(b"-") {
            continue;
        }
        for address in word.split(|&b| b == b'!').filter(|address| !address.is_empty()) {
            self::address(address, found);
        }
    }
    found.http_text(command.stdin.as_deref().unwrap_or_default());
}

fn address(text: &[u8], found: &mut Found<'_>) {
    let mut options = text.split(|&b| b == b',');
    let Some((kind, rest)) = options.next().and_then(|address| split_once(address, b':')) else {
        return;
    };
    let kind = kind.to_ascii_lowercase();
    let kind = kind.strip_suffix(b"-connect").unwrap_or(&kind);
    let place = match kind {
        b"tcp"
        | b"tcp4"
        | b"tcp6"
        | b"ssl"
        | b"openssl"
        | b"openssl-dtls-client"
        | b"openssl-dtls"
        | b"dtls"
        | b"udp"
        | b"udp4"
        | b"udp6"
        | b"sctp"
        | b"sctp4"
        | b"sctp6" => Some(rest),
        // Through a proxy, which comes first.
        b"proxy" | b"socks" | b"socks4" | b"socks4a" | b"socks5" => split_once(rest, b':').map(|(_, behind)| behind),
        _ => None,
    };
    if let Some(place) = place {
        found.ask_endpoint(place);
        for option in options {
            if let Some((b"snihost" | b"openssl-snihost" | b"commonname" | b"openssl-commonname" | b"cn", name)) =
                split_once(option, b'=')
            {
                found.about(name);
            }
        }
    }
}

fn split_once(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

#[rustfmt::skip]
const GNUTLS: Syntax = Syntax {
    short: "dpVr",
    long: &[
        "alpn", "app-proto", "benchmark-ciphers", "ca-verification", "dh-bits", "inline-commands-prefix", "keymatexport",
        "keymatexportsize", "logfile", "mtu", "port", "priority", "pskkey", "pskusername", "save-cert", "save-ocsp",
        "save-ocsp-multi", "save-server-trace", "save-client-trace", "single-key-share", "sni-hostname", "srppasswd", "srpusername",
        "starttls-name", "starttls-proto", "verify-hostname", "waitresumption", "x509cafile", "x509certfile", "x509crlfile",
        "x509keyfile",
    ],
    dash: Dash::Short,
};

/// Reads the arguments of gnutls-cli and gnutls-cli-debug.
pub(super) fn gnutls(command: &Command<'_>, found: &mut Found<'_>) {
    for item in Walk::new(&command.args, Syntax { short: "dp", ..GNUTLS }) {
        match item {
            Item::Operand(host) => {
                if found.ask_endpoint(host) {
                    found.about(host);
                }
            }
            Item::Option(b"sni-hostname" | b"verify-hostname", Some(name)) => found.about(name),
            Item::Option(b"h" | b"help" | b"v" | b"version" | b"more-help" | b"l" | b"list", None) => {
                found.manner(Manner::Help)
            }
            Item::Option(..) => {}
        }
    }
    found.http_text(command.stdin.as_deref().unwrap_or_default());
}

/// The hosts of `/dev/tcp/HOST/PORT` (bash, ksh) in a text.
pub(super) fn shell_files(text: &[u8], found: &mut Found<'_>) {
    if !found.budget.pay(text.len()) {
        return;
    }
    for marker in [&b"/dev/tcp/"[..], b"/dev/udp/"] {
        let mut rest = text;
        while let Some(at) = rest.windows(marker.len()).position(|part| part == marker) {
            rest = &rest[at + marker.len()..];
            place(rest, found);
        }
    }
}

/// The hosts of awk's `/inet/tcp/0/HOST/PORT`.
pub(super) fn awk_files(text: &[u8], found: &mut Found<'_>) {
    if !found.budget.pay(text.len()) {
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.windows(5).position(|part| part == b"/inet") {
        rest = &rest[at + 5..];
        let rest = rest
            .strip_prefix(b"4")
            .or_else(|| rest.strip_prefix(b"6"))
            .unwrap_or(rest);
        let Some(behind) = [&b"/tcp/"[..], b"/udp/"]
            .iter()
            .find_map(|part| rest.strip_prefix(*part))
        else {
            continue;
        };
        if let Some((_, behind)) = split_once(&behind[..behind.len().min(300)], b'/') {
            place(behind, found);
        }
    }
}

/// The host up to the next slash, as an operand before its port.
fn place(text: &[u8], found: &mut Found<'_>) {
    let end = text
        .iter()
        .take(300)
        .position(|b| matches!(b, b'/' | b' ' | b'\n' | b';' | b'|' | b')'))
        .unwrap_or(0);
    let name: Vec<u8> = text[..end]
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'"' | b'\'' | b'\\'))
        .collect();
    if text.get(end) == Some(&b'/')
        && !super::found::is_unknown(&name)
        && let Some(host) = host::normal(&name)
    {
        found.push_host(host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sorted() {
        assert!(NETCAT.long.is_sorted());
    }
}

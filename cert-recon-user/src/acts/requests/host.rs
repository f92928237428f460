//! Names and addresses of hosts in one normal form, and what passes for a target. Owns the form; never asks any name service.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use idna::AsciiDenyList;

use super::decode;
use crate::acts::Word;

/// No host name is longer: 253 bytes, each percent-encoded twice.
const LONGEST: usize = 253 * 9;

/// A host as a client resolves it: lower case, no trailing dot, percent-encoding off, names beyond ASCII in their ASCII form,
/// IPv6 without brackets, each spelling of an IPv4 address as four decimal numbers. None when it is no host at all.
pub(super) fn normal(raw: &[u8]) -> Option<String> {
    if raw.is_empty() || raw.len() > LONGEST {
        return None;
    }
    let decoded = decode::percent(raw);
    if let Some(inside) = decoded.strip_prefix(b"[") {
        return ipv6(inside.strip_suffix(b"]")?);
    }
    let text = std::str::from_utf8(&decoded).ok()?;
    let ascii = if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        // Full-width letters, ideographic full stops and soft hyphens lead to the same host as plain ones.
        idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::EMPTY).ok()?
    };
    let lower = ascii.trim_end_matches('.').to_ascii_lowercase();
    if lower.is_empty() || lower.len() > 255 || lower.split('.').any(|label| !is_label(label)) {
        return None;
    }
    match ipv4(&lower) {
        Number::Address(address) => Some(address.to_string()),
        Number::Impossible => None,
        Number::No => Some(lower),
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | Word::UNKNOWN))
}

/// An IPv6 address, without its zone.
fn ipv6(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().ok().map(|address| address.to_string())
}

enum Number {
    Address(Ipv4Addr),
    /// Ends in a number, but is no address: no client asks it.
    Impossible,
    No,
}

/// IPv4 in the spellings that `inet_aton` knows: one to four parts, each decimal, octal (`0177`) or hexadecimal (`0x7f`).
fn ipv4(host: &str) -> Number {
    let last = host.rsplit('.').next().unwrap_or(host);
    if !last.starts_with(|c: char| c.is_ascii_digit()) || part(last).is_none() {
        return Number::No;
    }
    let Some(parts) = host.split('.').map(part).collect::<Option<Vec<u64>>>() else {
        return Number::No;
    };
    let Some((&rest, leading)) = parts.split_last().filter(|(_, leading)| leading.len() < 4) else {
        return Number::Impossible;
    };
    let mut address = 0_u64;
    for &byte in leading {
        if byte > 255 {
            return Number::Impossible;
        }
        address = address << 8 | byte;
    }
    let free = 32 - 8 * leading.len();
    if rest >= 1 << free {
        return Number::Impossible;
    }
    u32::try_from(address << free | rest).map_or(Number::Impossible, |bits| Number::Address(Ipv4Addr::from(bits)))
}

fn part(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => match text.strip_prefix('0').filter(|digits| !digits.is_empty()) {
            Some(digits) => (digits, 8),
            None => (text, 10),
        },
    };
    // from_str_radix would take a sign.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Names of files end so, and no top-level domain does: never a host, never a target.
#[rustfmt::skip]
const FILES: &[&str] = &[
    "7z", "asp", "aspx", "bak", "bin", "bz2", "cer", "cfg", "cgi", "cnf", "conf", "cpp", "crl", "crt", "csr", "css", "csv", "dat",
    "db", "deb", "der", "dll", "doc", "docx", "env", "exe", "gif", "gnmap", "gz", "har", "hpp", "htm", "html", "ini", "iso",
    "jar", "java", "jks", "jpeg", "jpg", "js", "json", "jsonl", "jsp", "key", "keystore", "list", "lock", "log", "lst", "ndjson",
    "nmap", "nse", "old", "out", "p12", "p7b", "pcap", "pcapng", "pdf", "pem", "pfx", "php", "png", "ps1", "pub", "rpm", "shtml",
    "sql", "sqlite", "svg", "sw", "tar", "tgz", "tmp", "toml", "tsv", "txt", "whl", "xls", "xlsx", "xml", "xz", "yaml", "yml",
    "zst",
];

/// Top-level domains that more often end the name of a file: no target where either could stand.
const EITHER: &[&str] = &["cc", "md", "mov", "pl", "ps", "py", "rb", "rs", "sh", "so", "zip"];

fn top(host: &str) -> &str {
    host.rsplit('.').next().unwrap_or(host)
}

/// Whether a normalised host is a name with a plausible top-level domain.
pub(super) fn is_domain(host: &str) -> bool {
    let Some((before, top)) = host.rsplit_once('.') else {
        return false;
    };
    let known = top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic());
    let unknown = top.contains('\0') && before.bytes().any(|b| b.is_ascii_alphanumeric());
    (known || unknown || top.starts_with("xn--"))
        && FILES.binary_search(&top).is_err()
        && before
            .split('.')
            .all(|label| !label.starts_with('-') && !label.ends_with('-'))
}

/// Whether a domain could as well be the name of a file (`query.py`).
pub(super) fn may_be_file(domain: &str) -> bool {
    EITHER.contains(&top(domain))
}

/// A whole word that is a host name or address by its looks: `crt.sh`, `CRT.SH:443`, `192.0.2.1`, not `1.2` and not `out.json`.
pub(super) fn bare(word: &[u8]) -> Option<String> {
    let (host, port) = split_port(word);
    if !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let host = normal(host)?;
    (is_domain(&host) || is_address(word, &host)).then_some(host)
}

/// Addresses are only taken as such when they are spelled with four parts or as IPv6: a lone number is more often a number.
fn is_address(word: &[u8], host: &str) -> bool {
    host.parse::<Ipv6Addr>().is_ok()
        || host.parse::<Ipv4Addr>().is_ok() && word.iter().filter(|&&b| b == b'.').count() >= 3
}

/// `host:port` and `[v6]:port` in two; an IPv6 address without brackets has no port.
pub(super) fn split_port(text: &[u8]) -> (&[u8], &[u8]) {
    if text.starts_with(b"[") {
        let end = text.iter().position(|&b| b == b']').map_or(text.len(), |at| at + 1);
        let (host, rest) = text.split_at(end);
        return (host, rest.strip_prefix(b":").unwrap_or(rest));
    }
    let mut colons = (0..text.len()).filter(|&at| text.get(at) == Some(&b':'));
    match (colons.next(), colons.next()) {
        (Some(at), None) => (&text[..at], &text[at + 1..]),
        _ => (text, &[]),
    }
}

/// The host of `host`, `host:port`, `[v6]:port` or a bare IPv6 address, where the place says that it is one.
pub(super) fn endpoint(text: &[u8]) -> Option<String> {
    let (host, _) = split_port(text);
    match std::str::from_utf8(host)
        .ok()
        .and_then(|host| host.parse::<Ipv6Addr>().ok())
    {
        Some(address) => Some(address.to_string()),
        None => normal(host),
    }
}

/// A plausible domain, address, network or range of addresses, without leading wildcards (`%.`, `*.`, `.`).
pub(super) fn target(text: &[u8]) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.trim_ascii();
    if let Some(network) = network(text) {
        return Some(network);
    }
    let decoded = decode::percent(text);
    let wild = |b: &u8| matches!(b, b'%' | b'*' | b'.');
    let from = decoded.iter().position(|b| !wild(b))?;
    let to = decoded.iter().rposition(|b| !wild(b))?;
    let inner = decoded.get(from..=to)?;
    bare(inner).filter(|host| host.bytes().any(|b| b != Word::UNKNOWN && b != b'.'))
}

/// `192.0.2.0/24`, `2001:db8::/32`, `192.0.2.1-20` as they are.
fn network(text: &[u8]) -> Option<String> {
    if !text.first().is_some_and(|b| b.is_ascii_hexdigit() || *b == b':') {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Some((address, bits)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        return (bits <= most).then(|| format!("{address}/{bits}"));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    if !text.contains('-') {
        return None;
    }
    if let Some((from, to)) = text.split_once('-')
        && from.parse::<Ipv4Addr>().is_ok()
        && (to.parse::<Ipv4Addr>().is_ok() || to.parse::<u8>().is_ok())
    {
        return Some(text.to_owned());
    }
    // nmap's ranges in any part: 192.0.0-3.1-254
    let parts: Vec<&str> = text.split('.').collect();
    let range =
        |part: &&str| part.split('-').count() <= 2 && part.split('-').all(|number| number.parse::<u8>().is_ok());
    (parts.len() == 4 && parts.iter().all(range)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_of_a_host_has_one_normal_form() {
        for (raw, form) in [
            ("crt.sh", Some("crt.sh")),
            ("CRT.sh.", Some("crt.sh")),
            ("crt%2esh", Some("crt.sh")),
            ("%2563rt%252esh", Some("crt.sh")),
            ("ｃｒｔ.ｓｈ", Some("crt.sh")),
            ("crt。sh", Some("crt.sh")),
            ("c\u{ad}rt.sh", Some("crt.sh")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("XN--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("%e3%80%82", None),
            ("[2001:DB8::1]", Some("2001:db8::1")),
            ("[fe80::1%25eth0]", Some("fe80::1")),
            ("[::1", None),
            ("127.1", Some("127.0.0.1")),
            ("2130706433", Some("127.0.0.1")),
            ("0x7f.0.0.1", Some("127.0.0.1")),
            ("0177.0.0.01", Some("127.0.0.1")),
            ("0x7f000001", Some("127.0.0.1")),
            ("256.0.0.1", None),
            ("1.2.3.4.5", None),
            ("4294967296", None),
            ("crt..sh", None),
            (".crt.sh", None),
            ("", None),
            ("a b", None),
            ("crt.sh/x", None),
            ("crt%00.sh", None),
            ("\0.crt.sh", Some("\0.crt.sh")),
            ("_acme.example.com", Some("_acme.example.com")),
            ("localhost", Some("localhost")),
        ] {
            assert_eq!(normal(raw.as_bytes()).as_deref(), form, "{raw:?}");
        }
        assert_eq!(normal(b"crt.\xff"), None);
    }

    #[test]
    fn a_target_is_a_domain_an_address_or_a_network_and_no_file() {
        for (text, form) in [
            ("%.example.com", Some("example.com")),
            ("%25.example.com", Some("example.com")),
            ("*.Example.com.", Some("example.com")),
            (".example.com", Some("example.com")),
            ("%example.com%", Some("example.com")),
            ("example.com:8443", Some("example.com")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("192.0.2.0/33", None),
            ("192.0.2.1-20", Some("192.0.2.1-20")),
            ("192.0.0-3.1-254", Some("192.0.0-3.1-254")),
            ("2001:DB8::1", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("out.json", None),
            ("targets.txt", None),
            ("443", None),
            ("1.2", None),
            ("example", None),
            ("%", None),
            ("...", None),
            ("", None),
            ("\0", None),
            ("\0.example.com", Some("\0.example.com")),
            ("a.b", None),
            ("-o.example", None),
            ("bücher.example", Some("xn--bcher-kva.example")),
        ] {
            assert_eq!(target(text.as_bytes()).as_deref(), form, "{text:?}");
        }
    }

    #[test]
    fn the_list_of_file_endings_is_sorted() {
        assert!(FILES.is_sorted());
    }
}

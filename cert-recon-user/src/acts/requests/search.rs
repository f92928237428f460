//! The targets in what a service is asked: parameters and paths of URLs, request bodies, search expressions, SQL literals.
//! Owns the finding of names in text; whether the one who is asked is a certificate service is for the rules.

use super::{decode, found::Found, host, url};

/// Parameters that name what is asked about, in lower case.
#[rustfmt::skip]
const PARAMETERS: &[&str] = &[
    "address", "apex_domain", "asset", "cn", "common_name", "commonname", "d", "dn", "dns", "dns_names", "dnsname", "domain",
    "domains", "fqdn", "host", "hostname", "hosts", "identity", "ip", "k", "keyword", "match", "name", "names", "q", "qry",
    "query", "san", "search", "searchterm", "server", "serverhostname", "site", "subject", "subjectcn", "target", "targets",
    "term", "text", "u", "url", "value", "website", "wildcard",
];

/// Parts of a path that are looked at.
const SEGMENTS: usize = 16;

/// The targets of a query string, or of a form that is sent.
pub(super) fn query(text: &[u8], found: &mut Found<'_>) {
    if text.is_empty() || !found.budget.pay(text.len().saturating_mul(2)) {
        return;
    }
    for (name, value) in url::parameters(text) {
        if !value.is_empty() && is_parameter(name) {
            names(&decode::form(value), found);
        } else if value.is_empty() && name.contains(&b'.') {
            // `crt.sh/?%.example.com` and `crt.sh/?example.com` are searches too.
            names(&decode::form(name), found);
        }
    }
}

/// Whether a parameter or key names what is asked about.
pub(super) fn is_parameter(name: &[u8]) -> bool {
    let name = decode::percent(name.trim_ascii());
    // `domain[]`, `filter.domain`, `"domain"` of JSON
    let name = name.trim_ascii();
    let name = name.strip_suffix(b"[]").unwrap_or(name);
    let name = name.rsplit(|&b| b == b'.').next().unwrap_or(name);
    name.len() <= 16
        && std::str::from_utf8(name)
            .is_ok_and(|name| PARAMETERS.binary_search(&name.to_ascii_lowercase().as_str()).is_ok())
}

/// The targets of a path: `/example.com`, `/hosts/192.0.2.1`, `/domain/example.com/passive_dns`.
pub(super) fn path(text: &[u8], found: &mut Found<'_>) {
    if text.len() < 2 || !found.budget.pay(text.len()) {
        return;
    }
    // A URL inside a URL is the relay's business.
    if text.windows(3).any(|part| part == b"://") {
        return;
    }
    for segment in text.split(|&b| b == b'/').filter(|s| !s.is_empty()).take(SEGMENTS) {
        let decoded = decode::percent(segment);
        if let Some(target) = host::target(&decoded).filter(|target| !host::may_be_file(target)) {
            found.push_target(target);
        }
    }
}

/// What a client sends as a body: a form, JSON, or a search expression.
pub(super) fn body(text: &[u8], found: &mut Found<'_>) {
    let text = text.trim_ascii();
    if text.starts_with(b"@") {
        return;
    }
    if text.starts_with(b"{") || text.starts_with(b"[") {
        names(text, found);
    } else {
        query(text, found);
    }
}

/// Every name, address and network in a text: a search expression (`parsed.names: example.com`), JSON, an SQL literal.
/// A word before a `:` or `=` is a field's name and no target.
pub(super) fn names(text: &[u8], found: &mut Found<'_>) {
    if !found.budget.pay(text.len().saturating_mul(2)) {
        return;
    }
    if let Some(target) = host::target(text) {
        found.push_target(target);
        return;
    }
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = rest.iter().position(|b| !is_name(*b)).unwrap_or(rest.len());
        if length == 0 {
            at += 1;
            continue;
        }
        let behind = &rest[length..];
        at += length;
        let word = &rest[..length];
        if behind.starts_with(b"://") {
            // The word is a scheme; the host of the URL follows.
            at += 3;
            continue;
        }
        let after_quote = behind.strip_prefix(b"\\").unwrap_or(behind);
        let after_quote = match after_quote.first() {
            Some(b'"' | b'\'') => &after_quote[1..],
            _ => behind,
        };
        let next = after_quote.iter().take(4).find(|b| **b != b' ');
        let is_port = behind.first() == Some(&b':') && behind.get(1).is_some_and(u8::is_ascii_digit);
        if matches!(next, Some(b':' | b'=')) && !is_port {
            continue;
        }
        let network = behind.first() == Some(&b'/') && behind.get(1).is_some_and(u8::is_ascii_digit);
        let word = if network {
            let bits = behind[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            let whole = &rest[..length + 1 + bits];
            if host::target(whole).is_some() { whole } else { word }
        } else {
            word
        };
        if let Some(target) = host::target(word.trim_ascii()) {
            at = at.max(at - length + word.len());
            found.push_target(target);
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'%' | b'*' | 0) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts::Budget;

    fn targets(read: impl Fn(&mut Found<'_>)) -> String {
        let mut budget = Budget::new(1000);
        let mut found = Found::new(&mut budget);
        read(&mut found);
        found.finish().targets.join(" ")
    }

    #[test]
    fn the_parameters_are_sorted() {
        assert!(PARAMETERS.is_sorted());
    }

    #[test]
    fn names_are_found_in_search_expressions() {
        for (text, expected) in [
            ("parsed.names: example.com", "example.com"),
            ("names: \"example.com\" and not example.org", "example.com example.org"),
            (
                "services.tls.certificates.leaf_data.names=\"*.example.com\"",
                "example.com",
            ),
            ("ssl.cert.subject.cn:\"example.com\"", "example.com"),
            ("ssl:example.com 200", "example.com"),
            ("example.com:443", "example.com"),
            ("https://example.com/x", "example.com"),
            ("ip: 192.0.2.0/24", "192.0.2.0/24"),
            ("{\"domain\": \"example.com\", \"page.size\": 3}", "example.com"),
            ("SELECT 1 WHERE x LIKE '%.example.com'", "example.com"),
            ("nothing here", ""),
        ] {
            assert_eq!(targets(|found| names(text.as_bytes(), found)), expected, "{text}");
        }
    }

    #[test]
    fn names_are_found_in_queries_and_paths() {
        for (text, expected) in [
            ("q=%.example.com&output=json", "example.com"),
            ("q=%25.example.com", "example.com"),
            ("Identity=%25example.com", "example.com"),
            ("domain=example.com&include_subdomains=true", "example.com"),
            ("q=parsed.names%3A+example.com", "example.com"),
            ("%25.example.com", "example.com"),
            ("output=out.example.com", ""),
            ("q=", ""),
        ] {
            assert_eq!(targets(|found| query(text.as_bytes(), found)), expected, "{text}");
        }
        for (text, expected) in [
            ("/example.com", "example.com"),
            ("/hosts/192.0.2.1", "192.0.2.1"),
            ("/api/v1/indicators/domain/example.com/passive_dns", "example.com"),
            ("/index.html", ""),
            ("/%25.example.com", "example.com"),
            ("/tool.py", ""),
            ("/v1.2/x", ""),
        ] {
            assert_eq!(targets(|found| path(text.as_bytes(), found)), expected, "{text}");
        }
    }
}

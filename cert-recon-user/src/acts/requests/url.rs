//! The parts of a URL as clients read them, however carelessly it is written. Owns the taking apart only: what a host or a
//! query means is for `found` and `target`.

use super::host;
use crate::acts::Word;

/// The parts of a URL, as they stand in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// Before the host, up to the `@`.
    pub(super) user: Option<&'a [u8]>,
    /// The host, not normalised.
    pub(super) host: &'a [u8],
    /// Behind the host, from the first `/` on; empty without one.
    pub(super) path: &'a [u8],
    /// Behind the `?`, without a fragment.
    pub(super) query: &'a [u8],
    /// Behind the `#`.
    pub(super) fragment: &'a [u8],
}

/// Whether a word without a scheme is a URL to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `crt.sh/?q=x` is no URL.
    Needed,
    /// curl, wget, browsers: `crt.sh/?q=x` is one.
    Guessed,
}

/// Schemes that need no slashes before the host, as clients read them: `https:crt.sh`.
const KNOWN: &[&str] = &["ftp", "ftps", "http", "https", "ws", "wss"];

/// Schemes whose URLs name no host that is asked.
const HOSTLESS: &[&str] = &["about", "blob", "chrome", "data", "file", "javascript", "mailto", "urn"];

/// Takes a URL apart; none when the word is no URL, or one without a host.
pub(super) fn parse(text: &[u8], scheme: Scheme) -> Option<Url<'_>> {
    let mut text = text.trim_ascii();
    if let Some(inner) = strip_prefix(text, b"view-source:") {
        text = inner;
    }
    let rest = match split_scheme(text) {
        Split::Scheme(name, rest) => {
            if HOSTLESS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) {
                return None;
            }
            rest
        }
        // `://crt.sh` and `//crt.sh` are completed by some clients.
        Split::None if scheme == Scheme::Guessed => {
            text.strip_prefix(b":").filter(|t| t.starts_with(b"//")).unwrap_or(text)
        }
        Split::None => return None,
    };
    let had_scheme = rest.len() < text.len();
    let start = rest
        .iter()
        .position(|b| !matches!(b, b'/' | b'\\'))
        .unwrap_or(rest.len());
    if !had_scheme && !matches!(start, 0 | 2) {
        return None;
    }
    let rest = rest.get(start..)?;
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    let (user, place) = match authority.iter().rposition(|&b| b == b'@') {
        Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
        None => (None, authority),
    };
    let cut = place.iter().position(|&b| b == b'\\').unwrap_or(place.len());
    let place = &place[..cut];
    let (host, port) = host::split_port(place);
    if !had_scheme && !port.iter().all(|b| b.is_ascii_digit() || *b == Word::UNKNOWN) {
        return None;
    }
    let host = without_unknown_end(host);
    if host.is_empty() {
        return None;
    }
    let (behind, fragment) = split_at_byte(behind, b'#');
    let (path, query) = split_at_byte(behind, b'?');
    Some(Url {
        user,
        host,
        path,
        query,
        fragment,
    })
}

enum Split<'a> {
    Scheme(&'a [u8], &'a [u8]),
    None,
}

fn split_scheme(text: &[u8]) -> Split<'_> {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | &Word::UNKNOWN);
    let Some(colon) = text.iter().position(|b| !is_part(b)).filter(|&at| text[at] == b':') else {
        return Split::None;
    };
    let (name, rest) = (&text[..colon], &text[colon + 1..]);
    if !name
        .first()
        .is_some_and(|&b| b.is_ascii_alphabetic() || b == Word::UNKNOWN)
    {
        return Split::None;
    }
    let is_one_of = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let known = is_one_of(KNOWN) || is_one_of(HOSTLESS);
    let slashes = rest.iter().take_while(|b| matches!(b, b'/' | b'\\')).count();
    // `crt.sh:443/x` has a colon too.
    if known || slashes >= 2 || (slashes == 1 && !name.contains(&b'.')) {
        return Split::Scheme(name, rest);
    }
    Split::None
}

/// `https://crt.sh$x`: whoever writes a variable directly behind a whole host name means a path, or nothing.
fn without_unknown_end(host: &[u8]) -> &[u8] {
    let known = host.iter().rposition(|&b| b != Word::UNKNOWN).map_or(0, |at| at + 1);
    let name = &host[..known];
    if known < host.len() && host::bare(name).is_some() {
        name
    } else {
        host
    }
}

fn split_at_byte(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|&b| b == byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &[]),
    }
}

/// Without a prefix, in whatever case.
pub(super) fn strip_prefix<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The name and value of each parameter of a query string, as they stand in it.
pub(super) fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query
        .split(|b| matches!(b, b'&' | b';'))
        .map(|pair| split_at_byte(pair, b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_one_that_the_client_asks() {
        for (text, host) in [
            ("https://crt.sh/?q=x", Some("crt.sh")),
            ("crt.sh/?q=x", Some("crt.sh")),
            ("crt.sh:443/x", Some("crt.sh")),
            ("crt.sh", Some("crt.sh")),
            ("https://crt.sh@evil.example/", Some("evil.example")),
            ("https://x:y@crt.sh/", Some("crt.sh")),
            ("https://a@b@crt.sh", Some("crt.sh")),
            ("https:/crt.sh", Some("crt.sh")),
            ("https:crt.sh", Some("crt.sh")),
            ("https:\\\\crt.sh\\x", Some("crt.sh")),
            ("https:////crt.sh/", Some("crt.sh")),
            ("//crt.sh/", Some("crt.sh")),
            ("://crt.sh/", Some("crt.sh")),
            ("HTTPS://CRT.SH/", Some("CRT.SH")),
            ("https://crt.sh?q=x", Some("crt.sh")),
            ("https://crt.sh#x", Some("crt.sh")),
            ("https://[::1]:80/", Some("[::1]")),
            ("view-source:https://crt.sh/", Some("crt.sh")),
            ("https://evil.example/crt.sh", Some("evil.example")),
            ("https://evil.example/?u=https://crt.sh/", Some("evil.example")),
            ("https://evil.example?@crt.sh/", Some("evil.example")),
            ("https://\0.crt.sh/", Some("\0.crt.sh")),
            ("https://crt.sh\0", Some("crt.sh")),
            ("\0://crt.sh/", Some("crt.sh")),
            ("file:///etc/crt.sh", None),
            ("mailto:x@crt.sh", None),
            ("data:text/plain,https://crt.sh", None),
            ("/crt.sh", None),
            ("", None),
            ("https://", None),
            ("name:value", None),
        ] {
            let parsed = parse(text.as_bytes(), Scheme::Guessed);
            assert_eq!(parsed.map(|url| url.host), host.map(str::as_bytes), "{text:?}");
        }
    }

    #[test]
    fn without_a_scheme_it_is_no_url_where_one_is_needed() {
        assert_eq!(parse(b"crt.sh/?q=x", Scheme::Needed), None);
        assert_eq!(parse(b"crt.sh:443", Scheme::Needed), None);
        assert_eq!(
            parse(b"C:/crt.sh", Scheme::Needed).map(|url| url.host),
            Some(&b"crt.sh"[..])
        );
    }

    #[test]
    fn the_rest_is_taken_apart_as_well() {
        let url = parse(b"https://u@crt.sh/a/b?q=x&o=#f?g", Scheme::Needed).expect("a URL");
        assert_eq!(
            (url.user, url.path, url.query, url.fragment),
            (Some(&b"u"[..]), &b"/a/b"[..], &b"q=x&o="[..], &b"f?g"[..])
        );
        let parameters: Vec<_> = parameters(url.query).collect();
        assert_eq!(parameters, [(&b"q"[..], &b"x"[..]), (b"o", b"")]);
    }
}

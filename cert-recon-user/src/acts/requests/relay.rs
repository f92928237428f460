//! Hosts that fetch a URL for whoever asks: readers, archives, translators, CORS proxies. Asking one of them for
//! `https://crt.sh/` asks crt.sh. To add a relay, add a line to the table.

use super::{
    decode,
    url::{self, Url},
};

/// How a relay is told what to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The URL is the rest of the path, scheme optional.
    Path,
    /// The URL has a scheme and stands somewhere in the path.
    InPath,
    /// In a parameter.
    Parameter,
    /// The whole query is the URL.
    Query,
}

const RELAYS: &[(&str, &[Told])] = &[
    ("12ft.io", &[Told::Path, Told::Parameter]),
    ("api.allorigins.win", &[Told::Parameter]),
    ("api.codetabs.com", &[Told::Parameter]),
    ("api.cors.lol", &[Told::Parameter]),
    ("api.microlink.io", &[Told::Parameter]),
    ("api.scraperapi.com", &[Told::Parameter]),
    ("api.scrapingant.com", &[Told::Parameter]),
    ("api.zenrows.com", &[Told::Parameter]),
    ("app.scrapingbee.com", &[Told::Parameter]),
    ("archive.fo", &[Told::InPath]),
    ("archive.is", &[Told::InPath]),
    ("archive.org", &[Told::Parameter, Told::InPath]),
    ("archive.ph", &[Told::InPath]),
    ("archive.today", &[Told::InPath]),
    ("cc.bingj.com", &[Told::Parameter]),
    ("cors-anywhere.com", &[Told::Path]),
    ("cors-anywhere.herokuapp.com", &[Told::Path]),
    ("cors.eu.org", &[Told::Path]),
    ("cors.isomorphic-git.org", &[Told::Path]),
    ("corsproxy.io", &[Told::Query, Told::Parameter, Told::Path]),
    ("crossorigin.me", &[Told::Path]),
    ("proxy.cors.sh", &[Told::Path]),
    ("proxy.corsfix.com", &[Told::Query]),
    ("r.jina.ai", &[Told::Path]),
    ("test.cors.workers.dev", &[Told::Query]),
    ("thingproxy.freeboard.io", &[Told::InPath]),
    ("timetravel.mementoweb.org", &[Told::InPath]),
    ("translate.google.com", &[Told::Parameter]),
    ("urltomarkdown.herokuapp.com", &[Told::Parameter]),
    ("web.archive.org", &[Told::InPath, Told::Parameter]),
    ("webcache.googleusercontent.com", &[Told::Parameter]),
    ("yacdn.org", &[Told::InPath]),
];

/// The URLs that a relay is told to fetch; empty for every other host.
pub(super) fn inner(host: &str, url: &Url<'_>) -> Vec<Vec<u8>> {
    if let Some(label) = host.strip_suffix(".translate.goog") {
        let mut text = translated(label);
        text.extend_from_slice(url.path);
        text.push(b'?');
        text.extend_from_slice(url.query);
        return vec![text];
    }
    let name = host.strip_prefix("www.").unwrap_or(host);
    let Ok(at) = RELAYS.binary_search_by_key(&name, |(relay, _)| relay) else {
        return Vec::new();
    };
    let mut urls = Vec::new();
    let query_behind = |path: &[u8]| {
        let mut text = path.to_vec();
        if !url.query.is_empty() {
            text.push(b'?');
            text.extend_from_slice(url.query);
        }
        text
    };
    for told in RELAYS[at].1 {
        match told {
            Told::Path => {
                let path = url.path.strip_prefix(b"/").unwrap_or(url.path);
                if path.contains(&b'.') {
                    urls.push(query_behind(&decode::percent(path)));
                }
            }
            Told::InPath => {
                let path = decode::percent(url.path);
                let start = path.windows(6).position(|part| {
                    url::strip_prefix(part, b"http:/").is_some() || url::strip_prefix(part, b"https:").is_some()
                });
                let rest = match start {
                    Some(start) => path.get(start..),
                    // `/web/2024/crt.sh`
                    None => path
                        .splitn(4, |&b| b == b'/')
                        .nth(3)
                        .filter(|rest| rest.contains(&b'.')),
                };
                // Only the front page of a service asks it nothing, and an archive has it from another day.
                let path = rest.and_then(|rest| {
                    let host = rest.windows(3).position(|part| part == b"://").map_or(0, |at| at + 3);
                    rest.get(host..)?.splitn(2, |byte| *byte == b'/').nth(1)
                });
                let asks = !url.query.is_empty() || path.is_some_and(|path| !path.is_empty());
                if let Some(rest) = rest.filter(|_| asks) {
                    urls.push(query_behind(rest));
                }
            }
            Told::Parameter => urls.extend(
                // Only the first such parameter: what follows a raw `&` may belong to the inner URL.
                url::parameters(url.query).find_map(|(name, value)| {
                    let value = decode::form(value);
                    match name {
                        b"url" | b"u" | b"quest" | b"target" | b"uri" => Some(value),
                        b"q" => value.strip_prefix(b"cache:").map(<[u8]>::to_vec),
                        _ => None,
                    }
                }),
            ),
            Told::Query => {
                let query = decode::percent(url.query);
                if !query.starts_with(b"url=") && query.contains(&b'.') {
                    urls.push(query.into_owned());
                }
            }
        }
    }
    urls
}

/// `crt-sh` is crt.sh: dots became hyphens, and hyphens became two.
fn translated(label: &str) -> Vec<u8> {
    label
        .replace("--", "\n")
        .replace('-', ".")
        .replace('\n', "-")
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts::requests::url::{Scheme, parse};

    #[test]
    fn the_table_is_sorted() {
        assert!(RELAYS.is_sorted_by_key(|(relay, _)| relay));
    }

    #[test]
    fn the_url_inside_is_found() {
        for (text, expected) in [
            ("https://r.jina.ai/https://crt.sh/?q=x", "https://crt.sh/?q=x"),
            ("https://r.jina.ai/crt.sh", "crt.sh"),
            (
                "https://web.archive.org/web/2024/https://crt.sh/?q=x",
                "https://crt.sh/?q=x",
            ),
            ("https://web.archive.org/web/2024id_/crt.sh/x", "crt.sh/x"),
            ("https://crt-sh.translate.goog/?q=x", "crt.sh/?q=x"),
            ("https://my--site-example-com.translate.goog/", "my-site.example.com/?"),
            (
                "https://api.allorigins.win/get?url=https%3A%2F%2Fcrt.sh%2F",
                "https://crt.sh/",
            ),
            ("https://corsproxy.io/?https://crt.sh/?q=x", "https://crt.sh/?q=x"),
            ("https://corsproxy.io/?url=https://crt.sh/", "https://crt.sh/"),
            (
                "https://webcache.googleusercontent.com/search?q=cache:https://crt.sh/",
                "https://crt.sh/",
            ),
            (
                "https://translate.google.com/translate?sl=de&u=https://crt.sh/",
                "https://crt.sh/",
            ),
            ("https://evil.example/https://crt.sh/", ""),
            ("https://r.jina.ai/", ""),
        ] {
            let url = parse(text.as_bytes(), Scheme::Needed).expect("a URL");
            let host = crate::acts::requests::host::normal(url.host).expect("a host");
            let first = inner(&host, &url).into_iter().next().unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&first), expected, "{text}");
        }
    }
}

//! Programs whose operands are URLs: browsers, downloaders, load generators. To add one, add a line to the table.

use super::{
    found::Found,
    host,
    options::{Dash, Item, Syntax, Walk},
    search,
    url::{Scheme, strip_prefix},
};
use crate::acts::{Command, Manner};

/// A program whose operands are URLs.
pub(super) struct Client {
    /// Its names.
    pub(super) names: &'static [&'static str],
    scheme: Scheme,
    syntax: Syntax,
    /// What asks for help or the version; `-h` and `-V` are not in every program.
    help: &'static [&'static str],
}

const fn client(
    names: &'static [&'static str],
    scheme: Scheme,
    short: &'static str,
    long: &'static [&'static str],
    help: &'static [&'static str],
) -> Client {
    Client {
        names,
        scheme,
        syntax: Syntax {
            short,
            long,
            dash: Dash::Short,
        },
        help,
    }
}

const fn named(
    names: &'static [&'static str],
    scheme: Scheme,
    long: &'static [&'static str],
    help: &'static [&'static str],
) -> Client {
    let mut client = client(names, scheme, "", long, help);
    client.syntax.dash = Dash::Name;
    client
}

const LONG: &[&str] = &["help", "version"];
const USUAL: &[&str] = &["h", "help", "v", "version", "V"];

/// The programs. Options are those that take a value; lists are sorted.
#[rustfmt::skip]
pub(super) const CLIENTS: &[Client] = &[
    client(
        &["aria2c"],
        Scheme::Guessed,
        "diIjklMmopsStTUxOD",
        &[
            "all-proxy", "check-certificate", "conf-path", "dir", "file-allocation", "header", "http-proxy", "https-proxy",
            "input-file", "log", "log-level", "max-concurrent-downloads", "max-connection-per-server", "out", "referer", "split",
            "timeout", "user-agent",
        ],
        &["h", "help", "v", "version"],
    ),
    client(&["axel"], Scheme::Guessed, "nosHTUSX", &["header", "max-speed", "num-connections", "output", "search", "timeout", "user-agent"], &["h", "help", "V", "version"]),
    named(&["lynx"], Scheme::Guessed, &["accept_all_cookies", "assume_charset", "auth", "cfg", "cookie_file", "display_charset", "term", "useragent", "width"], &["help", "h", "version"]),
    client(&["w3m"], Scheme::Guessed, "ITOolt", &[], &["h", "help", "V", "version"]),
    named(&["links", "links2", "elinks", "xlinks"], Scheme::Guessed, &["codepage", "config-dir", "config-file", "dump-charset", "dump-width", "eval", "http-proxy", "https-proxy", "session-ring", "width"], &["h", "help", "version"]),
    client(&["fetch"], Scheme::Guessed, "BoTwNchfi", &[], &[]),
    client(&["get", "head", "post", "put", "delete", "lwp-request"], Scheme::Needed, "mbtiCHcpo", &[], &["h", "v", "help", "version"]),
    client(&["lwp-download", "lwp-mirror", "lwp-dump", "lwp-rget"], Scheme::Guessed, "t", &[], &["h", "v", "help", "version"]),
    client(&["ab"], Scheme::Guessed, "nctsbTpuwvCHAPXgeEyzxmZfB", &[], &["h", "V"]),
    client(&["wrk", "wrk2"], Scheme::Guessed, "cdtsHRT", &["connections", "duration", "header", "rate", "script", "threads", "timeout"], &["v", "version", "h", "help"]),
    client(&["hey", "oha", "bombardier", "siege", "httperf", "h2load", "autocannon"], Scheme::Guessed, "ncqzomHtAdDTUaxrf", &[], LONG),
    client(&["httrack", "webhttrack"], Scheme::Guessed, "OP", &[], LONG),
    client(&["wkhtmltopdf", "wkhtmltoimage", "cutycapt", "shot-scraper", "monolith", "single-file", "capture-website", "pageres", "percollate", "readable", "trafilatura", "html2text", "pandoc"], Scheme::Needed, "oftwsu", &["from", "output", "to"], USUAL),
    named(
        &[
            "chrome", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "google-chrome-beta", "google-chrome-unstable",
            "headless_shell", "headless-shell", "chrome-headless-shell", "brave", "brave-browser", "microsoft-edge", "msedge",
            "microsoft-edge-stable", "opera", "vivaldi", "vivaldi-stable", "iridium-browser", "falkon", "qutebrowser", "epiphany", "surf",
            "midori", "dillo", "netsurf", "luakit", "konqueror", "min-browser", "nyxt", "carbonyl", "browsh", "phantomjs",
        ],
        Scheme::Guessed,
        &[],
        &["help", "version", "product-version"],
    ),
    named(
        &["firefox", "firefox-esr", "librewolf", "icecat", "waterfox", "tor-browser", "torbrowser", "palemoon", "iceweasel", "firefox-bin"],
        Scheme::Guessed,
        &["CreateProfile", "P", "Profile", "marionette-port", "profile", "remote-debugging-port", "screenshot", "search", "setDefaultBrowser", "window-size"],
        &["h", "help", "v", "V", "version"],
    ),
    client(
        &[
            "xdg-open", "open", "sensible-browser", "x-www-browser", "www-browser", "gnome-www-browser", "kde-open", "kde-open5", "gnome-open",
            "exo-open", "gio", "gvfs-open", "wslview", "webbrowser", "start", "explorer", "rundll32", "mshta", "iexplore", "garcon-url-handler",
        ],
        Scheme::Needed,
        "",
        &[],
        LONG,
    ),
    client(&["websocat", "wscat", "wsdump", "wsdump.py", "wsc"], Scheme::Guessed, "HPpsk", &["header", "host", "origin", "protocol", "proxy", "subprotocol"], USUAL),
    client(&["lftp", "lftpget", "ncftpget", "tnftp", "ftp", "wput"], Scheme::Needed, "oepu", &[], LONG),
    client(&["playwright", "puppeteer"], Scheme::Needed, "b", &["browser", "channel", "device"], USUAL),
    client(&["bitsadmin", "certoc", "desktopimgdownldr", "hh"], Scheme::Needed, "", &[], &["help"]),
    client(&["yt-dlp", "youtube-dl", "gallery-dl", "streamlink", "mpv", "vlc", "ffmpeg", "ffprobe"], Scheme::Needed, "io", &[], &["h", "help", "version"]),
    client(&["hurl", "hurlfmt", "k6", "step-cli", "grpcurl", "evans", "buf", "nghttp", "h2spec", "quiche-client", "gtlsclient", "h3i", "curl3"], Scheme::Needed, "Hdo", &[], USUAL),
];

/// Reads the arguments of such a program.
pub(super) fn read(client: &Client, command: &Command<'_>, found: &mut Found<'_>) {
    for item in Walk::new(&command.args, client.syntax) {
        match item {
            Item::Operand(word) => {
                found.ask_url(word, client.scheme);
            }
            Item::Option(name, None) => {
                if std::str::from_utf8(name).is_ok_and(|name| client.help.contains(&name)) {
                    found.manner(Manner::Help);
                }
            }
            Item::Option(name, Some(value)) => option(name, value, found),
        }
    }
    // Many take URLs from their standard input, one a line.
    for line in command.stdin.as_deref().unwrap_or_default().split(|&b| b == b'\n') {
        found.ask_url(line, Scheme::Needed);
        found.header(line);
    }
}

fn option(name: &[u8], value: &[u8], found: &mut Found<'_>) {
    match name {
        b"H" | b"header" | b"headers" => {
            found.header(value);
        }
        // An application window, a tab, a capture.
        b"app" | b"url" | b"new-tab" | b"new-window" | b"private-window" | b"browser" => {
            found.ask_url(value, Scheme::Guessed);
        }
        b"d" | b"data" | b"post_data" => search::body(value, found),
        b"host-resolver-rules" | b"host-rules" => mapped(value, found),
        _ => {}
    }
}

/// `MAP * crt.sh`: every host, or some, is found at another.
fn mapped(rules: &[u8], found: &mut Found<'_>) {
    for rule in rules.split(|&b| b == b',') {
        let mut words = rule
            .trim_ascii()
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        if let (Some(map), Some(_), Some(to)) = (words.next(), words.next(), words.next())
            && strip_prefix(map, b"map").is_some_and(<[u8]>::is_empty)
            && let Some(host) = host::bare(to)
        {
            found.push_host(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_sorted() {
        for client in CLIENTS {
            assert!(client.syntax.long.is_sorted(), "{:?}", client.names);
        }
    }
}

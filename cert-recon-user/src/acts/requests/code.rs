//! Code on an interpreter's command line: whether it makes a request at all, and whom it asks by the literals in it.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{
    found::{Found, is_unknown},
    host,
    lexer::Language,
    literals::{self, Literal, Literals},
    search,
    url::Scheme,
};
use crate::acts::Word;

/// What code says that makes requests, in whatever case. Text alone (`print('crt.sh')`) asks nobody.
#[rustfmt::skip]
const REQUESTS: &[&str] = &[
    // Python
    "urllib", "urlopen", "urlretrieve", "requests", "http.client", "httpx", "aiohttp", "httplib", "pycurl", "socket", "ssl.", "import ssl", "websocket", "websockets", "certstream", "psycopg", "asyncpg", "pg8000", "sqlalchemy", "crtsh", "pycrtsh", "censys", "shodan", "selenium", "playwright", "mechanize", "scrapy", "webbrowser", "open_connection", "create_connection", "read_json(", "read_html(", "read_csv(", "get_server_certificate", "hypercorn", "niquests", "curl_cffi", "grequests", "httpconnection", "httpsconnection",
    // Perl, Ruby, PHP, Lua, Tcl, R
    "lwp", "http::tiny", "io::socket", "mojo::useragent", "www::mechanize", "www::curl", "net::http", "net::ssl", "furl->", "open-uri", "uri.open", "uri.parse", "uri(", "httparty", "faraday", "rest-client", "restclient", "excon", "typhoeus", "net/http", "tcpsocket", "sslsocket", "pg.connect", "pg::connection", "dbi:pg", "dbi->connect", "getprint", "getstore", "file_get_contents", "curl_init", "curl_setopt", "fsockopen", "stream_socket_client", "fopen(", "get_headers", "readfile(", "copy(", "pg_connect", "new pdo", "guzzle", "soapclient", "dom->load", "simplexml_load_file", "file(", "httpclient", "socket.http", "ssl.https", "http.request", "lua-http", "http::geturl", "httr", "download.file", "readlines(", "url(", "fromjson(", "jsonlite",
    // JavaScript
    "fetch(", "fetch `", "fetch`", "axios", "https.get", "http.get", "https.request", "http.request", "https').", "http').", "https\").", "http\").", "tls.connect", "net.connect", "createconnection", "got(", "undici", "superagent", "needle", "xmlhttprequest", "eventsource", "puppeteer", "sendbeacon", "deno.connect", "bun.connect",
    // PowerShell and .NET
    "invoke-webrequest", "invoke-restmethod", "iwr", "irm ", "irm(", "curl", "wget", "webclient", "downloadstring", "downloadfile", "downloaddata", "openread", "webrequest", "start-bitstransfer", "tcpclient", "sslstream", "xmlhttp", "winhttp", "serverxmlhttp", "internetexplorer.application", "test-netconnection", "tnc ", "get-pki",
    // Others: Go, Java, Julia, Elixir, nushell, AppleScript, Emacs Lisp
    "http get", "http post", "http.downloads", "http.", "openurl", "open location", "httpurlconnection", "openstream", "geturl", "req.get", "httpoison", "url-retrieve", "curl ", "eww",
    // Programs that code runs
    "os.system", "subprocess", "popen", "child_process", "exec", "spawn", "shell_exec", "passthru", "proc_open", "system", "openssl",
];

static REQUEST: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().ascii_case_insensitive(true).build(REQUESTS).ok());

fn requests(text: &[u8]) -> bool {
    REQUEST.as_ref().is_some_and(|automaton| automaton.is_match(text))
}

/// Code, with the modules that options load, and the arguments that it is given.
pub(super) struct Program<'p> {
    pub(super) code: &'p [u8],
    pub(super) modules: &'p [u8],
    pub(super) args: &'p [Word<'p>],
    pub(super) language: Language,
}

/// Reads code: its hosts and targets, when it makes a request.
pub(super) fn read(program: &Program<'_>, found: &mut Found<'_>) {
    if !found.budget.pay(program.code.len().saturating_mul(3)) || !found.budget.enter() {
        return;
    }
    let literals = literals::of(program.code, program.language, found.budget);
    // PowerShell's backquotes may stand inside any name.
    let unquoted: Vec<u8> = if program.language == Language::PowerShell {
        program
            .code
            .iter()
            .copied()
            .filter(|&b| b != b'`' && b != b'^')
            .collect()
    } else {
        Vec::new()
    };
    let text: &[u8] = if unquoted.is_empty() { program.code } else { &unquoted };
    let asks =
        requests(text) || requests(program.modules) || literals.list.iter().any(|literal| requests(&literal.value));
    if asks {
        for literal in &literals.list {
            self::literal(literal, found);
        }
        urls(text, found);
        if program.language == Language::PowerShell {
            cmdlets(text, &literals, found);
        }
        arguments(program.args, found);
    }
    for literal in &literals.list {
        // Code in an encoding: exec(b64decode('...')).
        if literal.was_encoded && literal.value.iter().any(|b| matches!(b, b'(' | b' ' | b'\n')) {
            let inner = Program {
                code: &literal.value,
                modules: &[],
                args: &[],
                language: program.language,
            };
            read(&inner, found);
        }
    }
    found.budget.leave();
}

/// Arguments of a script or of unknown code: whole URLs, whole host names, and the same behind `--option=`.
///
/// A host whose name could be a file's (`crt.sh`) is one only beside something that it could be asked about.
pub(super) fn arguments(args: &[Word<'_>], found: &mut Found<'_>) {
    let mut maybe = Vec::new();
    let mut before: &[u8] = b"";
    for word in args {
        let word = word.bytes();
        let (value, is_value) = match word.iter().position(|&b| b == b'=') {
            Some(at) if word.starts_with(b"-") => (&word[at + 1..], true),
            _ => (word, before.starts_with(b"-")),
        };
        before = word;
        if !found.ask_url(value, Scheme::Needed)
            && let Some(host) = host::bare(value)
        {
            let is_file = host::may_be_file(&host);
            if !is_file {
                found.push_target(host.clone());
            }
            // A word alone is what a script is about, not whom it asks.
            match (is_value, is_file) {
                (true, true) => maybe.push(host),
                (true, false) => found.push_host(host),
                (false, _) => {}
            }
        } else if let Some(target) = host::target(value).filter(|target| !host::may_be_file(target)) {
            found.push_target(target);
        }
    }
    if found.has_targets() {
        maybe.into_iter().for_each(|host| found.push_host(host));
    }
}

fn literal(literal: &Literal, found: &mut Found<'_>) {
    let value = literal.value.as_slice();
    if literals::ASKS_NOBODY.contains(&literal.key.as_slice()) {
        return;
    }
    if is_unknown(value) || found.ask_url(value, Scheme::Needed) || found.header(value) {
        return;
    }
    if search::is_parameter(&literal.key)
        && !matches!(
            literal.key.as_slice(),
            b"host" | b"hostname" | b"server" | b"url" | b"u" | b"site"
        )
    {
        search::names(value, found);
        return;
    }
    if let Some(host) = host::bare(value) {
        if !host::may_be_file(&host) {
            found.push_target(host.clone());
        }
        found.push_host(host);
        return;
    }
    if value.windows(3).any(|part| part == b"://") {
        urls(value, found);
    }
    if value.starts_with(b"/") || value.starts_with(b"?") {
        let at = value.iter().position(|&b| b == b'?').unwrap_or(value.len());
        search::path(&value[..at], found);
        search::query(value.get(at + 1..).unwrap_or_default(), found);
    } else if let Some(target) = host::target(value) {
        found.push_target(target);
    } else if value.windows(2).any(|part| matches!(part, b"%." | b"*." | b"q=")) {
        search::names(value, found);
    }
    hosts_of_connection(value, found);
    found.http_text(value);
    // Without a scheme, but with a path: 'crt.sh/?q=' behind 'https://'.
    if value.contains(&b'/')
        && let Some(end) = value.iter().position(|b| matches!(b, b'/' | b'?'))
        && let Some(host) = host::bare(&value[..end])
    {
        found.push_host(host);
    }
}

/// `host=crt.sh port=5432`, `pgsql:host=crt.sh;port=5432`.
fn hosts_of_connection(text: &[u8], found: &mut Found<'_>) {
    for pair in text.split(|b| b.is_ascii_whitespace() || matches!(b, b';' | b':')) {
        if let Some(host) = pair.strip_prefix(b"host=").and_then(host::bare) {
            found.push_host(host);
        }
    }
}

/// URLs that stand in code or in a longer literal, with their scheme. One that a literal starts with was read with it.
fn urls(text: &[u8], found: &mut Found<'_>) {
    let mut at = 0;
    while let Some(place) = text
        .get(at..)
        .and_then(|rest| rest.windows(3).position(|part| part == b"://"))
    {
        let middle = at + place;
        let scheme = text[at..middle]
            .iter()
            .rev()
            .take(20)
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'+')
            .count();
        let start = middle - scheme;
        let ends = |b: &u8| {
            b.is_ascii_whitespace()
                || matches!(
                    b,
                    b'"' | b'\'' | b'`' | b'<' | b'>' | b')' | b'}' | b';' | b'|' | b',' | b']'
                )
        };
        let end = middle + text[middle..].iter().position(ends).unwrap_or(text.len() - middle);
        let in_literal = start
            .checked_sub(1)
            .and_then(|before| text.get(before))
            .is_some_and(|b| matches!(b, b'"' | b'\'' | b'`'));
        let url = &text[start..end];
        // `https://crt.sh` + h is read by its literals.
        if !in_literal && scheme > 0 && !url.iter().any(|b| matches!(b, b'$' | b'{')) {
            found.ask_url(url, Scheme::Needed);
        }
        at = end.max(middle + 3);
    }
}

/// Cmdlets that make requests, and their aliases.
const CMDLETS: &[&[u8]] = &[
    b"iwr",
    b"irm",
    b"invoke-webrequest",
    b"invoke-restmethod",
    b"curl",
    b"wget",
    b"start-bitstransfer",
    b"test-netconnection",
    b"tnc",
];

/// Bare words of PowerShell: `iwr crt.sh/?q=x`, `irm -Uri https://$h/`.
fn cmdlets(text: &[u8], literals: &Literals, found: &mut Found<'_>) {
    let breaks = |b: &u8| matches!(b, b';' | b'|' | b'\n' | b'{' | b'}' | b'(' | b')');
    for statement in text.split(breaks) {
        let mut words = statement.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let is_cmdlet = |word: &[u8]| {
            let name = word.to_ascii_lowercase();
            let name = name.strip_suffix(b".exe").unwrap_or(&name);
            CMDLETS.contains(&name)
        };
        if !words.any(is_cmdlet) {
            continue;
        }
        let mut places = 1;
        let mut is_value = false;
        for word in words {
            if word.starts_with(b"-") {
                let option = word.to_ascii_lowercase();
                let is_place = matches!(
                    option.as_slice(),
                    b"-uri" | b"-ur" | b"-u" | b"-source" | b"-computername" | b"-cn"
                );
                let is_flag = option.starts_with(b"-use")
                    || option.starts_with(b"-skip")
                    || matches!(option.as_slice(), b"-passthru" | b"-s" | b"-l" | b"-k");
                is_value = !is_place && !is_flag;
                places += usize::from(is_place);
                continue;
            }
            if std::mem::take(&mut is_value) || places == 0 {
                continue;
            }
            places -= 1;
            let trimmed = word.trim_ascii();
            let plain: Vec<u8> = trimmed.iter().copied().filter(|b| !matches!(b, b'"' | b'\'')).collect();
            let filled = literals.fill(&plain, found.budget);
            found.ask_url(&filled, Scheme::Guessed);
        }
    }
}

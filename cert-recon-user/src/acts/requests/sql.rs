//! Clients of databases: psql and its kin, which ask a host (crt.sh's certificates are a public PostgreSQL database), and
//! SQL engines whose queries fetch URLs or certificates themselves.

use super::{
    found::Found,
    host, literals,
    options::{Dash, Item, Syntax, Walk},
    search,
    url::Scheme,
};
use crate::acts::{Command, Manner};

#[rustfmt::skip]
const PSQL: Syntax = Syntax {
    short: "cdfFhLoPpRTUvSnt",
    long: &[
        "command", "dbname", "field-separator", "file", "host", "log-file", "output", "port", "pset", "record-separator", "schema",
        "set", "table", "table-attr", "username", "variable",
    ],
    dash: Dash::Short,
};

/// Reads the arguments of psql, pgcli, pg_dump, pg_isready.
pub(super) fn psql(command: &Command<'_>, found: &mut Found<'_>) {
    // In psql these letters are flags; in pg_dump they name tables and schemas.
    let short = if command.is("pg_dump") {
        PSQL.short
    } else {
        "cdfFhLoPpRTUv"
    };
    let mut has_database = false;
    for item in Walk::new(&command.args, Syntax { short, ..PSQL }) {
        match item {
            Item::Option(b"h" | b"host", Some(hosts)) => {
                for host in hosts.split(|&b| b == b',').filter(|host| !host.starts_with(b"/")) {
                    found.ask_endpoint(host);
                }
            }
            Item::Option(b"d" | b"dbname", Some(database)) => {
                has_database = true;
                connection(database, found);
            }
            Item::Option(b"c" | b"command" | b"v" | b"variable" | b"set", Some(text)) => query(text, found),
            Item::Option(b"help" | b"version" | b"V" | b"?", _) => found.manner(Manner::Help),
            Item::Option(..) => {}
            Item::Operand(word) => {
                if !has_database {
                    connection(word, found);
                }
                has_database = true;
            }
        }
    }
    let stdin = command.stdin.as_deref().unwrap_or_default();
    meta_commands(stdin, found);
    query(stdin, found);
}

/// `postgresql://guest@crt.sh/certwatch` or `host=crt.sh dbname=certwatch`; else the name of a database.
fn connection(text: &[u8], found: &mut Found<'_>) {
    if found.ask_url(text, Scheme::Needed) {
        return;
    }
    let Some(text) = std::str::from_utf8(text).ok().filter(|text| text.contains('=')) else {
        return;
    };
    // Blanks may stand around the equals sign.
    let text = text.replace(" =", "=").replace("= ", "=");
    for (name, value) in text.split_ascii_whitespace().filter_map(|pair| pair.split_once('=')) {
        if matches!(name, "host" | "hostaddr") {
            for host in value.trim_matches('\'').split(',') {
                found.ask_endpoint(host.as_bytes());
            }
        }
    }
}

/// `\c certwatch guest crt.sh 5432` connects elsewhere.
fn meta_commands(text: &[u8], found: &mut Found<'_>) {
    for line in text.split(|&b| b == b'\n') {
        let line = line.trim_ascii();
        if line.starts_with(b"\\c ") || line.starts_with(b"\\connect ") {
            for word in line.split(u8::is_ascii_whitespace).skip(1) {
                if let Some(host) = host::bare(word) {
                    found.push_host(host);
                } else {
                    connection(word, found);
                }
            }
        }
    }
}

fn query(text: &[u8], found: &mut Found<'_>) {
    for literal in literals::quoted(text, found.budget) {
        search::names(&literal, found);
    }
}

#[rustfmt::skip]
const ENGINE: Syntax = Syntax {
    short: "cqf",
    long: &["command", "init", "output", "query"],
    dash: Dash::Short,
};

/// Reads the arguments of engines whose queries ask hosts: osquery's `curl_certificate`, DuckDB's `read_json('https://...')`.
pub(super) fn engine(command: &Command<'_>, found: &mut Found<'_>) {
    let about_hosts: &[&[u8]] = &[b"curl", b"http", b"read_", b"certificate", b"crtsh", b"url(", b"net_"];
    let mut texts: Vec<&[u8]> = Vec::new();
    for item in Walk::new(&command.args, ENGINE) {
        match item {
            Item::Operand(text) | Item::Option(_, Some(text)) => texts.push(text),
            Item::Option(b"help" | b"version" | b"h" | b"V", None) => found.manner(Manner::Help),
            Item::Option(..) => {}
        }
    }
    texts.extend(command.stdin.as_deref());
    for text in texts {
        let lower = text.to_ascii_lowercase();
        if !found.budget.pay(text.len().saturating_mul(2))
            || !about_hosts
                .iter()
                .any(|part| lower.windows(part.len()).any(|window| window == *part))
        {
            continue;
        }
        for literal in literals::quoted(text, found.budget) {
            if !found.ask_url(&literal, Scheme::Needed) {
                search::names(&literal, found);
            }
        }
    }
}

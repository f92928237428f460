//! What has been found so far: hosts and targets in order, each once, and the budget that the search is paid from.
//! Owns how a URL becomes hosts and targets; which words are URLs is for the readers of each family of programs.

use std::collections::HashSet;

use super::{
    host, relay, search,
    url::{self, Scheme, Url},
};
use crate::acts::{Budget, Manner, Requests, Word};

/// Collects [`Requests`]. What does not fit into the budget is not collected, and the budget says so.
pub(super) struct Found<'b> {
    /// What the search is paid from.
    pub(super) budget: &'b mut Budget,
    requests: Requests,
    hosts: HashSet<String>,
    targets: HashSet<String>,
}

impl<'b> Found<'b> {
    pub(super) fn new(budget: &'b mut Budget) -> Self {
        Self {
            budget,
            requests: Requests::default(),
            hosts: HashSet::new(),
            targets: HashSet::new(),
        }
    }

    pub(super) fn finish(self) -> Requests {
        self.requests
    }

    /// The command only prints its help, or only works on local files. The first word counts, and help wins.
    pub(super) fn manner(&mut self, manner: Manner) {
        if self.requests.manner == Manner::Works || manner == Manner::Help {
            self.requests.manner = manner;
        }
    }

    /// Whether any host has been found.
    pub(super) fn has_hosts(&self) -> bool {
        !self.requests.hosts.is_empty()
    }

    /// Whether any target has been found.
    pub(super) fn has_targets(&self) -> bool {
        !self.requests.targets.is_empty()
    }

    /// Whether this host (normalised) has been found.
    pub(super) fn knows_host(&self, host: &str) -> bool {
        self.hosts.contains(host)
    }

    /// A normalised host that is asked.
    pub(super) fn push_host(&mut self, host: String) {
        if self.budget.pay(host.len()) && self.hosts.insert(host.clone()) {
            self.requests.hosts.push(host);
        }
    }

    /// A normalised target.
    pub(super) fn push_target(&mut self, target: String) {
        if self.budget.pay(target.len()) && self.targets.insert(target.clone()) {
            self.requests.targets.push(target);
        }
    }

    /// A script or template by its name.
    pub(super) fn script(&mut self, name: &[u8]) {
        let name = name.trim_ascii();
        if !name.is_empty() && self.budget.pay(name.len()) {
            let name = String::from_utf8_lossy(name).to_lowercase();
            self.requests.scripts.push(name);
        }
    }

    /// The code of an interpreter; several pieces are lines of one program.
    pub(super) fn code(&mut self, piece: &[u8]) {
        if !self.budget.pay(piece.len()) {
            return;
        }
        match &mut self.requests.code {
            Some(code) => {
                code.push(b'\n');
                code.extend_from_slice(piece);
            }
            None => self.requests.code = Some(piece.to_vec()),
        }
    }

    /// The code so far.
    pub(super) fn take_code(&mut self) -> Option<Vec<u8>> {
        self.requests.code.take()
    }

    /// Puts the code back.
    pub(super) fn put_code(&mut self, code: Option<Vec<u8>>) {
        self.requests.code = code;
    }

    /// A word that can only be a host, `host:port` or `[v6]:port`.
    pub(super) fn ask_endpoint(&mut self, text: &[u8]) -> bool {
        if !self.budget.pay(text.len()) || text.is_empty() {
            return false;
        }
        // Some host, whichever: `$ip`.
        if is_unknown(text) {
            self.push_host(char::from(Word::UNKNOWN).to_string());
            return true;
        }
        // A URL in place of a host is read as one by many tools.
        if let Some(url) = url::parse(text, Scheme::Needed) {
            return self.ask(&url);
        }
        match host::endpoint(text.trim_ascii()) {
            Some(host) => {
                self.push_host(host);
                true
            }
            None => false,
        }
    }

    /// A word that is a URL to the program; true when it has a host.
    pub(super) fn ask_url(&mut self, text: &[u8], scheme: Scheme) -> bool {
        if !self.budget.pay(text.len().saturating_mul(2)) || is_unknown(text) {
            return false;
        }
        match url::parse(text, scheme) {
            Some(url) => self.ask(&url),
            None => false,
        }
    }

    fn ask(&mut self, url: &Url<'_>) -> bool {
        let Some(host) = host::normal(url.host) else {
            return false;
        };
        let inner = relay::inner(&host, url);
        // A relay is asked about nothing but the URL inside.
        if inner.is_empty() {
            search::path(url.path, self);
            search::query(url.query, self);
            if url.fragment.contains(&b'=') {
                search::query(url.fragment, self);
            }
        }
        self.push_host(host);
        if !inner.is_empty() && self.budget.enter() {
            for text in inner {
                self.ask_url(&text, Scheme::Guessed);
            }
            self.budget.leave();
        }
        true
    }

    /// A word that asks about a domain, host, address or network; lists are taken apart at commas and white space.
    pub(super) fn about(&mut self, text: &[u8]) {
        if !self.budget.pay(text.len().saturating_mul(2)) {
            return;
        }
        for one in text.split(|b| matches!(b, b',' | b';') || b.is_ascii_whitespace()) {
            if let Some(target) = target_or_url(one) {
                self.push_target(target);
            }
        }
    }

    /// As [`about`](Self::about), for a tool that connects to what it is asked about.
    pub(super) fn ask_about(&mut self, text: &[u8]) {
        if !self.budget.pay(text.len().saturating_mul(3)) {
            return;
        }
        for one in text.split(|b| matches!(b, b',' | b';') || b.is_ascii_whitespace()) {
            let Some(target) = target_or_url(one) else {
                continue;
            };
            if !one.contains(&b'*') && !target.contains('/') {
                self.push_host(target.clone());
            }
            self.push_target(target);
        }
    }

    /// What is told to an HTTP server in so many words: the `Host` header, and the path of the request line.
    pub(super) fn http_text(&mut self, text: &[u8]) {
        if !self.budget.pay(text.len().saturating_mul(2)) {
            return;
        }
        for line in text.split(|&b| b == b'\n') {
            if self.header(line) {
                continue;
            }
            let mut words = line.trim_ascii().split(u8::is_ascii_whitespace);
            let (Some(method), Some(path), Some(version)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let is_request = method.iter().all(u8::is_ascii_uppercase) && version.starts_with(b"HTTP/");
            if is_request && !self.ask_url(path, Scheme::Needed) {
                let (path, query) = path.split_at(path.iter().position(|&b| b == b'?').unwrap_or(path.len()));
                search::path(path, self);
                search::query(query.strip_prefix(b"?").unwrap_or(query), self);
            }
        }
    }

    /// `Host: crt.sh` and HTTP/2's `:authority: crt.sh`.
    pub(super) fn header(&mut self, line: &[u8]) -> bool {
        let line = line.trim_ascii();
        let value = [&b"host:"[..], b":authority:", b"host;", b"x-forwarded-host:"]
            .iter()
            .find_map(|name| url::strip_prefix(line, name));
        value.is_some_and(|value| self.ask_endpoint(value.trim_ascii()))
    }
}

/// Nothing of it is known.
pub(super) fn is_unknown(text: &[u8]) -> bool {
    text.iter().all(|&b| b == Word::UNKNOWN)
}

/// A target as it is, or the host of a URL.
fn target_or_url(text: &[u8]) -> Option<String> {
    let text = text.trim_ascii();
    if let Some(target) = host::target(text) {
        return Some(target);
    }
    let url = url::parse(text, Scheme::Needed).or_else(|| {
        // `example.com/login`, but not a relative path.
        url::parse(text, Scheme::Guessed).filter(|url| !url.path.is_empty())
    })?;
    host::target(url.host)
}

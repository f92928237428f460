//! Tools that scan hosts for certificates or ask services about domains, by what their options mean. To add one, add a line to
//! the table in `catalog`.

use super::{
    catalog::{Operands, Tool},
    found::Found,
    host,
    url::Scheme,
};
use crate::acts::{Command, Manner};

/// What asks for help, unless the tool gives it another meaning.
const HELP: &[&[u8]] = &[
    b"-h",
    b"--help",
    b"-help",
    b"-hh",
    b"--h",
    b"-?",
    b"--version",
    b"-version",
    b"-V",
    b"--Version",
    b"--list-plugins",
    b"--list-modules",
    b"--list-sources",
];

/// Reads the arguments of such a tool.
pub(super) fn read(tool: &Tool, command: &Command<'_>, found: &mut Found<'_>) {
    let mut words = command.args.iter().map(|word| word.bytes());
    let mut operands = 0_usize;
    let mut only_operands = false;
    while let Some(word) = words.next() {
        if only_operands || word.len() < 2 || word.first() != Some(&b'-') {
            operand(tool, word, operands, found);
            operands += 1;
            continue;
        }
        if word == b"--" {
            only_operands = true;
            continue;
        }
        let (name, attached) = match word.iter().position(|&b| b == b'=') {
            Some(at) => (&word[..at], Some(&word[at + 1..])),
            None => (word, None),
        };
        if HELP.contains(&name) && !is_in(tool.targets, name) && !is_in(tool.values, name) || is_in(tool.help, name) {
            found.manner(Manner::Help);
        } else if is_in(tool.targets, name) {
            target(tool, attached.or_else(|| words.next()).unwrap_or_default(), found);
        } else if is_in(tool.scripts, name) {
            scripts(attached.or_else(|| words.next()).unwrap_or_default(), found);
        } else if is_in(tool.values, name) {
            if attached.is_none() {
                words.next();
            }
        } else if let Some((short, value)) = short(word) {
            // -dexample.com
            if is_in(tool.targets, short) {
                target(tool, value, found);
            } else if is_in(tool.scripts, short) {
                scripts(value, found);
            }
        }
    }
    if tool.stdin
        && let Some(stdin) = command.stdin.as_deref()
    {
        for line in stdin.split(|&b| b == b'\n') {
            // CSV lines of zgrab2: address, name.
            target(tool, line, found);
        }
    }
}

fn is_in(names: &[&str], name: &[u8]) -> bool {
    names.iter().any(|known| {
        // Go's flags take one dash or two.
        known.as_bytes() == name
            || known.len() > 2 && !known.starts_with("--") && name.strip_prefix(b"-") == Some(known.as_bytes())
    })
}

/// A short option with its value attached.
fn short(word: &[u8]) -> Option<(&[u8], &[u8])> {
    if word.starts_with(b"--") {
        return None;
    }
    word.split_at_checked(2).filter(|(_, value)| !value.is_empty())
}

fn operand(tool: &Tool, word: &[u8], index: usize, found: &mut Found<'_>) {
    match tool.operands {
        Operands::Targets => target(tool, word, found),
        Operands::None => {}
        Operands::After(commands) => {
            if index == 0 && !commands.is_empty() && !is_in(commands, word) {
                found.manner(if is_help_word(word) {
                    Manner::Help
                } else {
                    Manner::Local
                });
            } else if index > 0 {
                target(tool, word, found);
            }
        }
        Operands::Search(commands) => {
            if index == 0 && is_help_word(word) {
                found.manner(Manner::Help);
            } else if index > 0 || !is_in(commands, word) {
                super::search::names(word, found);
            }
        }
        Operands::Urls => {
            if found.ask_url(word, Scheme::Needed) {
                found.about(word);
            }
        }
    }
}

fn is_help_word(word: &[u8]) -> bool {
    matches!(word, b"help" | b"version" | b"list" | b"info" | b"completion")
}

fn target(tool: &Tool, text: &[u8], found: &mut Found<'_>) {
    if tool.asks {
        found.ask_about(text);
        // Names without a dot are hosts too, for who connects to them.
        if !text.contains(&b',') && !text.contains(&b'.') && text.first().is_some_and(u8::is_ascii_alphabetic) {
            let (name, _) = host::split_port(text);
            if let Some(host) = host::normal(name) {
                found.push_host(host);
            }
        }
    } else if let Some(target) = host::target(text) {
        found.push_target(target);
    } else if !found.budget.pay(text.len()) {
    } else if text.iter().any(|b| matches!(b, b':' | b'"' | b'=')) && !text.contains(&b'/') {
        // A search expression.
        super::search::names(text, found);
    } else {
        found.about(text);
    }
}

/// `ssl-cert,ssl-enum-ciphers`, `"ssl-* and not brute"`.
fn scripts(text: &[u8], found: &mut Found<'_>) {
    for name in text.split(|b| b.is_ascii_whitespace() || matches!(b, b',' | b'(' | b')' | b'+')) {
        if !matches!(name, b"and" | b"or" | b"not") {
            found.script(name);
        }
    }
}

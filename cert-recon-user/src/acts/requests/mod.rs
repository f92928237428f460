//! What the arguments of a command say: hosts, targets, scripts. Each family of programs is read as it reads its options itself.
//!
//! `programs` says which reader a program has. Readers tell options and operands apart (`options`) and hand what they find to
//! `found`, which takes URLs apart (`url`, `relay`, `search`) and normalises hosts (`host`, `decode`).

mod catalog;
mod clients;
mod code;
mod curl;
mod decode;
mod found;
mod glob;
mod host;
mod httpie;
mod interpreter;
mod lexer;
mod literals;
mod local;
mod openssl;
mod options;
mod programs;
#[cfg(test)]
mod properties;
mod relay;
mod search;
mod sockets;
mod sql;
mod tools;
mod url;
mod wget;

use self::found::Found;
use super::{Budget, Command, Manner, Requests, Via};

/// Tools that print their help when nobody tells them a host. Others read hosts from their input then.
const NEEDS_ARGUMENTS: &[&str] = &[
    "sslscan",
    "sslyze",
    "testssl",
    "o-saft",
    "cipherscan",
    "ssl-cert-check",
    "ctfr",
    "sslcan",
    "a2sv",
    "certgraph",
    "pshtt",
];

/// What a command asks for. A name that is known decides how its arguments are read; of an unknown program, whole URLs and
/// whole host names count. `scripts` also has the sources that a search tool is told to ask (`theHarvester -b crtsh`).
#[must_use]
pub fn of(command: &Command<'_>, budget: &mut Budget) -> Requests {
    let bytes: usize = command.args.iter().map(|word| word.bytes().len() + 1).sum();
    if !budget.pay(bytes + command.stdin.as_deref().map_or(0, <[u8]>::len)) {
        return Requests::default();
    }
    let mut found = Found::new(budget);
    if command.args.is_empty()
        && command.stdin.is_none()
        && !command.via.contains(&Via::Wrapper)
        && NEEDS_ARGUMENTS.iter().any(|name| command.is(name))
    {
        found.manner(Manner::Help);
    }
    programs::read(command, &mut found);
    programs::redirections(command, &mut found);
    found.finish()
}

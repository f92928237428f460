//! What a command does, as far as its own arguments tell.

use super::command::Command;

/// A command and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act<'a> {
    /// The command.
    pub command: Command<'a>,
    /// What its arguments say.
    pub requests: Requests,
}

/// Whom a command asks, and about what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// What the command is for.
    pub manner: Manner,
    /// Hosts that it connects to or sends requests to, normalised: lower case, no trailing dot, percent-encoding and
    /// punycode resolved to the ASCII form, no brackets, no port. A part that is not known is [`UNKNOWN`](super::Word::UNKNOWN).
    pub hosts: Vec<String>,
    /// Domains, hosts, addresses that it asks about, normalised the same way and without leading `%.`, `*.` or `.`.
    pub targets: Vec<String>,
    /// Names of scripts or templates that it is told to run (`nmap --script ssl-cert`, `nuclei -tags ssl`), lower case.
    pub scripts: Vec<String>,
    /// The whole text of an interpreter's program on the command line (`python -c`, `pwsh -Command`, `perl -e`), decoded.
    pub code: Option<Vec<u8>>,
}

/// What a command is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Its work.
    #[default]
    Works,
    /// To print its help, version, or a list of what it can do.
    Help,
    /// To work on local files only, as far as is known.
    Local,
}

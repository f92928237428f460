//! Programs around certificates that mostly work on files, and ask a host only when told: keytool, the two programs called
//! certutil, certtool.

use super::{found::Found, url::Scheme};
use crate::acts::{Command, Manner};

/// Reads keytool's arguments.
pub(super) fn keytool(command: &Command<'_>, found: &mut Found<'_>) {
    let mut asks = false;
    let mut words = command.args.iter().map(|word| word.bytes());
    while let Some(word) = words.next() {
        match word {
            b"-sslserver" => {
                if let Some(host) = words.next() {
                    asks = true;
                    if found.ask_endpoint(host) {
                        found.about(host);
                    }
                }
            }
            b"-help" | b"--help" | b"-h" | b"-?" | b"-version" => found.manner(Manner::Help),
            _ => {}
        }
    }
    if !asks {
        found.manner(Manner::Local);
    }
}

/// Reads the arguments of certutil (of Windows and of NSS), certtool and others that ask only a URL in their arguments.
pub(super) fn unless_url(command: &Command<'_>, found: &mut Found<'_>) {
    let mut asks = false;
    for word in &command.args {
        match word.bytes() {
            b"--help" | b"-help" | b"-H" | b"-?" | b"--version" | b"/?" => found.manner(Manner::Help),
            word => asks |= found.ask_url(word, Scheme::Needed),
        }
    }
    if !asks {
        found.manner(Manner::Local);
    }
}

//! The commands that really run: behind wrappers, in shells, started by interpreters and container runtimes.

use super::{Budget, Command};

/// Every command that an exec runs, as far as argv tells: itself first, then what it runs, inwards. `names` are base names of the
/// program as the kernel gave them (path given to exec, resolved executable, script), best first.
#[must_use]
pub fn commands<'a>(names: &[&'a [u8]], argv: &[&'a [u8]], budget: &mut Budget) -> Vec<Command<'a>> {
    let _ = (names, argv, budget);
    Vec::new()
}

/// Whether a program of this name (lower case, without version and ending) runs others that its arguments name: wrappers, shells,
/// interpreters, launchers, container runtimes. Asked for every exec: a few comparisons, no allocation. When it says no,
/// [`commands`] gives the exec itself and nothing else.
#[must_use]
pub fn is_runner(name: &[u8]) -> bool {
    const RUNNERS: &[&[u8]] = &[
        b"bash",
        b"busybox",
        b"dash",
        b"doas",
        b"docker",
        b"env",
        b"find",
        b"ksh",
        b"nice",
        b"node",
        b"nohup",
        b"npx",
        b"perl",
        b"php",
        b"pkexec",
        b"podman",
        b"powershell",
        b"proxychains",
        b"pwsh",
        b"python",
        b"ruby",
        b"setsid",
        b"sh",
        b"stdbuf",
        b"strace",
        b"sudo",
        b"time",
        b"timeout",
        b"torsocks",
        b"uvx",
        b"xargs",
        b"zsh",
    ];
    RUNNERS.binary_search(&name).is_ok()
}

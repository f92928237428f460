//! Why the live source can't start, each with what to do about it.

use super::offsets::OffsetError;

/// Why execs can't be watched on this host.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Capabilities are missing.
    #[error(
        "loading the eBPF program needs {}, which this process does not have: run it with sudo, or grant them \
         (in a systemd unit: AmbientCapabilities={})",
        .missing.join(" and "),
        .missing.join(" ")
    )]
    NotPermitted {
        /// Names of those missing.
        missing: Vec<&'static str>,
    },
    /// There is no type information.
    #[error(
        "reading the kernel's type information (BTF) from {path}: {source}; this kernel was built without \
         CONFIG_DEBUG_INFO_BTF, or /sys is not mounted: mount it, name a file with the type information of exactly this \
         kernel (--btf FILE), or use a kernel of the distribution (those since 2020 have BTF)"
    )]
    NoBtf {
        /// Where it was looked for.
        path: String,
        /// The error.
        source: std::io::Error,
    },
    /// The type information is not usable.
    #[error(
        "reading the kernel's type information (BTF) from {path}: {source}; nothing was attached. Please report it with `uname -a`"
    )]
    Btf {
        /// Where it came from.
        path: String,
        /// What is wrong with it.
        source: OffsetError,
    },
    /// The kernel has no BPF ring buffer.
    #[error("kernel {release} has no BPF ring buffer, which came with Linux 5.8: a newer kernel is needed")]
    TooOld {
        /// `uname -r`.
        release: String,
        /// What the kernel said.
        source: Box<aya::EbpfError>,
    },
    /// The kernel lacks a function that the program calls.
    #[error(
        "kernel {release} lacks a helper function that the eBPF program calls ({said}); Linux 5.8 and later have all of them: \
         a newer kernel is needed"
    )]
    NoHelper {
        /// `uname -r`.
        release: String,
        /// The verifier's words.
        said: String,
    },
    /// Lockdown forbids reading kernel memory.
    #[error(
        "kernel lockdown is in `confidentiality` mode, which forbids eBPF programs to read kernel memory: boot with \
         lockdown=integrity (or without lockdown=) to run this program"
    )]
    Lockdown {
        /// What the kernel said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kernel refused although capabilities and version would do.
    #[error(
        "the kernel refused the eBPF {what} (EPERM) although this process has the capabilities: an LSM policy, a \
         container's seccomp filter or, before Linux 5.11, the memlock limit forbids it. `cert-recon doctor` says more"
    )]
    Refused {
        /// `map` or `program`.
        what: &'static str,
        /// What the kernel said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A security module refused.
    #[error(
        "the kernel refused the eBPF {what} (EACCES) although this process has the capabilities: the policy of a security \
         module forbids it to {to}. With SELinux that domain needs map_create, map_read, map_write, prog_load \
         and prog_run of class bpf; `ausearch -m avc -ts recent` shows what was refused"
    )]
    Denied {
        /// `map` or `program`.
        what: &'static str,
        /// Who is refused, as the security module has this process.
        to: String,
        /// What the kernel said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program could not be loaded or attached for another reason.
    #[error("{what} the eBPF program: {source}")]
    Load {
        /// What was tried.
        what: &'static str,
        /// What the kernel or the loader said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The ring buffer can't be waited for.
    #[error("waiting for the ring buffer: {0}")]
    Wait(#[source] std::io::Error),
}

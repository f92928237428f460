//! Giving up rights: after the program is attached, only what the enrichment needs is kept.

use rustix::{
    io,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
        set_no_new_privs,
    },
};

/// What is kept, and why.
///
/// - `SYS_PTRACE`: `/proc/PID/exe` and `/proc/PID/root` of other users' processes, to hash the file that ran.
/// - `DAC_READ_SEARCH`: the same for files that their owner made unreadable for others.
const KEPT: CapabilitySet = CapabilitySet::SYS_PTRACE.union(CapabilitySet::DAC_READ_SEARCH);

/// Gives up every capability but those that are needed, for good: also what the bounding set could give back, and what a
/// set-uid program could. Acts on the calling thread: call it before other threads are started.
///
/// `keep_bpf`: before Linux 5.19, reading the program's counters needs CAP_BPF too.
///
/// # Errors
/// When the kernel refuses.
pub fn drop_all_but_needed(keep_bpf: bool) -> io::Result<()> {
    let mut kept = KEPT;
    if keep_bpf {
        kept |= CapabilitySet::BPF | CapabilitySet::SYS_ADMIN & lacking_bpf();
    }
    set_no_new_privs(true)?;
    let held = capabilities(None)?;
    // While SETPCAP is still there. A kernel that knows fewer capabilities answers EINVAL for the others.
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all()
            .iter()
            .filter(|capability| !kept.contains(*capability))
        {
            match remove_capability_from_bounding_set(capability) {
                Ok(()) | Err(io::Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
        }
    }
    let left = held.permitted & kept;
    set_capabilities(
        None,
        CapabilitySets {
            effective: left,
            permitted: left,
            inheritable: CapabilitySet::empty(),
        },
    )
}

/// SYS_ADMIN where it is all that the process has to use BPF with.
fn lacking_bpf() -> CapabilitySet {
    match capabilities(None) {
        Ok(held) if !held.permitted.contains(CapabilitySet::BPF) => CapabilitySet::SYS_ADMIN,
        _ => CapabilitySet::empty(),
    }
}

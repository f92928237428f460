//! What the eBPF program has to know of the kernel: which structure members it reads, whether it can do without them, and
//! what may come between two of its programs.

use cert_recon_common::{ABSENT, Offsets};

use super::btf::{Btf, BtfError};

/// Why the offsets are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetError {
    /// The type information can't be read.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// A member that the program can't do without.
    #[error("the kernel's type information has no member `{member}` in `struct {structure}`")]
    Missing {
        /// The structure.
        structure: &'static str,
        /// Its member.
        member: &'static str,
    },
}

/// What memory is read as by 64 bits: see [`Offsets::words_type`].
const WORDS: &str = "pt_regs";
/// What makes pointers to it: see [`Offsets::cast_function`].
const CAST: &str = "bpf_rdonly_cast";

/// What guards a tracepoint's programs where those may be preempted.
const PREEMPTIBLE: &str = "class_srcu_fast_notrace_t";
/// What guards them where they may not be. Kernels before it have neither.
const NOT_PREEMPTIBLE: &str = "class_preempt_notrace_t";

const TYPES: &[&str] = &[
    PREEMPTIBLE,
    NOT_PREEMPTIBLE,
    "cgroup",
    "cgroup_subsys_id",
    "cgroup_subsys_state",
    "css_set",
    "kernfs_node",
    "cred",
    "dentry",
    "file",
    "fs_struct",
    "inode",
    "linux_binprm",
    "mm_struct",
    "mount",
    WORDS,
    "signal_struct",
    "super_block",
    "task_struct",
    "tty_struct",
    "vfsmount",
];

/// What the kernel is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where the members are.
    pub offsets: Offsets,
    /// Whether programs on a tracepoint may be preempted, by an exec of another task even: since Linux 7.0.
    pub may_preempt: bool,
}

/// The kernel that `btf` (the bytes of `/sys/kernel/btf/vmlinux`) describes.
///
/// # Errors
/// When the bytes can't be read as BTF, or a member is missing that the program can't do without.
pub fn from_btf(btf: &[u8]) -> Result<Layout, OffsetError> {
    let btf = Btf::parse(btf, TYPES, &[CAST])?;
    Ok(Layout {
        offsets: offsets(&btf)?,
        may_preempt: btf.has(PREEMPTIBLE) || !btf.has(NOT_PREEMPTIBLE),
    })
}

impl Layout {
    /// The same for programs that read by helper functions what they can't follow a pointer to; none when these are of that kind.
    #[must_use]
    pub fn without_cast(mut self) -> Option<Self> {
        let had = std::mem::replace(&mut self.offsets.words_type, ABSENT) != ABSENT;
        self.offsets.cast_function = ABSENT;
        had.then_some(self)
    }
}

fn offsets(btf: &Btf<'_>) -> Result<Offsets, OffsetError> {
    let need = |structure, member| {
        btf.offset(structure, member)
            .ok_or(OffsetError::Missing { structure, member })
    };
    let may = |structure, member| btf.offset(structure, member).unwrap_or(ABSENT);
    // Runtimes and systemd put processes into the hierarchies of all controllers; `pids` is in every kernel that they run on.
    let v1 = || {
        let index = ["pids_cgrp_id", "memory_cgrp_id", "cpu_cgrp_id"]
            .iter()
            .find_map(|name| btf.enumerator("cgroup_subsys_id", name))?;
        btf.offset("css_set", "subsys")?.checked_add(index.checked_mul(8)?)
    };
    let task_start_boottime = need("task_struct", "start_boottime").or(need("task_struct", "real_start_time"))?;
    let mut offsets = Offsets {
        task_tgid: need("task_struct", "tgid")?,
        task_real_parent: need("task_struct", "real_parent")?,
        task_group_leader: need("task_struct", "group_leader")?,
        task_start_boottime,
        task_tasks: need("task_struct", "tasks")?,
        task_cgroups: may("task_struct", "cgroups"),
        task_cred: need("task_struct", "cred")?,
        task_comm: need("task_struct", "comm")?,
        task_fs: need("task_struct", "fs")?,
        task_mm: need("task_struct", "mm")?,
        task_signal: need("task_struct", "signal")?,
        task_loginuid: may("task_struct", "loginuid"),
        task_sessionid: may("task_struct", "sessionid"),
        cred_uid: need("cred", "uid")?,
        cred_gid: need("cred", "gid")?,
        cred_euid: need("cred", "euid")?,
        cred_egid: need("cred", "egid")?,
        mm_arg_start: need("mm_struct", "arg_start")?,
        mm_arg_end: need("mm_struct", "arg_end")?,
        mm_exe_file: need("mm_struct", "exe_file")?,
        mm_start_stack: need("mm_struct", "start_stack")?,
        css_set_v2: may("css_set", "dfl_cgrp"),
        css_set_v1: v1().unwrap_or(ABSENT),
        css_cgroup: may("cgroup_subsys_state", "cgroup"),
        cgroup_root: may("cgroup", "root"),
        cgroup_kn: may("cgroup", "kn"),
        kernfs_parent: btf
            .offset("kernfs_node", "__parent")
            .unwrap_or(may("kernfs_node", "parent")),
        kernfs_name: may("kernfs_node", "name"),
        kernfs_id: may("kernfs_node", "id"),
        file_path_mnt: need("file", "f_path.mnt")?,
        file_path_dentry: need("file", "f_path.dentry")?,
        fs_pwd_mnt: need("fs_struct", "pwd.mnt")?,
        fs_pwd_dentry: need("fs_struct", "pwd.dentry")?,
        dentry_parent: need("dentry", "d_parent")?,
        dentry_name_len: need("dentry", "d_name.len")?,
        dentry_name: need("dentry", "d_name.name")?,
        dentry_inode: need("dentry", "d_inode")?,
        mount_parent: need("mount", "mnt_parent")?,
        mount_mountpoint: need("mount", "mnt_mountpoint")?,
        mount_ns: need("mount", "mnt_ns")?,
        mount_mnt: need("mount", "mnt")?,
        vfsmount_root: need("vfsmount", "mnt_root")?,
        inode_ino: need("inode", "i_ino")?,
        inode_nlink: need("inode", "i_nlink")?,
        inode_size: need("inode", "i_size")?,
        inode_sb: need("inode", "i_sb")?,
        super_dev: need("super_block", "s_dev")?,
        signal_tty: need("signal_struct", "tty")?,
        tty_name: may("tty_struct", "name"),
        binprm_filename: need("linux_binprm", "filename")?,
        binprm_interp: need("linux_binprm", "interp")?,
        binprm_argc: need("linux_binprm", "argc")?,
        words_type: btf.structure(WORDS).unwrap_or(ABSENT),
        task_type: btf.structure("task_struct").unwrap_or(ABSENT),
        cast_function: btf.function(CAST).unwrap_or(ABSENT),
    };
    absent_together(&mut offsets);
    Ok(offsets)
}

/// The program asks for one of several members whether a kernel has them: that one is absent when any is.
fn absent_together(offsets: &mut Offsets) {
    let lacks = |members: &[u32]| members.contains(&ABSENT);
    if lacks(&[
        offsets.css_set_v2,
        offsets.cgroup_kn,
        offsets.kernfs_parent,
        offsets.kernfs_name,
        offsets.kernfs_id,
    ]) {
        offsets.task_cgroups = ABSENT;
    }
    if lacks(&[offsets.cast_function]) {
        offsets.words_type = ABSENT;
    }
    if lacks(&[offsets.css_cgroup, offsets.cgroup_root]) {
        offsets.css_set_v1 = ABSENT;
    }
    if lacks(&[offsets.task_sessionid]) {
        offsets.task_loginuid = ABSENT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernels_members_are_found() {
        let path = super::super::Options::BTF;
        let Ok(btf) = std::fs::read(path) else {
            panic!("this test needs a kernel with type information: {path} can't be read");
        };
        let offsets = from_btf(&btf).unwrap().offsets;
        assert_ne!(offsets.task_tgid, offsets.task_real_parent);
        assert!(offsets.dentry_name > offsets.dentry_name_len);
    }

    #[test]
    fn what_goes_together_is_absent_together() {
        let present = || Offsets::decode(&[0; Offsets::SIZE]).unwrap();
        let mut lacking = [present(), present(), present(), present()];
        lacking[0].kernfs_name = ABSENT;
        lacking[1].cgroup_root = ABSENT;
        lacking[2].task_sessionid = ABSENT;
        lacking[3].cast_function = ABSENT;
        for offsets in &mut lacking {
            absent_together(offsets);
        }
        let told = lacking
            .map(|o| [o.task_cgroups, o.css_set_v1, o.task_loginuid, o.words_type].map(|offset| offset == ABSENT));
        assert_eq!(told, [0, 1, 2, 3].map(|of| [0, 1, 2, 3].map(|other| of == other)));
    }

    #[test]
    fn a_missing_member_is_named() {
        // A header and nothing else: valid, and empty.
        let mut btf = 0xeb9f_u16.to_ne_bytes().to_vec();
        btf.extend_from_slice(&[1, 0]);
        for value in [24_u32, 0, 0, 0, 1] {
            btf.extend_from_slice(&value.to_ne_bytes());
        }
        btf.push(0);
        let error = from_btf(&btf).unwrap_err().to_string();
        assert!(error.contains("`real_start_time` in `struct task_struct`"), "{error}");
    }
}

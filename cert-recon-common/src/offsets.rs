//! What the loader reads from the kernel's BTF and puts into the program's instructions, so that the verifier knows each as a constant
//! and removes the code of what this kernel lacks: offsets of structure members, and the numbers of types and a function.

use crate::layout::record;

/// The offset of a member, or the number of a type, that this kernel does not have. Code behind it is pruned by the verifier.
pub const ABSENT: u32 = u32::MAX;

/// What stands in the program's instructions where it wants an offset. The loader puts the offset there; no other instruction has
/// such a number.
pub mod placeholder {
    /// `mov`, a 32-bit number of 64 bits with its sign: this and the place of the offset in [`Offsets`](super::Offsets), in bytes.
    pub const SET: u32 = 0x4f46_0000;
    /// Loads from memory: from this on, 16 numbers for each offset, of which the lowest bits are added to it.
    pub const LOAD: u16 = 0x7000;

    /// `call`, a function of this number: [`Offsets::cast_function`](super::Offsets::cast_function). Where there is none, it is
    /// replaced by an instruction that does nothing of the kind, for code that is never come to.
    pub const CAST: u32 = 0x4f46_1000;

    /// The displacement of a load `further` bytes, 15 at most, behind the offset at a place.
    #[must_use]
    pub const fn load(place: usize, further: usize) -> u16 {
        LOAD + (place / 4 * 16 + further) as u16
    }
}

record! {
    /// Byte offsets of members within their structures, named `structure_member`. [`ABSENT`] where the kernel has none.
    pub struct Offsets {
        /// `task_struct.tgid`
        pub task_tgid: u32,
        /// `task_struct.real_parent`
        pub task_real_parent: u32,
        /// `task_struct.group_leader`
        pub task_group_leader: u32,
        /// `task_struct.start_boottime` (`real_start_time` before 5.5)
        pub task_start_boottime: u32,
        /// `task_struct.tasks`, the list of all processes
        pub task_tasks: u32,
        /// `task_struct.cgroups`; absent without CONFIG_CGROUPS, and then all members of what it points to are as well
        pub task_cgroups: u32,
        /// `task_struct.cred`
        pub task_cred: u32,
        /// `task_struct.comm`
        pub task_comm: u32,
        /// `task_struct.fs`
        pub task_fs: u32,
        /// `task_struct.mm`
        pub task_mm: u32,
        /// `task_struct.signal`
        pub task_signal: u32,
        /// `task_struct.loginuid`; absent without CONFIG_AUDIT
        pub task_loginuid: u32,
        /// `task_struct.sessionid`; absent when `loginuid` is, and the other way round
        pub task_sessionid: u32,
        /// `cred.uid`
        pub cred_uid: u32,
        /// `cred.gid`
        pub cred_gid: u32,
        /// `cred.euid`
        pub cred_euid: u32,
        /// `cred.egid`
        pub cred_egid: u32,
        /// `mm_struct.arg_start`
        pub mm_arg_start: u32,
        /// `mm_struct.arg_end`
        pub mm_arg_end: u32,
        /// `mm_struct.exe_file`
        pub mm_exe_file: u32,
        /// `mm_struct.start_stack`
        pub mm_start_stack: u32,
        /// `css_set.dfl_cgrp`, the cgroup in the hierarchy of version 2
        pub css_set_v2: u32,
        /// `css_set.subsys[i]`, the state in a hierarchy of version 1 that all container runtimes and systemd use; absent when
        /// there is none
        pub css_set_v1: u32,
        /// `cgroup_subsys_state.cgroup`
        pub css_cgroup: u32,
        /// `cgroup.root`, its hierarchy
        pub cgroup_root: u32,
        /// `cgroup.kn`
        pub cgroup_kn: u32,
        /// `kernfs_node.parent` (`__parent` since 6.15)
        pub kernfs_parent: u32,
        /// `kernfs_node.name`
        pub kernfs_name: u32,
        /// `kernfs_node.id`
        pub kernfs_id: u32,
        /// `file.f_path.mnt`
        pub file_path_mnt: u32,
        /// `file.f_path.dentry`
        pub file_path_dentry: u32,
        /// `fs_struct.pwd.mnt`
        pub fs_pwd_mnt: u32,
        /// `fs_struct.pwd.dentry`
        pub fs_pwd_dentry: u32,
        /// `dentry.d_parent`
        pub dentry_parent: u32,
        /// `dentry.d_name.len`
        pub dentry_name_len: u32,
        /// `dentry.d_name.name`
        pub dentry_name: u32,
        /// `dentry.d_inode`
        pub dentry_inode: u32,
        /// `mount.mnt_parent`
        pub mount_parent: u32,
        /// `mount.mnt_mountpoint`
        pub mount_mountpoint: u32,
        /// `mount.mnt_ns`
        pub mount_ns: u32,
        /// `mount.mnt` (the embedded `vfsmount`)
        pub mount_mnt: u32,
        /// `vfsmount.mnt_root`
        pub vfsmount_root: u32,
        /// `inode.i_ino`
        pub inode_ino: u32,
        /// `inode.i_nlink`
        pub inode_nlink: u32,
        /// `inode.i_size`
        pub inode_size: u32,
        /// `inode.i_sb`
        pub inode_sb: u32,
        /// `super_block.s_dev`
        pub super_dev: u32,
        /// `signal_struct.tty`
        pub signal_tty: u32,
        /// `tty_struct.name`; absent without CONFIG_TTY
        pub tty_name: u32,
        /// `linux_binprm.filename`
        pub binprm_filename: u32,
        /// `linux_binprm.interp`
        pub binprm_interp: u32,
        /// `linux_binprm.argc`
        pub binprm_argc: u32,
        /// Not an offset: the type that memory is read as by 64 bits, `struct pt_regs`, which begins with 15 such numbers on every
        /// machine; absent when `cast_function` is
        pub words_type: u32,
        /// Not an offset: the type `struct task_struct`
        pub task_type: u32,
        /// Not an offset: the kernel function `bpf_rdonly_cast()` (since 6.2), which makes of an address a pointer to a type
        pub cast_function: u32,
    }
}

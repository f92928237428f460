//! Reading kernel memory: the one place that names the helpers for it.

use core::ffi::c_void;

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated};

/// The offset of a member, a constant for the verifier.
macro_rules! offset {
    ($member:ident) => {
        // SAFETY: a static of this program; volatile, because the loader changes it behind the compiler's back.
        unsafe { core::ptr::read_volatile(&raw const $crate::maps::OFFSETS.$member) }
    };
}
pub(crate) use offset;

/// The value of type `T` at `offset` bytes from `base`; `None` when the member is absent or the memory unreadable.
#[inline(always)]
pub(crate) fn read<T>(base: u64, offset: u32) -> Option<T> {
    if offset == cert_recon_common::ABSENT {
        return None;
    }
    // SAFETY: the helper checks the address and fails on one that is not readable.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}

/// A pointer or 64-bit number; 0 when it can't be read.
#[inline(always)]
pub(crate) fn read_u64(base: u64, offset: u32) -> u64 {
    read(base, offset).unwrap_or(0)
}

/// A 32-bit number; 0 when it can't be read.
#[inline(always)]
pub(crate) fn read_u32(base: u64, offset: u32) -> u32 {
    read(base, offset).unwrap_or(0)
}

/// Copies `len` bytes of kernel memory.
///
/// # Safety
/// `to` must be writable for `len` bytes (the verifier checks that it sees this).
#[inline(always)]
pub(crate) unsafe fn copy(to: *mut u8, len: u64, from: u64) -> bool {
    // SAFETY: the caller's word for `to`; the helper checks `from`.
    unsafe { generated::bpf_probe_read_kernel(to.cast(), len as u32, from as *const c_void) == 0 }
}

/// Copies a kernel string with its NUL, at most `len` bytes; its length with the NUL, or a negative error.
///
/// # Safety
/// `to` must be writable for `len` bytes.
#[inline(always)]
pub(crate) unsafe fn copy_str(to: *mut u8, len: u32, from: u64) -> i64 {
    // SAFETY: as above.
    unsafe { generated::bpf_probe_read_kernel_str(to.cast(), len, from as *const c_void) as i64 }
}

/// Copies `len` bytes of the current process's memory.
///
/// # Safety
/// `to` must be writable for `len` bytes.
#[inline(always)]
pub(crate) unsafe fn copy_user(to: *mut u8, len: u64, from: u64) -> bool {
    // SAFETY: as above.
    unsafe { generated::bpf_probe_read_user(to.cast(), len as u32, from as *const c_void) == 0 }
}

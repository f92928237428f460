//! Reading kernel memory: the one place that names the helpers for it.

use core::ffi::c_void;

use aya_ebpf::helpers::generated;

/// The offset of a member, a constant for the verifier.
macro_rules! offset {
    ($member:ident) => {
        // SAFETY: a static of this program; volatile, because the loader changes it behind the compiler's back.
        unsafe { core::ptr::read_volatile(&raw const $crate::maps::OFFSETS.$member) }
    };
}
pub(crate) use offset;

/// The value of type `T` at `offset` bytes from `base`; all zeros when it can't be read or the member is absent.
///
/// No branch on the helper's answer: it fills what it can't read with zeros (`bpf_probe_read_kernel_common()` in
/// `kernel/trace/bpf_trace.c`), and each branch would be walked by the verifier in every turn of a loop.
#[inline(always)]
pub(crate) fn read<T: Number>(base: u64, offset: u32) -> T {
    let mut value = T::ZERO;
    if offset != cert_recon_common::ABSENT {
        let from = (base + u64::from(offset)) as *const c_void;
        // SAFETY: the helper checks the address; `value` is a number, for which any bytes are valid.
        unsafe { generated::bpf_probe_read_kernel((&raw mut value).cast(), size_of::<T>() as u32, from) };
    }
    value
}

/// What may be read: any bytes are a value.
pub(crate) trait Number {
    /// All zeros.
    const ZERO: Self;
}

impl Number for u32 {
    const ZERO: Self = 0;
}

impl Number for u64 {
    const ZERO: Self = 0;
}

/// Bytes that members of a structure may span to be read in one call. A call costs as much as some hundred bytes.
pub(crate) const SPAN: usize = 512;

/// Members of one structure, read in one call where this kernel has them near each other, else one by one.
///
/// Where they are is made of offsets only, so the verifier knows all of it as constants and removes one of the two ways.
/// What is wanted must be taken out before the same buffer is used again.
pub(crate) struct Members {
    base: u64,
    start: u32,
    is_near: bool,
    buffer: *const u64,
}

impl Members {
    /// Reads members (offset and size, 8 bytes at most; absent ones are left out) of the structure at `base`.
    #[inline(always)]
    pub(crate) fn read<const N: usize>(buffer: &mut [u64; SPAN / 8], base: u64, members: [(u32, u32); N]) -> Self {
        let (mut start, mut end) = (cert_recon_common::ABSENT, 0);
        for (offset, size) in members {
            if offset != cert_recon_common::ABSENT {
                start = if offset < start { offset } else { start };
                end = if offset + size > end { offset + size } else { end };
            }
        }
        // Members are aligned, and so they are in the buffer.
        start &= !7;
        let is_near = end > start && end - start <= SPAN as u32;
        let buffer = buffer.as_mut_ptr();
        if is_near {
            let from = (base + u64::from(start)) as *const c_void;
            // SAFETY: the buffer has `SPAN` bytes; the helper checks the address, and fills with zeros what it can't read.
            unsafe { generated::bpf_probe_read_kernel(buffer.cast(), end - start, from) };
        }
        Self {
            base,
            start,
            is_near,
            buffer,
        }
    }

    #[inline(always)]
    fn get<T: Number>(&self, offset: u32) -> T {
        if offset == cert_recon_common::ABSENT {
            T::ZERO
        } else if self.is_near {
            // SAFETY: within the buffer: the member is one of those that were read. Volatile, so that it is read before
            // the buffer is used again.
            unsafe {
                self.buffer
                    .byte_add((offset - self.start) as usize)
                    .cast::<T>()
                    .read_volatile()
            }
        } else {
            read(self.base, offset)
        }
    }

    /// A pointer or 64-bit number; 0 when it can't be read.
    #[inline(always)]
    pub(crate) fn u64(&self, offset: u32) -> u64 {
        self.get(offset)
    }

    /// A 32-bit number; 0 when it can't be read.
    #[inline(always)]
    pub(crate) fn u32(&self, offset: u32) -> u32 {
        self.get(offset)
    }
}

/// A pointer or 64-bit number; 0 when it can't be read.
#[inline(always)]
pub(crate) fn read_u64(base: u64, offset: u32) -> u64 {
    read(base, offset)
}

/// A 32-bit number; 0 when it can't be read.
#[inline(always)]
pub(crate) fn read_u32(base: u64, offset: u32) -> u32 {
    read(base, offset)
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

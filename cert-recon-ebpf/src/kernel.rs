//! Reading kernel memory: the one place that names the helpers for it.
//!
//! Since Linux 5.11 the verifier follows pointers from the running task on by the kernel's own type information, and lets a
//! program load members like its own memory: a load costs a nanosecond or two, the call of a helper function some thirty. Where
//! a pointer has been kept elsewhere than in registers and on the stack, its type is forgotten. Since Linux 6.2 any address can be
//! made a pointer to a type again ([`Words`]); before, only helpers read what it leads to.
//!
//! What follows or not is generic: `FOLLOW` says that pointers can be followed. A program is made for each, without a look at
//! which it is while it runs. Whether addresses can be made pointers is a constant that the verifier knows ([`can_cast`]).

use core::{arch::asm, ffi::c_void};

use aya_ebpf::helpers::generated;
use cert_recon_common::placeholder;

/// A member of a kernel structure, by its name in [`cert_recon_common::Offsets`]. Of one that kernels may lack it is asked whether it is there before
/// it is used.
macro_rules! member {
    ($member:ident) => {
        $crate::kernel::Member::<{ core::mem::offset_of!(cert_recon_common::Offsets, $member) }>
    };
}
pub(crate) use member;

/// A member of a kernel structure: the place of its offset in [`cert_recon_common::Offsets`]. The offset is a constant in instructions, which the loader
/// puts there ([`cert_recon_common::placeholder`]).
#[derive(Clone, Copy)]
pub(crate) struct Member<const PLACE: usize>;

impl<const PLACE: usize> Member<PLACE> {
    /// The member's offset.
    #[inline(always)]
    pub(crate) fn offset(self) -> u64 {
        let value;
        // SAFETY: sets a register.
        unsafe {
            asm!(
                "{value} = {placeholder}",
                value = out(reg) value,
                placeholder = const placeholder::SET + PLACE as u32,
                options(pure, nomem, nostack)
            );
        }
        value
    }

    /// Whether this kernel has it.
    #[inline(always)]
    pub(crate) fn is_there(self) -> bool {
        self.offset() != u64::MAX
    }

    /// Of the structure at `base`, read as [`Members`] does: a pointer or 64-bit number; 0 when it can't be read.
    #[inline(always)]
    pub(crate) fn u64_of<const FOLLOW: bool>(self, base: u64) -> u64 {
        self.number_of::<FOLLOW, u64>(base)
    }

    /// As [`Self::u64_of`], a 32-bit number.
    #[inline(always)]
    pub(crate) fn u32_of<const FOLLOW: bool>(self, base: u64) -> u32 {
        self.number_of::<FOLLOW, u32>(base)
    }

    #[inline(always)]
    fn number_of<const FOLLOW: bool, T: Number>(self, base: u64) -> T {
        if FOLLOW {
            self.load(base)
        } else {
            number_at(base, self.offset())
        }
    }

    /// Loads the member of the structure at `base`, which was followed.
    #[inline(always)]
    fn load<T: Number>(self, base: u64) -> T {
        T::load::<PLACE>(base)
    }

    /// The first or second 8 bytes of an array of characters, which the verifier lets a program load one by one only.
    #[inline(always)]
    fn letters(self, base: u64, second: bool) -> u64 {
        macro_rules! letters {
            ($($index:literal)*) => {{
                let mut all = 0;
                let mut shift = 0;
                $(
                    let letter: u64;
                    // SAFETY: as in `Number::load`.
                    unsafe {
                        asm!(
                            "{letter} = *(u8 *)({base} + {placeholder})",
                            letter = out(reg) letter,
                            base = in(reg) base,
                            placeholder = const placeholder::load(PLACE, $index),
                            options(readonly, nostack)
                        );
                    }
                    all |= letter << shift;
                    shift += 8;
                )*
                let _ = shift;
                all
            }};
        }
        if second {
            letters!(8 9 10 11 12 13 14 15)
        } else {
            letters!(0 1 2 3 4 5 6 7)
        }
    }
}

/// The task that runs exec, as a pointer that can be followed if there are such. `task` is the tracepoint's.
///
/// Rather made a pointer than asked for: of one that the kernel vouches for, the verifier looks at each load whether it still does,
/// and for that through the names of all types, which takes longer than all else.
#[inline(always)]
pub(crate) fn current<const FOLLOW: bool>(task: u64) -> u64 {
    if !FOLLOW {
        task
    } else if can_cast() {
        cast(task, member!(task_type).offset())
    } else {
        // SAFETY: a helper without arguments.
        unsafe { generated::bpf_get_current_task_btf() as u64 }
    }
}

/// Whether this kernel makes addresses pointers.
#[inline(always)]
pub(crate) fn can_cast() -> bool {
    member!(words_type).is_there()
}

/// Makes an address a pointer to the type of this number: for the verifier; for the processor it is no instruction. Only where
/// [`can_cast`].
#[inline(always)]
fn cast(address: u64, to: u64) -> u64 {
    let pointer;
    // SAFETY: the function changes nothing, and keeps to the calling convention.
    unsafe {
        asm!(
            "call {placeholder}",
            placeholder = const placeholder::CAST,
            inlateout("r1") address => _,
            inlateout("r2") to => _,
            lateout("r0") pointer,
            lateout("r3") _,
            lateout("r4") _,
            lateout("r5") _,
            options(readonly, nostack)
        );
    }
    pointer
}

/// Memory at any address as 15 numbers of 64 bits, which are loaded like members of what was followed. Only where [`can_cast`].
pub(crate) struct Words(u64);

impl Words {
    /// At this address.
    #[inline(always)]
    fn at(address: u64) -> Self {
        Self(cast(address, member!(words_type).offset()))
    }

    /// The number so many bytes from the beginning; 0 when it can't be read.
    #[inline(always)]
    fn get<const OFFSET: usize>(&self) -> u64 {
        u64::at::<OFFSET>(self)
    }
}

/// Forgets that a value was a pointer that can be followed: the verifier refuses to calculate with those.
#[inline(always)]
pub(crate) fn number(place: &mut u64, pointer: u64) -> u64 {
    // SAFETY: a reference is valid. Volatile: the way through memory is what this is for.
    unsafe {
        core::ptr::write_volatile(place, pointer);
        core::ptr::read_volatile(place)
    }
}

/// The value of type `T` at `offset` bytes from `base`; all zeros when it can't be read.
///
/// No branch on the helper's answer: it fills what it can't read with zeros (`bpf_probe_read_kernel_common()` in
/// `kernel/trace/bpf_trace.c`), and each branch would be walked by the verifier in every turn of a loop.
#[inline(always)]
fn read<T: Number>(base: u64, offset: u64) -> T {
    let mut value = T::ZERO;
    let from = (base + offset) as *const c_void;
    // SAFETY: the helper checks the address; `value` is a number, for which any bytes are valid.
    unsafe { generated::bpf_probe_read_kernel((&raw mut value).cast(), size_of::<T>() as u32, from) };
    value
}

/// As [`read`], by the cheapest way that there is.
#[inline(always)]
fn number_at<T: Number>(base: u64, offset: u64) -> T {
    if can_cast() {
        T::at::<0>(&Words::at(base + offset))
    } else {
        read(base, offset)
    }
}

/// What may be read: any bytes are a value.
pub(crate) trait Number {
    /// All zeros.
    const ZERO: Self;

    /// So many bytes from the beginning of these.
    fn at<const OFFSET: usize>(words: &Words) -> Self;

    /// A member of the structure at `base`, by its place in [`cert_recon_common::Offsets`].
    fn load<const PLACE: usize>(base: u64) -> Self;
}

macro_rules! loads {
    ($number:ty, $instruction:literal) => {
        impl Number for $number {
            const ZERO: Self = 0;

            #[inline(always)]
            fn at<const OFFSET: usize>(words: &Words) -> Self {
                let value: u64;
                // SAFETY: the verifier has checked that there is such a number; an address that leads nowhere gives zeros, and so
                // are a smaller number's other bits.
                unsafe {
                    asm!(
                        $instruction,
                        value = out(reg) value,
                        base = in(reg) words.0,
                        offset = const OFFSET,
                        options(readonly, nostack)
                    );
                    core::hint::assert_unchecked(value <= <$number>::MAX as u64);
                }
                value as Self
            }

            #[inline(always)]
            fn load<const PLACE: usize>(base: u64) -> Self {
                let value: u64;
                // SAFETY: the verifier has checked that a member of this size is there; a pointer that leads nowhere gives zeros.
                unsafe {
                    asm!(
                        $instruction,
                        value = out(reg) value,
                        base = in(reg) base,
                        offset = const placeholder::load(PLACE, 0),
                        options(readonly, nostack)
                    );
                }
                // SAFETY: the instruction fills the register with zeros. Without this word the compiler would do so again.
                unsafe { core::hint::assert_unchecked(value <= <$number>::MAX as u64) };
                value as Self
            }
        }
    };
}
loads!(u32, "{value} = *(u32 *)({base} + {offset})");
loads!(u64, "{value} = *(u64 *)({base} + {offset})");

/// Bytes that members of a structure may span to be read in one call. A call costs as much as some hundred bytes.
pub(crate) const SPAN: usize = 512;

/// Where members of one structure are.
pub(crate) struct Span {
    start: u64,
    len: u64,
    /// Near enough to each other to be read in one call.
    is_near: bool,
}

impl Span {
    /// Of members as [`Members::read`] takes them.
    #[inline(always)]
    pub(crate) fn of<const N: usize>(members: [(u64, u64); N]) -> Self {
        let (mut start, mut end) = (u64::MAX, 0);
        for (offset, size) in members {
            start = if offset < start { offset } else { start };
            end = if offset + size > end { offset + size } else { end };
        }
        // Members are aligned, and so they are in the buffer.
        start &= !7;
        Self {
            start,
            len: end.wrapping_sub(start),
            is_near: end > start && end - start <= SPAN as u64,
        }
    }
}

/// Members of one structure: loaded where the pointer to it can be followed, or its address made one; else read in one call where
/// this kernel has them near each other, or one by one.
///
/// Where they are is made of offsets only, so the verifier knows all of it as constants and removes the way that is not taken.
/// What is wanted must be taken out before the same buffer is used again.
pub(crate) struct Members<const FOLLOW: bool> {
    base: u64,
    start: u64,
    is_near: bool,
    buffer: *const u64,
}

impl<const FOLLOW: bool> Members<FOLLOW> {
    /// Reads members (offset and size: 4 or 8 bytes, 16 of text) of the structure at `base`. If pointers can be followed, that was
    /// followed from [`current`] to here.
    #[inline(always)]
    pub(crate) fn read<const N: usize>(buffer: &mut [u64; SPAN / 8], base: u64, members: [(u64, u64); N]) -> Self {
        Self::read_span(buffer, base, &Span::of(members))
    }

    /// As [`Self::read`], in a loop: where the members are is found out before it.
    #[inline(always)]
    pub(crate) fn read_span(buffer: &mut [u64; SPAN / 8], base: u64, span: &Span) -> Self {
        Self::read_by(!FOLLOW && !can_cast(), buffer, base, span)
    }

    /// As [`Self::read_span`], by a helper function where members are near each other: fewer instructions.
    #[inline(always)]
    pub(crate) fn copy_span(buffer: &mut [u64; SPAN / 8], base: u64, span: &Span) -> Self {
        Self::read_by(true, buffer, base, span)
    }

    #[inline(always)]
    fn read_by(copies: bool, buffer: &mut [u64; SPAN / 8], base: u64, span: &Span) -> Self {
        let is_near = copies && span.is_near;
        let buffer = buffer.as_mut_ptr();
        if is_near {
            let from = (base + span.start) as *const c_void;
            // SAFETY: the buffer has `SPAN` bytes; the helper checks the address, and fills with zeros what it can't read.
            unsafe { generated::bpf_probe_read_kernel(buffer.cast(), span.len as u32, from) };
        }
        Self {
            base,
            start: span.start,
            is_near,
            buffer,
        }
    }

    #[inline(always)]
    fn get<T: Number, const PLACE: usize>(&self, member: Member<PLACE>) -> T {
        if FOLLOW {
            member.load(self.base)
        } else if self.is_near {
            // SAFETY: within the buffer: the member is one of those that were read. Volatile, so that it is read before
            // the buffer is used again.
            unsafe {
                self.buffer
                    .byte_add((member.offset() - self.start) as usize)
                    .cast::<T>()
                    .read_volatile()
            }
        } else {
            number_at(self.base, member.offset())
        }
    }

    /// A pointer or 64-bit number; 0 when it can't be read.
    #[inline(always)]
    pub(crate) fn u64<const PLACE: usize>(&self, member: Member<PLACE>) -> u64 {
        self.get(member)
    }

    /// A 32-bit number; 0 when it can't be read.
    #[inline(always)]
    pub(crate) fn u32<const PLACE: usize>(&self, member: Member<PLACE>) -> u32 {
        self.get(member)
    }

    /// 16 bytes of text, which were asked for as such; zeros when it can't be read.
    #[inline(always)]
    pub(crate) fn text<const PLACE: usize>(&self, member: Member<PLACE>) -> (u64, u64) {
        if FOLLOW {
            if can_cast() {
                let words = Words::at(self.base + member.offset());
                return (words.get::<0>(), words.get::<8>());
            }
            (member.letters(self.base, false), member.letters(self.base, true))
        } else if self.is_near {
            // SAFETY: as in `get`.
            unsafe {
                let from = self.buffer.byte_add((member.offset() - self.start) as usize);
                (from.read_volatile(), from.add(1).read_volatile())
            }
        } else {
            let offset = member.offset();
            (number_at(self.base, offset), number_at(self.base, offset + 8))
        }
    }
}

/// Writes a number without regard to alignment, in one instruction: the compiler, which knows only machines that can't, would make
/// 15 of it.
///
/// # Safety
/// `to` must be writable for 8 bytes (the verifier checks that it sees this).
#[inline(always)]
pub(crate) unsafe fn store(to: *mut u8, value: u64) {
    // SAFETY: the caller's word.
    unsafe {
        asm!(
            "*(u64 *)({to} + 0) = {value}",
            to = in(reg) to,
            value = in(reg) value,
            options(nostack)
        );
    }
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

/// Bytes that [`copy_short`] copies.
pub(crate) const SHORT: usize = 32;

/// Copies [`SHORT`] bytes of kernel memory, only where [`can_cast`]; zeros for what can't be read.
///
/// # Safety
/// `to` must be writable for so many.
#[inline(always)]
pub(crate) unsafe fn copy_short(to: *mut u8, from: u64) {
    let words = Words::at(from);
    // SAFETY: the caller's word.
    unsafe {
        store(to, words.get::<0>());
        store(to.add(8), words.get::<8>());
        store(to.add(16), words.get::<16>());
        store(to.add(24), words.get::<24>());
    }
}

/// Copies the words of a string up to that with its NUL, and returns its length; goes on behind them when it is longer.
macro_rules! copy_words {
    ($to:ident, $from:ident, $($offset:literal)*) => {
        let words = Words::at($from);
        $(
            let word = words.get::<$offset>();
            // SAFETY: the caller's word.
            unsafe { store($to.add($offset), word) };
            let found = nuls(word);
            if found != 0 {
                return $offset + before_first(found);
            }
        )*
    };
}

/// The lowest bit of each byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte that is zero; of bytes behind the first of them it may be set as well.
#[inline(always)]
fn nuls(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Bytes before the first of [`nuls`].
#[inline(always)]
fn before_first(nuls: u64) -> u64 {
    // The lowest bit of each of them; their sum in the highest byte.
    let ones = ((nuls ^ (nuls - 1)) >> 8) & ONES;
    ones.wrapping_mul(ONES) >> 56
}

/// Copies a kernel string of less than [`SHORT`] bytes, and with it up to 8 that are behind it, where [`can_cast`]. Its length; 0 when
/// it is empty or longer or that can't be: then it is [`copy_str`]'s.
///
/// # Safety
/// `to` must be writable for [`SHORT`] bytes.
#[inline(always)]
pub(crate) unsafe fn copy_short_str(to: *mut u8, from: u64) -> u64 {
    if can_cast() {
        copy_words!(to, from, 0 8 16 24);
    }
    0
}

/// As [`copy_short_str`], of less than [`MIDDLING`] bytes, where not many are copied: each word is one more way for the verifier.
///
/// # Safety
/// `to` must be writable for [`MIDDLING`] bytes.
#[inline(always)]
pub(crate) unsafe fn copy_middling_str(to: *mut u8, from: u64) -> u64 {
    if can_cast() {
        copy_words!(to, from, 0 8 16 24 32 40 48 56 64 72 80 88 96 104 112);
    }
    0
}

/// Bytes that [`copy_middling_str`] may write.
pub(crate) const MIDDLING: usize = 120;

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

//! Arguments made to measure.

/// Longest argument that the kernel takes, without its NUL (`MAX_ARG_STRLEN` in `include/uapi/linux/binfmts.h`, 32 pages
/// of the smallest size).
pub(crate) const LONGEST: usize = 131_071;

/// Printable bytes without a period, so that a piece that is missing, doubled or out of place shows.
pub(crate) fn filler(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            b'!' + u8::try_from(state % 94).unwrap_or(0)
        })
        .collect()
}

/// `first`, then arguments of `each` bytes at most, so that all of them with their NULs have `total` bytes.
pub(crate) fn argv_of(first: &[u8], total: usize, each: usize) -> Vec<Vec<u8>> {
    let mut argv = vec![first.to_vec()];
    let mut left = total.checked_sub(first.len() + 1).expect("room for the first argument");
    while left > 0 {
        let len = (left - 1).min(each);
        argv.push(filler(len, left as u64));
        left -= len + 1;
    }
    assert_eq!(bytes_of(&argv).len(), total);
    argv
}

/// The arguments as the kernel keeps them.
pub(crate) fn bytes_of(argv: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for arg in argv {
        bytes.extend_from_slice(arg.as_ref());
        bytes.push(0);
    }
    bytes
}

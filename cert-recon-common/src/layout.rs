//! `record!`: one definition of a layout gives the `repr(C)` structure that the eBPF program fills, the proof that it has
//! no padding, and its total decoding.

/// A field type that can stand in a layout.
pub(crate) trait Field: Sized {
    /// The value in the first `size_of::<Self>()` bytes, native byte order; `None` when there are fewer.
    fn read(bytes: &[u8]) -> Option<Self>;
    /// Writes the value to the first bytes of `out`; nothing when `out` is shorter.
    fn write(&self, out: &mut [u8]);
}

macro_rules! integer_field {
    ($($ty:ty),*) => {$(
        impl Field for $ty {
            fn read(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_ne_bytes(*bytes.first_chunk()?))
            }
            fn write(&self, out: &mut [u8]) {
                if let Some(out) = out.first_chunk_mut() {
                    *out = self.to_ne_bytes();
                }
            }
        }
    )*};
}
integer_field!(u16, u32, u64);

impl<const N: usize> Field for [u8; N] {
    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied()
    }
    fn write(&self, out: &mut [u8]) {
        if let Some(out) = out.first_chunk_mut() {
            *out = *self;
        }
    }
}

macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $ty,)*
        }

        // No padding: the fields fill the structure.
        const _: () = assert!(size_of::<$name>() == 0 $(+ size_of::<$ty>())*);

        impl $crate::layout::Field for $name {
            fn read(bytes: &[u8]) -> Option<Self> {
                Self::decode(bytes)
            }
            fn write(&self, out: &mut [u8]) {
                if let Some(out) = out.first_chunk_mut() {
                    *out = self.encode();
                }
            }
        }

        impl $name {
            /// Length in bytes.
            pub const SIZE: usize = size_of::<Self>();

            /// The structure in the first [`Self::SIZE`] bytes; `None` when there are fewer.
            #[must_use]
            pub fn decode(bytes: &[u8]) -> Option<Self> {
                Some(Self {
                    $($field: $crate::layout::Field::read(bytes.get(core::mem::offset_of!(Self, $field)..)?)?,)*
                })
            }

            /// The structure's bytes.
            #[must_use]
            pub fn encode(&self) -> [u8; size_of::<Self>()] {
                let mut bytes = [0; size_of::<Self>()];
                $(
                    if let Some(out) = bytes.get_mut(core::mem::offset_of!(Self, $field)..) {
                        $crate::layout::Field::write(&self.$field, out);
                    }
                )*
                bytes
            }
        }
    };
}
pub(crate) use record;

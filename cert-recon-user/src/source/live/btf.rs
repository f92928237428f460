//! Finds structure members in the kernel's type information (BTF).
//!
//! One pass over the type section notes where each type begins and which are the structures wanted; members are then
//! looked up in those only. The kernel's five megabytes take a few milliseconds that way; a full parse into a model takes
//! a hundred times that and tens of megabytes. Any bytes give a table or a [`BtfError`], never a panic.
//!
//! Format: `Documentation/bpf/btf.rst` in the kernel's source.

use std::collections::HashMap;

const MAGIC: u16 = 0xeb9f;
const TYPE_SIZE: usize = 12;
const MEMBER_SIZE: usize = 12;
const ENUM_SIZE: usize = 8;
/// Anonymous members nested deeper than this are not searched (the kernel has a handful of levels).
const MAX_DEPTH: u32 = 16;

/// Why type information can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// Does not begin with a BTF header of this machine's byte order.
    #[error("not BTF of this machine's byte order (it begins with {0:#06x}, not {MAGIC:#06x})")]
    Magic(u16),
    /// A section or type reaches beyond the end.
    #[error("cut short: {what} at byte {at} is beyond the end ({len} bytes)")]
    Short {
        /// What should have been there.
        what: &'static str,
        /// Where.
        at: usize,
        /// Length of what was read.
        len: usize,
    },
    /// A type of a kind that this program does not know, so that its length is unknown.
    #[error("type {id} is of unknown kind {kind}")]
    Kind {
        /// Its number.
        id: usize,
        /// Its kind.
        kind: u32,
    },
}

/// The types wanted from a kernel's type information.
#[derive(Debug)]
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Where each type begins in `types`, by id; id 0 is void.
    starts: Vec<u32>,
    /// Structures, enumerations and other names of types that are wanted, by name.
    wanted: HashMap<&'static str, Vec<u32>>,
    /// Functions that are wanted.
    functions: HashMap<&'static str, u32>,
}

mod kinds {
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const TYPE_TAG: u32 = 18;
}

struct Type {
    name: u32,
    kind: u32,
    vlen: usize,
    kind_flag: bool,
    /// The type referred to, for modifiers.
    refers: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn section<'a>(bytes: &'a [u8], start: usize, len: u32, what: &'static str) -> Result<&'a [u8], BtfError> {
    start
        .checked_add(len as usize)
        .and_then(|end| bytes.get(start..end))
        .ok_or(BtfError::Short {
            what,
            at: start,
            len: bytes.len(),
        })
}

impl<'a> Btf<'a> {
    /// Reads the type information in `bytes` and finds the types named in `wanted`, and the functions named in `functions`.
    ///
    /// # Errors
    /// When the bytes are no BTF, are cut short, or hold a kind of type that did not exist when this was written.
    pub fn parse(bytes: &'a [u8], wanted: &[&'static str], functions: &[&'static str]) -> Result<Self, BtfError> {
        let short = |what, at| BtfError::Short {
            what,
            at,
            len: bytes.len(),
        };
        let magic = bytes
            .first_chunk()
            .map(|b| u16::from_ne_bytes(*b))
            .ok_or(short("header", 0))?;
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let field = |at| u32_at(bytes, at).ok_or(short("header", at));
        let header = field(4)? as usize;
        let types = section(
            bytes,
            header.saturating_add(field(8)? as usize),
            field(12)?,
            "type section",
        )?;
        let strings = section(
            bytes,
            header.saturating_add(field(16)? as usize),
            field(20)?,
            "string section",
        )?;

        let mut btf = Self {
            types,
            strings,
            starts: vec![0],
            wanted: HashMap::new(),
            functions: HashMap::new(),
        };
        btf.starts.reserve(types.len() / 24);
        let mut at = 0;
        while at < types.len() {
            let id = btf.starts.len();
            let ty = btf.type_at(at).ok_or(short("type", at))?;
            btf.starts.push(u32::try_from(at).map_err(|_| short("type", at))?);
            let extra = match ty.kind {
                1 | 14 | 17 => 4,
                kinds::ARRAY => 12,
                kinds::STRUCT | kinds::UNION | 15 | 19 => 12 * ty.vlen,
                kinds::ENUM | 13 => 8 * ty.vlen,
                2 | 7..=12 | 16 | 18 => 0,
                kind => return Err(BtfError::Kind { id, kind }),
            };
            let id = u32::try_from(id).unwrap_or(0);
            let one_of = |names: &[&'static str]| names.iter().copied().find(|name| btf.is_named(ty.name, name));
            match ty.kind {
                kinds::STRUCT | kinds::ENUM | kinds::TYPEDEF => {
                    if let Some(name) = one_of(wanted) {
                        btf.wanted.entry(name).or_default().push(id);
                    }
                }
                kinds::FUNC => {
                    if let Some(name) = one_of(functions) {
                        btf.functions.insert(name, id);
                    }
                }
                _ => {}
            }
            at += TYPE_SIZE + extra;
        }
        if at > types.len() {
            return Err(short("type", at));
        }
        Ok(btf)
    }

    /// Whether there is a wanted type of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.wanted.contains_key(name)
    }

    /// The number of a wanted structure.
    #[must_use]
    pub fn structure(&self, name: &str) -> Option<u32> {
        self.wanted.get(name)?.iter().copied().find(|&id| {
            let ty = self
                .starts
                .get(id as usize)
                .and_then(|&start| self.type_at(start as usize));
            ty.is_some_and(|ty| ty.kind == kinds::STRUCT)
        })
    }

    /// The number of a wanted function.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<u32> {
        self.functions.get(name).copied()
    }

    /// The byte offset of a member in a wanted structure. `member` may lead through named members (`f_path.mnt`); members
    /// of anonymous structures and unions count as members of what holds them. `None` when there is none, or when it is a
    /// bit field.
    #[must_use]
    pub fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        let bits = self
            .wanted
            .get(structure)?
            .iter()
            .find_map(|&id| self.path_bits(id, member))?;
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// The value of a name in a wanted enumeration.
    #[must_use]
    pub fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        self.wanted.get(enumeration)?.iter().find_map(|&id| {
            let start = *self.starts.get(id as usize)? as usize;
            let ty = self.type_at(start)?;
            let entries = (ty.kind == kinds::ENUM).then_some(ty.vlen)?;
            (0..entries).find_map(|i| {
                let at = start + TYPE_SIZE + i * ENUM_SIZE;
                self.is_named(u32_at(self.types, at)?, name)
                    .then(|| u32_at(self.types, at + 4))?
            })
        })
    }

    fn path_bits(&self, structure: u32, path: &str) -> Option<u32> {
        let (mut id, mut bits) = (structure, 0u32);
        for name in path.split('.') {
            let (offset, member) = self.member(id, name.as_bytes(), MAX_DEPTH)?;
            bits = bits.checked_add(offset)?;
            id = member;
        }
        Some(bits)
    }

    /// Offset in bits and type of the member `name` of the structure or union `id`.
    fn member(&self, id: u32, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        let depth = depth.checked_sub(1)?;
        let id = self.without_modifiers(id)?;
        let start = *self.starts.get(id as usize)? as usize;
        let ty = self.type_at(start)?;
        if !matches!(ty.kind, kinds::STRUCT | kinds::UNION) {
            return None;
        }
        (0..ty.vlen).find_map(|i| {
            let at = start + TYPE_SIZE + i * MEMBER_SIZE;
            let (member_name, member_type) = (u32_at(self.types, at)?, u32_at(self.types, at + 4)?);
            let mut bits = u32_at(self.types, at + 8)?;
            if ty.kind_flag {
                // The upper byte is the width of a bit field.
                bits &= 0x00ff_ffff;
            }
            match self.name(member_name) {
                b"" => {
                    let (inner, found) = self.member(member_type, name, depth)?;
                    Some((bits.checked_add(inner)?, found))
                }
                found if found == name => Some((bits, member_type)),
                _ => None,
            }
        })
    }

    fn without_modifiers(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let ty = self.type_at(*self.starts.get(id as usize)? as usize)?;
            match ty.kind {
                kinds::TYPEDEF | kinds::VOLATILE | kinds::CONST | kinds::RESTRICT | kinds::TYPE_TAG => id = ty.refers,
                _ => return Some(id),
            }
        }
        None
    }

    fn type_at(&self, at: usize) -> Option<Type> {
        let info = u32_at(self.types, at + 4)?;
        Some(Type {
            name: u32_at(self.types, at)?,
            kind: (info >> 24) & 0x1f,
            vlen: (info & 0xffff) as usize,
            kind_flag: info >> 31 == 1,
            refers: u32_at(self.types, at + 8)?,
        })
    }

    /// Whether the name at this place is `name`: without a look for its end, of which there are tens of thousands.
    fn is_named(&self, at: u32, name: &str) -> bool {
        let rest = self.strings.get(at as usize..).unwrap_or_default();
        rest.strip_prefix(name.as_bytes()).and_then(<[u8]>::first) == Some(&0)
    }

    fn name(&self, at: u32) -> &'a [u8] {
        let rest = self.strings.get(at as usize..).unwrap_or_default();
        rest.split(|&b| b == 0).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds BTF as the kernel's documentation describes it.
    #[derive(Default)]
    struct Builder {
        types: Vec<u8>,
        strings: Vec<u8>,
        count: u32,
    }

    impl Builder {
        fn string(&mut self, text: &str) -> u32 {
            if self.strings.is_empty() {
                self.strings.push(0);
            }
            if text.is_empty() {
                return 0;
            }
            let at = u32::try_from(self.strings.len()).unwrap();
            self.strings.extend_from_slice(text.as_bytes());
            self.strings.push(0);
            at
        }

        fn push(&mut self, values: &[u32]) -> u32 {
            for value in values {
                self.types.extend_from_slice(&value.to_ne_bytes());
            }
            self.count += 1;
            self.count
        }

        fn ty(&mut self, name: &str, kind: u32, third: u32, extra: &[u32]) -> u32 {
            let name = self.string(name);
            let mut values = vec![name, kind << 24, third];
            values.extend_from_slice(extra);
            self.push(&values)
        }

        fn structure(&mut self, name: &str, kind: u32, kind_flag: bool, members: &[(&str, u32, u32)]) -> u32 {
            let name = self.string(name);
            let vlen = u32::try_from(members.len()).unwrap();
            let mut values = vec![name, u32::from(kind_flag) << 31 | kind << 24 | vlen, 0];
            for (member, ty, bits) in members {
                values.extend_from_slice(&[self.string(member), *ty, *bits]);
            }
            self.push(&values)
        }

        fn bytes(&self) -> Vec<u8> {
            let mut bytes = MAGIC.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&[1, 0]);
            let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
            for value in [24, 0, types, types, strings] {
                bytes.extend_from_slice(&value.to_ne_bytes());
            }
            bytes.extend_from_slice(&self.types);
            bytes.extend_from_slice(&self.strings);
            bytes
        }
    }

    fn sample() -> Vec<u8> {
        let mut b = Builder::default();
        let int = b.ty("int", 1, 4, &[32]);
        let path = b.structure("path", kinds::STRUCT, false, &[("mnt", int, 0), ("dentry", int, 64)]);
        let constant = b.ty("", kinds::CONST, path, &[]);
        let typedef = b.ty("path_t", kinds::TYPEDEF, constant, &[]);
        let union = b.structure("", kinds::UNION, false, &[("f_path", typedef, 0), ("other", path, 0)]);
        b.structure("file", kinds::STRUCT, false, &[("f_mode", int, 0), ("", union, 128)]);
        b.structure(
            "flags",
            kinds::STRUCT,
            true,
            &[("bit", int, 1 << 24 | 3), ("whole", int, 32)],
        );
        let (zero, one) = (b.string("ZERO"), b.string("ONE"));
        let name = b.string("ids");
        b.push(&[name, kinds::ENUM << 24 | 2, 4, zero, 0, one, 1]);
        let prototype = b.push(&[0, 13 << 24, 0]);
        b.ty("file_open", kinds::FUNC, prototype, &[]);
        b.ty("file", kinds::FUNC, prototype, &[]);
        b.bytes()
    }

    #[test]
    fn members_are_found_through_anonymous_unions_modifiers_and_names() {
        let bytes = sample();
        let btf = Btf::parse(&bytes, &["file", "flags"], &[]).unwrap();
        assert_eq!(btf.offset("file", "f_mode"), Some(0));
        assert_eq!(btf.offset("file", "f_path"), Some(16));
        assert_eq!(btf.offset("file", "f_path.dentry"), Some(24));
        assert_eq!(btf.offset("file", "f_path.none"), None);
        assert_eq!(btf.offset("file", "f_mode.none"), None);
        assert_eq!(btf.offset("path", "mnt"), None, "not asked for");
        assert_eq!(btf.offset("flags", "whole"), Some(4));
        assert_eq!(btf.offset("flags", "bit"), None, "a bit field has no offset in bytes");
    }

    #[test]
    fn names_of_an_enumeration_have_their_values() {
        let bytes = sample();
        let btf = Btf::parse(&bytes, &["ids", "file"], &[]).unwrap();
        assert_eq!(
            (btf.enumerator("ids", "ZERO"), btf.enumerator("ids", "ONE")),
            (Some(0), Some(1))
        );
        assert_eq!(
            (btf.enumerator("ids", "TWO"), btf.enumerator("file", "ONE")),
            (None, None)
        );
    }

    #[test]
    fn structures_and_functions_of_one_name_have_numbers_of_their_own() {
        let bytes = sample();
        let btf = Btf::parse(&bytes, &["file", "ids"], &["file", "file_op"]).unwrap();
        assert_eq!((btf.structure("file"), btf.structure("ids")), (Some(6), None));
        assert_eq!((btf.function("file"), btf.function("file_op")), (Some(11), None));
        assert_eq!(btf.function("file_open"), None, "not asked for");
    }

    #[test]
    fn type_information_cut_anywhere_is_an_error_or_short_of_types_but_never_a_panic() {
        let bytes = sample();
        for len in 0..bytes.len() {
            assert!(Btf::parse(&bytes[..len], &["file"], &["file"]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn any_byte_changed_never_panics() {
        let bytes = sample();
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(btf) = Btf::parse(&changed, &["file", "flags"], &["file"]) {
                    let _ = (btf.offset("file", "f_path.dentry"), btf.offset("flags", "bit"));
                }
            }
        }
    }

    #[test]
    fn what_can_not_be_read_is_named() {
        assert_eq!(
            Btf::parse(b"\x7fELF", &[], &[]).unwrap_err(),
            BtfError::Magic(u16::from_ne_bytes(*b"\x7fE"))
        );
        let mut b = Builder::default();
        b.ty("new", 30, 0, &[]);
        assert_eq!(
            Btf::parse(&b.bytes(), &[], &[]).unwrap_err(),
            BtfError::Kind { id: 1, kind: 30 }
        );
    }

    #[test]
    fn a_structure_that_holds_itself_ends() {
        let mut b = Builder::default();
        b.structure("loop", kinds::STRUCT, false, &[("", 1, 0)]);
        let bytes = b.bytes();
        assert_eq!(Btf::parse(&bytes, &["loop"], &[]).unwrap().offset("loop", "x"), None);
    }
}

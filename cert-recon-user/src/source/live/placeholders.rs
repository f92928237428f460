//! Puts the offsets of the kernel's structures into the program's instructions, where it has placeholders for them
//! ([`cert_recon_common::PLACEHOLDER`]). Pure.

use cert_recon_common::{Offsets, PLACEHOLDER};
use object::{
    LittleEndian,
    elf::{FileHeader64, SHF_EXECINSTR},
    read::elf::{FileHeader as _, SectionHeader as _},
};

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;
/// Sets a register to a number (`BPF_ALU64 | BPF_MOV | BPF_K`).
const SET: u8 = 0xb7;

/// The object with these offsets, and how many instructions got one.
///
/// # Errors
/// When it can't be read as an ELF object of 64 bits.
pub(super) fn fill(object: &[u8], offsets: &Offsets) -> object::Result<(Vec<u8>, usize)> {
    let header = FileHeader64::<LittleEndian>::parse(object)?;
    let endian = header.endian()?;
    let offsets = offsets.encode();
    let mut filled = object.to_vec();
    let mut count = 0;
    for section in header.sections(endian, object)?.iter() {
        if section.sh_flags(endian) & u64::from(SHF_EXECINSTR) == 0 {
            continue;
        }
        let (start, len) = section.file_range(endian).unwrap_or_default();
        let code = usize::try_from(start)
            .ok()
            .zip(usize::try_from(len).ok())
            .and_then(|(start, len)| filled.get_mut(start..start.checked_add(len)?))
            .unwrap_or_default();
        for instruction in code.chunks_exact_mut(INSTRUCTION) {
            let Some(offset) = wanted(instruction).and_then(|place| offsets.get(place..)?.first_chunk::<4>()) else {
                continue;
            };
            instruction[4..].copy_from_slice(offset);
            count += 1;
        }
    }
    Ok((filled, count))
}

/// Of which member, by its place in [`Offsets`], an instruction wants the offset.
fn wanted(instruction: &[u8]) -> Option<usize> {
    let (SET, Some(number)) = (*instruction.first()?, instruction.last_chunk::<4>()) else {
        return None;
    };
    let place = u32::from_le_bytes(*number).checked_sub(PLACEHOLDER)?;
    usize::try_from(place).ok().filter(|place| *place < Offsets::SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(code: u8, number: u32) -> [u8; INSTRUCTION] {
        let [a, b, c, d] = number.to_le_bytes();
        [code, 0, 0, 0, a, b, c, d]
    }

    #[test]
    fn placeholders_are_known_and_nothing_else() {
        let last = u32::try_from(Offsets::SIZE).unwrap() - 4;
        assert_eq!(wanted(&instruction(SET, PLACEHOLDER)), Some(0));
        assert_eq!(wanted(&instruction(SET, PLACEHOLDER + last)), Some(Offsets::SIZE - 4));
        for (code, number) in [
            (SET, PLACEHOLDER - 1),
            (SET, PLACEHOLDER + last + 4),
            (SET, 0),
            (SET, u32::MAX),
            (0x07, PLACEHOLDER),
        ] {
            assert_eq!(wanted(&instruction(code, number)), None, "{code:#x} {number:#x}");
        }
        assert_eq!(wanted(&[]), None);
    }

    #[test]
    fn every_offset_that_the_program_asks_for_is_filled_in() {
        let offsets = Offsets::decode(&[0x11; Offsets::SIZE]).unwrap();
        let (filled, count) = fill(super::super::loader::OBJECT, &offsets).unwrap();
        assert!(count > 100, "{count}");
        // The same length, and none is left.
        assert_eq!(filled.len(), super::super::loader::OBJECT.len());
        assert_eq!(fill(&filled, &offsets).unwrap(), (filled.clone(), 0));
        let changed = filled
            .iter()
            .zip(super::super::loader::OBJECT)
            .filter(|(a, b)| a != b)
            .count();
        assert!(changed <= 4 * count);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let offsets = Offsets::decode(&[0; Offsets::SIZE]).unwrap();
        assert!(fill(b"not an ELF file", &offsets).is_err());
    }
}

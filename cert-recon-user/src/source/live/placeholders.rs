//! Puts the offsets of the kernel's structures, and the function that it may call by its number, into the program's instructions,
//! where it has placeholders for them ([`cert_recon_common::placeholder`]). Pure.

use std::mem::offset_of;

use cert_recon_common::{ABSENT, Offsets, placeholder};
use object::{Object as _, ObjectSection as _, SectionKind};

/// Bytes of an instruction: what to do, registers, two of a displacement, four of a number.
const INSTRUCTION: usize = 8;
/// Sets a register to a number (`BPF_ALU64 | BPF_MOV | BPF_K`).
const SET: u8 = 0xb7;
/// Call of a function (`BPF_JMP | BPF_CALL`).
const CALL: u8 = 0x85;
/// In the registers' byte of a call: the function is one of the kernel's, known by its number (`BPF_PSEUDO_KFUNC_CALL`).
const BY_NUMBER: u8 = 2 << 4;
/// Load from memory (`BPF_LDX | BPF_MEM`) 4, 2, 1 and 8 bytes.
const LOADS: [u8; 4] = [0x61, 0x69, 0x71, 0x79];

/// Why a program can't be made for a kernel.
#[derive(Debug, thiserror::Error)]
pub(super) enum FillError {
    /// The object can't be read.
    #[error("the eBPF object can't be read: {0}")]
    Object(#[from] object::Error),
    /// An instruction has no room for an offset.
    #[error("a member of a kernel structure is {0} bytes from its beginning, which is more than a load can have")]
    TooFar(u32),
}

/// The object with these offsets, and how many instructions were changed.
///
/// # Errors
/// When it can't be read as an object, or an offset has no room where it is wanted.
pub(super) fn fill(object: &[u8], offsets: &Offsets) -> Result<(Vec<u8>, usize), FillError> {
    let file = object::File::parse(object)?;
    let offsets = offsets.encode();
    let mut filled = object.to_vec();
    let mut count = 0;
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let (start, len) = section.file_range().unwrap_or_default();
        let code = usize::try_from(start)
            .ok()
            .zip(usize::try_from(len).ok())
            .and_then(|(start, len)| filled.get_mut(start..start.checked_add(len)?))
            .unwrap_or_default();
        for instruction in code.as_chunks_mut::<INSTRUCTION>().0 {
            count += usize::from(fill_in(instruction, &offsets)?);
        }
    }
    Ok((filled, count))
}

/// Changes an instruction that has a placeholder; whether it had one.
fn fill_in(instruction: &mut [u8; INSTRUCTION], offsets: &[u8]) -> Result<bool, FillError> {
    let [code, registers, low, high, number @ ..] = instruction;
    let offset_at = |place: usize| {
        let bytes = offsets.get(place..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    if *code == SET {
        let place = u32::from_le_bytes(*number).checked_sub(placeholder::SET);
        let offset = place.and_then(|place| usize::try_from(place).ok()).and_then(offset_at);
        if let Some(offset) = offset {
            *number = offset.to_le_bytes();
            return Ok(true);
        }
    } else if *code == CALL && *registers == 0 && u32::from_le_bytes(*number) == placeholder::CAST {
        let function = offset_at(offset_of!(Offsets, cast_function)).filter(|&function| function != ABSENT);
        // Nothing comes to a call of a function that is absent, but every call must be of one that is there: 0 is its result.
        (*code, *registers) = if function.is_some() {
            (CALL, BY_NUMBER)
        } else {
            (SET, 0)
        };
        *number = function.unwrap_or(0).to_le_bytes();
        return Ok(true);
    } else if LOADS.contains(code) {
        let wanted = u16::from_le_bytes([*low, *high]).checked_sub(placeholder::LOAD);
        let offset = wanted.and_then(|wanted| Some((offset_at(usize::from(wanted / 16) * 4)?, wanted % 16)));
        if let Some((offset, further)) = offset {
            // Nothing comes to a load of a member that is absent, but what it is must be a load.
            let offset = if offset == ABSENT { 0 } else { offset };
            let displacement = i16::try_from(offset)
                .ok()
                .and_then(|offset| offset.checked_add_unsigned(further));
            let displacement = displacement.ok_or(FillError::TooFar(offset))?;
            [*low, *high] = displacement.to_le_bytes();
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The offset of the `n`th member is `n` times 100 and 1.
    fn offsets() -> Offsets {
        let bytes: Vec<u8> = (0..)
            .flat_map(|n: u32| (n * 100 + 1).to_ne_bytes())
            .take(Offsets::SIZE)
            .collect();
        Offsets::decode(&bytes).unwrap()
    }

    #[track_caller]
    fn assert_filled(instruction: [u8; INSTRUCTION], expected: Option<[u8; INSTRUCTION]>) {
        let mut filled = instruction;
        assert_eq!(fill_in(&mut filled, &offsets().encode()).unwrap(), expected.is_some());
        assert_eq!(filled, expected.unwrap_or(instruction));
    }

    fn set(number: u32) -> [u8; INSTRUCTION] {
        let [a, b, c, d] = number.to_le_bytes();
        [SET, 3, 0, 0, a, b, c, d]
    }

    fn load(code: u8, displacement: u16) -> [u8; INSTRUCTION] {
        let [low, high] = displacement.to_le_bytes();
        [code, 0x21, low, high, 0, 0, 0, 0]
    }

    #[test]
    fn placeholders_are_filled_and_nothing_else() {
        let size = u32::try_from(Offsets::SIZE).unwrap();
        assert_filled(set(placeholder::SET), Some(set(1)));
        assert_filled(set(placeholder::SET + 8), Some(set(201)));
        for other in [0, 1, placeholder::SET - 1, placeholder::SET + size, u32::MAX] {
            assert_filled(set(other), None);
        }
        for code in LOADS {
            assert_filled(load(code, placeholder::load(0, 0)), Some(load(code, 1)));
            assert_filled(load(code, placeholder::load(8, 0)), Some(load(code, 201)));
            assert_filled(load(code, placeholder::load(8, 15)), Some(load(code, 216)));
            for other in [
                0,
                8,
                placeholder::LOAD - 1,
                placeholder::load(Offsets::SIZE, 0),
                u16::MAX,
            ] {
                assert_filled(load(code, other), None);
            }
        }
        // A store.
        assert_filled(load(0x7b, placeholder::LOAD), None);
    }

    #[test]
    fn an_offset_that_is_absent_or_too_far_is_never_a_wrong_one() {
        let with = |offset: u32| [offset.to_ne_bytes(), offset.to_ne_bytes()].concat();
        let mut absent = set(placeholder::SET);
        assert!(fill_in(&mut absent, &with(ABSENT)).unwrap());
        assert_eq!(absent, set(u32::MAX), "which is no offset");
        let mut far = load(0x79, placeholder::LOAD);
        let error = fill_in(&mut far, &with(32_768)).unwrap_err().to_string();
        assert!(error.contains("32768 bytes"), "{error}");
        assert!(fill_in(&mut load(0x79, placeholder::LOAD), &with(ABSENT)).unwrap());
    }

    #[test]
    fn the_kernels_function_is_called_by_its_number_or_not_at_all() {
        let call = |registers, number: u32| {
            let [a, b, c, d] = number.to_le_bytes();
            [CALL, registers, 0, 0, a, b, c, d]
        };
        let place = offset_of!(Offsets, cast_function) as u32;
        assert_filled(call(0, placeholder::CAST), Some(call(BY_NUMBER, place / 4 * 100 + 1)));
        // A helper function, and one of the program's own.
        assert_filled(call(0, placeholder::CAST + 1), None);
        assert_filled(call(1, placeholder::CAST), None);
        let mut absent = offsets();
        absent.cast_function = ABSENT;
        let mut filled = call(0, placeholder::CAST);
        assert!(fill_in(&mut filled, &absent.encode()).unwrap());
        assert_eq!(filled, [SET, 0, 0, 0, 0, 0, 0, 0], "0 as the result");
    }

    #[test]
    fn every_offset_that_the_program_asks_for_is_filled_in() {
        let object = super::super::loader::object().unwrap();
        let (filled, count) = fill(&object, &offsets()).unwrap();
        assert!(count > 200, "{count}");
        assert_eq!(filled.len(), object.len());
        assert_eq!(fill(&filled, &offsets()).unwrap(), (filled.clone(), 0), "none is left");
        // Nothing else was changed.
        let changed = object.iter().zip(&filled).filter(|(before, after)| before != after);
        assert!(changed.count() <= 5 * count);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        assert!(fill(b"not an ELF file", &offsets()).is_err());
    }
}

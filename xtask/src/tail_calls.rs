//! A property of the eBPF object that only old kernels check: a program that makes tail calls has no functions of its own.
//!
//! x86-64 before 5.10 and arm64 before 6.0 refuse such a program; every kernel that the tests boot may be newer.

use anyhow::{Result, bail};
use object::{
    Object as _, ObjectSection as _, ObjectSymbol as _,
    elf::{SHF_EXECINSTR, STT_FUNC},
};

/// Length of an instruction.
const INSTRUCTION: usize = 8;
/// `BPF_JMP | BPF_CALL`
const CALL: u8 = 0x85;
/// Source register of a call to a function of the program (`BPF_PSEUDO_CALL`).
const PSEUDO_CALL: u8 = 1;
/// Number of the helper `bpf_tail_call`.
const TAIL_CALL: i32 = 12;

/// Names the first program of the object that makes tail calls and has functions.
///
/// # Errors
/// When there is one, or the object can't be read.
pub(crate) fn check(object: &[u8]) -> Result<()> {
    let file = object::File::parse(object)?;
    for symbol in file.symbols() {
        let object::SymbolFlags::Elf { st_info, .. } = symbol.flags() else {
            continue;
        };
        let Some(section) = symbol
            .section_index()
            .and_then(|index| file.section_by_index(index).ok())
        else {
            continue;
        };
        let object::SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        if st_info & 0xf != STT_FUNC || sh_flags & u64::from(SHF_EXECINSTR) == 0 {
            continue;
        }
        let start = usize::try_from(symbol.address())?;
        let code = section
            .data()?
            .get(start..start + usize::try_from(symbol.size())?)
            .unwrap_or_default();
        if has_both(code) {
            bail!(
                "eBPF program {} makes tail calls and calls a function of its own (logging, memset or memcpy make some): \
                 kernels before 5.10, on arm64 before 6.0, refuse it",
                symbol.name()?
            );
        }
    }
    Ok(())
}

fn has_both(code: &[u8]) -> bool {
    let (mut tail_calls, mut functions) = (false, false);
    for instruction in code.chunks_exact(INSTRUCTION) {
        if let [CALL, registers, _, _, immediate @ ..] = instruction
            && let Some(immediate) = immediate.first_chunk()
        {
            let source = registers >> 4;
            functions |= source == PSEUDO_CALL;
            tail_calls |= source == 0 && i32::from_le_bytes(*immediate) == TAIL_CALL;
        }
    }
    tail_calls && functions
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELPER: [u8; 8] = [CALL, 0, 0, 0, TAIL_CALL as u8, 0, 0, 0];
    const FUNCTION: [u8; 8] = [CALL, PSEUDO_CALL << 4, 0, 0, TAIL_CALL as u8, 0, 0, 0];
    const MOVE: [u8; 8] = [0xb7, 0, 0, 0, TAIL_CALL as u8, 0, 0, 0];

    #[test]
    fn a_program_may_have_tail_calls_or_functions_but_not_both() {
        assert!(has_both(&[HELPER, MOVE, FUNCTION].concat()));
        assert!(!has_both(&[HELPER, MOVE, HELPER].concat()));
        assert!(!has_both(&[FUNCTION, MOVE].concat()));
        assert!(!has_both(&[]));
    }

    #[test]
    fn the_object_in_the_repository_is_accepted_and_its_programs_are_seen() {
        let object = include_bytes!("../../cert-recon-ebpf/cert-recon.bpf.o");
        check(object).unwrap();
        let file = object::File::parse(&object[..]).unwrap();
        let section = file
            .sections()
            .find(|s| s.name() == Ok("raw_tp/sched_process_exec"))
            .unwrap();
        let tail_calls = section
            .data()
            .unwrap()
            .chunks_exact(INSTRUCTION)
            .filter(|i| **i == HELPER)
            .count();
        assert!(tail_calls >= 3, "the programs that are checked make tail calls");
    }
}

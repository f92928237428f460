//! Takes out of the eBPF object what the loader and the kernel don't need, above all what changes without the code.
//!
//! - DWARF: two thirds of the file, full of paths.
//! - The relocations of `.BTF` and `.BTF.ext`: for linkers only; loaders take the values that are in place.
//! - The line table in `.BTF.ext`: with it, a changed comment would change the object. To see source lines in a
//!   verifier log, load the unstripped object from the target folder.
//!
//! `.BTF` and the function table in `.BTF.ext` stay: the kernel shows the functions' names.

use anyhow::{Context, Result, bail, ensure};
use object::{
    build::elf::{Builder, SectionData},
    elf,
};

/// The stripped object; the same bytes for the same input.
pub(crate) fn strip(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("reading the eBPF object that was built")?;
    if builder.header.e_machine != elf::EM_BPF {
        bail!(
            "the file that was built is for ELF machine {}, not eBPF",
            builder.header.e_machine
        );
    }
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        section.delete = [&b".debug_"[..], b".rel.debug_", b".rel.BTF"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if name == b".BTF.ext"
            && let SectionData::Data(data) = &mut section.data
        {
            *data = without_lines(data.as_slice()).context("editing .BTF.ext")?.into();
        }
    }
    for symbol in &mut builder.symbols {
        // The name of the compiler's module: of no use to a loader.
        symbol.delete |= symbol.st_type() == elf::STT_FILE;
    }
    // LLVM keeps the names of sections and of symbols in one table; the writer wants two.
    if !builder
        .sections
        .iter()
        .any(|section| matches!(section.data, SectionData::SectionString))
    {
        let names = builder.sections.add();
        names.name = ".shstrtab".into();
        names.sh_type = elf::SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    builder.delete_orphans();
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("writing the stripped eBPF object")?;
    Ok(stripped)
}

/// `.BTF.ext` with an empty line table. The layout is `struct btf_ext_header` in the kernel's tools/lib/bpf.
fn without_lines(data: &[u8]) -> Result<Vec<u8>> {
    const MAGIC: u16 = 0xeb9f;
    let word = |at: usize| -> Result<usize> {
        let bytes = data.get(at..at + 4).context("the header is too short")?;
        Ok(u32::from_le_bytes(bytes.try_into()?) as usize)
    };
    ensure!(
        data.get(..2) == Some(&MAGIC.to_le_bytes()),
        "it does not begin with its magic number"
    );
    let header_len = word(4)?;
    ensure!(header_len >= 24, "its header of {header_len} bytes has no line table");
    // Each table: offset from the header's end, and length, at this place in the header. The third came later.
    let table = |at: usize| -> Result<&[u8]> {
        if at + 8 > header_len {
            return Ok(&[]);
        }
        let start = header_len + word(at)?;
        data.get(start..start + word(at + 4)?)
            .context("a table reaches beyond its end")
    };
    let tables = [(8, table(8)?), (16, &[][..]), (24, table(24)?)];
    let mut out = data.get(..header_len).context("the header is too short")?.to_vec();
    for (at, table) in tables {
        if at + 8 <= header_len {
            let offset = u32::try_from(out.len() - header_len)?;
            out[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            out[at + 4..at + 8].copy_from_slice(&u32::try_from(table.len())?.to_le_bytes());
            out.extend_from_slice(table);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _, read::elf::ElfFile64};

    use super::*;

    /// Header of 32 bytes, then the tables func (4 bytes), line (8), core_relo (2), in that order.
    fn btf_ext() -> Vec<u8> {
        let mut data = vec![0x9f, 0xeb, 1, 0];
        for word in [32u32, 0, 4, 4, 8, 12, 2] {
            data.extend(word.to_le_bytes());
        }
        data.extend(b"FUNClinelineCO");
        data
    }

    /// An object with a program, its symbol, BTF, and DWARF with relocations, as bpf-linker would make it.
    fn object() -> Vec<u8> {
        let mut builder = Builder::new(object::Endianness::Little, true);
        builder.header.e_machine = elf::EM_BPF;
        builder.header.e_type = elf::ET_REL;
        for (name, data) in [
            ("raw_tp/sched_process_exec", &[0u8; 16][..]),
            (".debug_info", b"DWARF: some path"),
            (".BTF", b"types"),
            (".BTF.ext", &btf_ext()),
        ] {
            let section = builder.sections.add();
            section.name = name.into();
            section.sh_type = elf::SHT_PROGBITS;
            section.sh_addralign = 1;
            section.data = SectionData::Data(data.to_vec().into());
        }
        for (name, kind, data) in [
            (".symtab", elf::SHT_SYMTAB, SectionData::Symbol),
            (".strtab", elf::SHT_STRTAB, SectionData::String),
            (".shstrtab", elf::SHT_STRTAB, SectionData::SectionString),
        ] {
            let section = builder.sections.add();
            section.name = name.into();
            section.sh_type = kind;
            section.data = data;
        }
        let ids: Vec<_> = builder.sections.iter().map(|section| section.id()).collect();
        for (name, section, kind) in [
            ("linked_module", None, elf::STT_FILE),
            ("", Some(ids[1]), elf::STT_SECTION),
            ("exec", Some(ids[0]), elf::STT_FUNC),
        ] {
            let symbol = builder.symbols.add();
            symbol.name = name.into();
            symbol.section = section;
            symbol.set_st_info(
                if kind == elf::STT_FUNC {
                    elf::STB_GLOBAL
                } else {
                    elf::STB_LOCAL
                },
                kind,
            );
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes).expect("the test's object is complete");
        bytes
    }

    #[test]
    fn dwarf_goes_and_what_the_loader_needs_stays() {
        let before = object();
        assert!(before.windows(5).any(|bytes| bytes == b"DWARF"));
        let after = strip(&before).unwrap();
        assert!(!after.windows(5).any(|bytes| bytes == b"DWARF"));
        let file = ElfFile64::<object::Endianness>::parse(&*after).unwrap();
        let sections: Vec<_> = file.sections().map(|section| section.name().unwrap()).collect();
        assert_eq!(
            sections,
            [
                "raw_tp/sched_process_exec",
                ".BTF",
                ".BTF.ext",
                ".symtab",
                ".strtab",
                ".shstrtab"
            ]
        );
        let symbols: Vec<_> = file.symbols().map(|symbol| symbol.name().unwrap()).collect();
        assert_eq!(symbols, ["exec"]);
        assert_eq!(strip(&after).unwrap(), after, "stripping twice changes nothing");
    }

    #[test]
    fn the_line_table_goes_and_its_neighbours_stay() {
        let after = without_lines(&btf_ext()).unwrap();
        assert_eq!(&after[32..], b"FUNCCO");
        let words: Vec<_> = after[4..32]
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words, [32, 0, 4, 4, 0, 4, 2]);
    }

    #[test]
    fn a_damaged_object_is_an_error() {
        assert!(strip(b"not an ELF file").is_err());
        assert!(without_lines(&btf_ext()[..20]).is_err());
        assert!(without_lines(&btf_ext()[..40]).is_err());
        assert!(without_lines(b"").is_err());
    }
}

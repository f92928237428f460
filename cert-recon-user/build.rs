//! Packs what the program carries: the eBPF object, and the table of everyday execs that `cert-recon rules test` reads. Packed they
//! take a fifth of their length.

use std::{env, error::Error, fs, fs::File, io::Write as _, path::Path};

use flate2::{Compression, write::DeflateEncoder};

/// What is packed, under which name, and how well. The object is packed a little less well than can be, so that a test finds
/// room to put a changed one in its place.
const PACKED: [(&str, &str, u32); 2] = [
    ("../cert-recon-ebpf/cert-recon.bpf.o", "cert-recon.bpf.o.deflate", 8),
    ("tests/data/everyday.tsv", "everyday.deflate", 9),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    for (file, name, level) in PACKED {
        println!("cargo::rerun-if-changed={file}");
        let packed = File::create(Path::new(&folder).join(name))?;
        let mut packer = DeflateEncoder::new(packed, Compression::new(level));
        packer.write_all(&fs::read(file).map_err(|error| format!("reading {file}: {error}"))?)?;
        packer.finish()?.sync_all()?;
    }
    Ok(())
}

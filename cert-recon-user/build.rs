//! Packs the table of everyday execs that `cert-recon rules test` reads: a fifth of its length in the program.

use std::{env, error::Error, fs, fs::File, path::Path};

use flate2::{Compression, write::DeflateEncoder};

const TABLE: &str = "tests/data/everyday.tsv";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={TABLE}");
    let folder = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let packed = File::create(Path::new(&folder).join("everyday.deflate"))?;
    let mut packer = DeflateEncoder::new(packed, Compression::best());
    std::io::Write::write_all(&mut packer, &fs::read(TABLE)?)?;
    packer.finish()?.sync_all()?;
    Ok(())
}

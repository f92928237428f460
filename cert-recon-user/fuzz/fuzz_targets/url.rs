//! Any words as arguments of the programs that take URLs and hosts.
#![no_main]

use cert_recon::acts::{Budget, Command, Word, requests};
use libfuzzer_sys::fuzz_target;

const PROGRAMS: &[&str] = &[
    "curl", "wget", "http", "aria2c", "lynx", "openssl", "gnutls-cli", "nmap", "psql", "ncat", "socat", "python", "perl", "node",
    "powershell", "sslscan", "tlsx", "subfinder", "keytool", "certutil", "other",
];

fuzz_target!(|input: (u8, Vec<Vec<u8>>, Option<Vec<u8>>)| {
    let (program, args, stdin) = input;
    let command = Command {
        programs: vec![PROGRAMS[usize::from(program) % PROGRAMS.len()].to_owned()],
        args: args.into_iter().map(Word::owned).collect(),
        stdin,
        via: Vec::new(),
    };
    let bytes = command.args.iter().map(|word| word.bytes().len() + 1).sum();
    let read = || requests::of(&command, &mut Budget::new(bytes));
    assert_eq!(read(), read());
});

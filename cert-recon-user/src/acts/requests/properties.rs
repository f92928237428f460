//! What holds for any arguments of any program: no panic, the same answer twice, normal forms that stay as they are, and work
//! that the budget bounds.

use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest},
    sample::select,
};

use super::{host, of, programs};
use crate::acts::{Budget, Command, Requests, Word};

/// Pieces of which hostile arguments are made.
const PIECES: &[&str] = &[
    "https://",
    "http:/",
    "crt.sh",
    "crt",
    ".sh",
    "/",
    "?",
    "q=",
    "%.example.com",
    "%25",
    "%2e",
    "%00",
    "@",
    ":",
    "443",
    "[",
    "]",
    "[::1]",
    "{",
    "}",
    "{a,b}",
    "[a-z]",
    "[1-9999]",
    ",",
    "-",
    "--",
    "-o",
    "-c",
    "-e",
    "-H",
    "-K",
    "-",
    "--url=",
    "-connect",
    "s_client",
    "Host: ",
    "'",
    "\"",
    "`",
    "\\",
    "\\x63",
    "\\u{",
    "${",
    "#{",
    "$h",
    "$(",
    "+",
    ".",
    "..",
    "(",
    ")",
    "[::-1]",
    "chr(",
    "[char]",
    "99",
    "b64decode(",
    "Y3J0LnNo",
    ".join(",
    ".replace(",
    ".format(",
    "-f",
    "-join",
    "import requests",
    "fetch(",
    "irm ",
    "h=",
    "=",
    ";",
    "\n",
    " ",
    "\t",
    "é",
    "ｃ",
    "。",
    "\u{ad}",
    "xn--",
    "0x7f",
    "127.1",
    "4294967296",
    "10.0.0.0/8",
    "1-5",
    "postgresql://",
    "host=",
    "OPENSSL:",
    "!!",
    "/dev/tcp/",
    "/inet/tcp/0/",
    "r.jina.ai/",
    "web.archive.org/web/",
    ".translate.goog",
    "--script",
    "ssl-cert",
    "\0",
    "scan",
    "search",
    "eval",
    "-enc",
    "url = ",
    "{{h}}",
    "--variable",
    "--expand-url",
    "--connect-to",
    "--resolve",
    "::",
    "GET / HTTP/1.1\n",
    "#",
    "'''",
    "\"\"\"",
    "f'",
    "//",
    "MAP * ",
];

fn word() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => vec(select(PIECES), 0..6).prop_map(|pieces| pieces.concat().into_bytes()),
        1 => vec(any::<u8>(), 0..24),
        1 => Just(Vec::new()),
    ]
}

fn read(program: &str, args: &[Vec<u8>], stdin: Option<&Vec<u8>>) -> (Requests, Budget) {
    let command = Command {
        programs: vec![program.to_owned()],
        args: args.iter().map(|arg| Word::borrowed(arg)).collect(),
        stdin: stdin.cloned(),
        via: Vec::new(),
    };
    let mut budget = Budget::new(args.iter().map(Vec::len).sum());
    let requests = of(&command, &mut budget);
    (requests, budget)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_arguments_make_a_reader_panic_and_the_answer_is_the_same_twice(
        args in vec(word(), 0..8),
        stdin in proptest::option::of(word()),
    ) {
        for name in programs::names().into_iter().chain(["unheard-of"]) {
            let (first, _) = read(name, &args, stdin.as_ref());
            let (second, _) = read(name, &args, stdin.as_ref());
            assert_eq!(first, second, "{name}");
            for host in &first.hosts {
                // An IPv6 address is written in brackets where a host is read.
                let again = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                assert_eq!(host::normal(again.as_bytes()).as_deref(), Some(host.as_str()), "{name}");
            }
            for target in &first.targets {
                assert_eq!(host::target(target.as_bytes()).as_deref(), Some(target.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn normal_forms_stay_as_they_are(text in word()) {
        if let Some(form) = host::normal(&text).filter(|form| !form.contains(':')) {
            assert_eq!(host::normal(form.as_bytes()), Some(form));
        }
        if let Some(form) = host::target(&text) {
            assert_eq!(host::target(form.as_bytes()), Some(form));
        }
    }
}

#[test]
fn a_long_text_of_anything_is_read_in_one_pass() {
    // Generous for a slow machine and an unoptimised build; a quadratic step would take hours.
    let limit = std::time::Duration::from_secs(5);
    for piece in [
        "{",
        "[",
        "(",
        "'",
        "\"",
        "\\'",
        "%25",
        "a.",
        "a,",
        "'a',",
        "['a',",
        "'a'+",
        "'a' ",
        "chr(",
        "a.a",
        "${",
        "$h",
        "{a,b}",
        "https://",
        "://",
        "q=a&",
        "-",
        "- ",
        "!",
        ",tcp:a:1",
        "/dev/tcp/",
        "/inet",
        "http://a ",
        "a.example,",
        "\n",
        "url=a\n",
        "b64decode(",
        "f'{",
        "'''",
        "`",
        "h='a';",
    ] {
        let text = piece.repeat((96 << 10) / piece.len()).into_bytes();
        for (program, option) in [
            ("curl", "--url"),
            ("curl", "-d"),
            ("python3", "-c"),
            ("pwsh", "-c"),
            ("psql", "-c"),
            ("socat", "-"),
            ("nmap", "--script"),
            ("bash", "-c"),
            ("gawk", "-e"),
            ("subfinder", "-d"),
            ("x", "y"),
        ] {
            let started = std::time::Instant::now();
            let _ = read(program, &[option.as_bytes().to_vec(), text.clone()], None);
            assert!(started.elapsed() < limit, "{program} {option} {piece:?}");
        }
        let words: Vec<Vec<u8>> = (0..4000)
            .map(|index| format!("{piece}{index}.example").into_bytes())
            .collect();
        for program in ["curl", "wget", "http", "nmap", "python3", "tlsx", "x"] {
            let started = std::time::Instant::now();
            let _ = read(program, &words, None);
            assert!(started.elapsed() < limit, "{program} {piece:?}");
        }
    }
}

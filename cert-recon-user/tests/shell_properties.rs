//! What holds for every shell text, however hostile.

use cert_recon::acts::shell::{parse, split};
use cert_recon::acts::{Budget, Limit, Word};
use proptest::prelude::*;

/// What shells give a meaning to.
const TOKENS: [&str; 72] = [
    "$(",
    ")",
    "`",
    "(",
    "((",
    "))",
    "{",
    "}",
    "{ ",
    " }",
    "'",
    "\"",
    "\\",
    "\n",
    ";",
    ";;",
    "&",
    "&&",
    "|",
    "||",
    "<",
    ">",
    "<<",
    "<<-",
    "<<<",
    "<(",
    ">(",
    "EOF",
    "\nEOF\n",
    " ",
    "\t",
    "$",
    "${",
    "$x",
    "${x",
    "$@",
    "$1",
    "$'",
    "$((",
    ":-",
    "%",
    "#",
    "/",
    ",",
    "..",
    "{a,b}",
    "{1..5}",
    "=",
    "x=",
    "a=(",
    "if ",
    "then ",
    "else ",
    "fi ",
    "for x in ",
    "do ",
    "done ",
    "while ",
    "case x in ",
    "esac ",
    "function f ",
    "f()",
    "[[ ",
    " ]]",
    "! ",
    "eval ",
    "echo ",
    "read x",
    "set -- ",
    "\\x41",
    "base64 -d",
    "é",
];

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&TOKENS[..]), 0..60).prop_map(|tokens| tokens.concat())
}

/// Keywords and operators without sense, but without quotes, which would hide what follows in a word.
fn bad_syntax() -> impl Strategy<Value = String> {
    let tokens = [
        "a ",
        ")",
        "(",
        "{ ",
        " }",
        "; ",
        "& ",
        "&& ",
        "| ",
        "|| ",
        "\n",
        "if ",
        "then ",
        "else ",
        "elif ",
        "fi ",
        "for x in a ",
        "do ",
        "done ",
        "while ",
        "esac ",
        ";; ",
        "! ",
        "x=1 ",
        "{a,b}",
        "> ",
        "time ",
        "]] ",
        "f() ",
    ];
    proptest::collection::vec(proptest::sample::select(tokens.to_vec()), 0..20).prop_map(|tokens| tokens.concat())
}

/// A way to quote a word.
type Quote = fn(&[u8]) -> Vec<u8>;

/// As a careful script quotes it.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut text = b"'".to_vec();
    for &byte in word {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            _ => text.push(byte),
        }
    }
    text.push(b'\'');
    text
}

/// The same with `$'...'`.
fn ansi_quoted(word: &[u8]) -> Vec<u8> {
    let bytes: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("$'{bytes}'").into_bytes()
}

/// The same with a backslash before every byte, and in double quotes where a backslash would join lines.
fn backslashed(word: &[u8]) -> Vec<u8> {
    let mut text = b"\"\"".to_vec();
    for &byte in word {
        match byte {
            b'\n' => text.extend_from_slice(b"\"\n\""),
            _ => text.extend_from_slice(&[b'\\', byte]),
        }
    }
    text
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(1..=255u8, 0..20), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&text, &[], &mut Budget::new(text.len()));
        let _ = split(&text, &mut Budget::new(text.len()));
    }

    #[test]
    fn no_soup_of_tokens_makes_it_panic_and_the_same_text_gives_the_same_commands(text in soup()) {
        let params: [&[u8]; 2] = [b"sh", b"$(x) {a,b}"];
        let first = parse(text.as_bytes(), &params, &mut Budget::new(text.len()));
        let second = parse(text.as_bytes(), &params, &mut Budget::new(text.len()));
        prop_assert_eq!(first, second);
        let _ = split(text.as_bytes(), &mut Budget::new(text.len()));
    }

    #[test]
    fn a_command_behind_bad_syntax_is_found(text in bad_syntax()) {
        let text = format!("{text}\ncurl https://crt.sh\n");
        let found = parse(text.as_bytes(), &[b"sh"], &mut Budget::new(text.len()));
        let wanted = [b"curl".to_vec(), b"https://crt.sh".to_vec()];
        prop_assert!(found.iter().any(|simple| simple.words.ends_with(&wanted)), "{:?}", found);
    }

    #[test]
    fn quoted_words_come_back(words in words()) {
        // A first word that is a name is a command whatever its bytes are.
        let expected = [vec![b"x".to_vec()], words.clone()].concat();
        let ways: [Quote; 3] = [quoted, ansi_quoted, backslashed];
        for quote in ways {
            let mut text = b"x".to_vec();
            for word in &words {
                text.push(b' ');
                text.extend(quote(word));
            }
            let found = parse(&text, &[], &mut Budget::new(text.len()));
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].words, &expected);
        }
    }

    #[test]
    fn printed_text_comes_back_through_a_pipe(word in proptest::collection::vec(1..=255u8, 1..40)) {
        let text = [b"printf %s ".to_vec(), quoted(&word), b" | sh".to_vec()].concat();
        let found = parse(&text, &[], &mut Budget::new(text.len()));
        prop_assert_eq!(found.last().and_then(|simple| simple.stdin.clone()), Some(word));
    }
}

/// The text over and over, two megabytes of it.
fn long(text: &str) -> String {
    text.repeat((2 << 20) / text.len())
}

#[test]
fn long_hostile_texts_cost_no_more_than_in_proportion_to_their_length() {
    let repeated = [
        "{",
        "{ ",
        "(",
        ")",
        "$(",
        "$((",
        "`",
        "\\`",
        "'",
        "\"",
        "%25",
        "\\",
        "$",
        "${",
        "${x:-",
        "}",
        "<(",
        "<<<",
        "#",
        "!",
        "{a,",
        "a=",
        "[[ ",
        "a[",
        "((a)",
        "f(",
        "$'\\",
        "\"$(",
        "\"${x:-\"",
        "${x/",
        "é",
        "\0",
        "time ",
    ];
    for part in repeated {
        let text = long(part);
        let mut budget = Budget::new(text.len());
        let _ = parse(text.as_bytes(), &[b"sh"], &mut budget);
        assert_ne!(budget.hit(), Some(Limit::Bytes), "{part}");
        let _ = split(text.as_bytes(), &mut Budget::new(text.len()));
    }
}

#[test]
fn long_texts_of_many_parts_end_at_a_limit() {
    let repeated = [
        "a;",
        "a|",
        "a\n",
        "if a;then ",
        "case x in a)",
        "<<a ",
        "`a`",
        "$(a)",
        "{a,b}",
        "f(){ ",
        "a() (",
        "for i in a b;do ",
        "while a;do ",
        "a=$a$a;",
        "eval ",
        "\neval a",
        "x=x$x;",
        ";;",
        "set -- a;",
        "function f ",
        "<<a\n",
        "$((1))",
        "a=(",
    ];
    for part in repeated {
        let text = long(part);
        // It ends: what it costs is bounded by the budget.
        let found = parse(text.as_bytes(), &[b"sh"], &mut Budget::new(text.len()));
        assert!(found.len() <= Budget::COMMANDS, "{part}");
    }
}

#[test]
fn padding_does_not_use_up_what_the_first_commands_need() {
    for part in ["a;", "a\n", "a|", "x=1;", "$(a);", "`a`;"] {
        let text = format!("curl https://crt.sh;{}", long(part));
        let found = parse(text.as_bytes(), &[b"sh"], &mut Budget::new(text.len()));
        let first = found.first().map(|simple| simple.words.join(&b' '));
        assert_eq!(first, Some(b"curl https://crt.sh".to_vec()), "{part}");
    }
}

#[test]
fn doubling_ends_at_a_limit_that_is_said() {
    let doubling = [
        format!("a=xxxxxxxx;{}echo $a", "a=$a$a;".repeat(64)),
        format!("echo {}", "{a,b}".repeat(64)),
        format!("a=x;{}echo $a", "a={$a,$a};a=\"${a//x/xx}${a//x/xx}\";".repeat(64)),
        format!("{}echo a{}", "for i in a b c; do ".repeat(10), "; done".repeat(10)),
        "f() { g; g; }; g() { f; f; }; f".repeat(200),
        format!("{}curl a", "eval ".repeat(2000)),
        format!("x='eval \"$x$x\"'; {}", "eval \"$x\";".repeat(100)),
    ];
    for text in doubling {
        let mut budget = Budget::new(text.len());
        let found = parse(text.as_bytes(), &[b"sh"], &mut budget);
        let made: usize = found.iter().flat_map(|simple| &simple.words).map(Vec::len).sum();
        assert!(budget.hit().is_some(), "{}", &text[..60.min(text.len())]);
        assert!(made <= Budget::LEAST_BYTES.max(Budget::BYTES * text.len()), "{made}");
    }
}

#[test]
fn what_is_nested_too_deeply_is_said_and_what_stands_behind_it_is_found() {
    for (open, close) in [
        ("$(", ")"),
        ("(", ")"),
        ("${x:-", "}"),
        ("{ ", ";}"),
        ("if ", ";then b;fi"),
    ] {
        let text = format!("echo {}a{}\ncurl https://crt.sh", open.repeat(50), close.repeat(50));
        let text = if open.starts_with('$') {
            text
        } else {
            text.replacen("echo ", "", 1)
        };
        let mut budget = Budget::new(text.len());
        let found = parse(text.as_bytes(), &[b"sh"], &mut budget);
        assert_eq!(budget.hit(), Some(Limit::Depth), "{open}");
        assert_eq!(
            found.last().map(|simple| simple.words.join(&b' ')),
            Some(b"curl https://crt.sh".to_vec()),
            "{open}"
        );
    }
}

#[test]
fn unknown_parts_are_one_byte() {
    let found = parse(b"curl $(a; b; c)x$y", &[], &mut Budget::new(32));
    assert_eq!(found[0].words[1], [Word::UNKNOWN, b'x', Word::UNKNOWN]);
}

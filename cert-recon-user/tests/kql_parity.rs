//! The engine with the `kql` pack gives the verdicts of the Sentinel query: compared with a plain, slow reading of the
//! query that was written by hand from its text and shares nothing with the engine or the pack.

use cert_recon::rules::{BUILTIN_PACKS, Confidence, Engine, Subject};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;

/// `let CertTransparencyServices`
const SERVICES: [&str; 14] = [
    "crt.sh",
    "censys.io",
    "shodan.io",
    "certspotter.com",
    "sslshopper.com",
    "certificatedetails.com",
    "ct.googleapis.com",
    "transparencyreport.google.com",
    "ctsearch.entrust.com",
    "search.censys.io",
    "api.certspotter.com",
    "certdb.com",
    "ssltools.com",
    "sslmate.com",
];

/// `let CertEnumToolNames`
const TOOLS: [&str; 9] = [
    "sslyze",
    "sslscan",
    "testssl",
    "tlsx",
    "certgraph",
    "tlsprobe",
    "zgrab",
    "zgrab2",
    "ctfr",
];

/// Every name that the query compares FileName with.
const NAMES: [&str; 13] = [
    "curl.exe",
    "curl",
    "wget",
    "wget.exe",
    "powershell.exe",
    "pwsh.exe",
    "python.exe",
    "python3",
    "python3.exe",
    "python",
    "openssl",
    "openssl.exe",
    "certutil.exe",
];

/// Every argument that the query looks for.
const ARGUMENTS: [&str; 9] = [
    "s_client",
    "x509",
    "-connect",
    "verify",
    "-dump",
    "-verify",
    "-store",
    "-URL",
    "-urlcache",
];

/// `text has term`
fn has(text: &[u8], term: &str) -> bool {
    let text: Vec<char> = text.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect();
    let term: Vec<char> = term.to_lowercase().chars().collect();
    let in_word = |index: Option<usize>| {
        index
            .and_then(|index| text.get(index))
            .is_some_and(char::is_ascii_alphanumeric)
    };
    for start in 0..text.len() {
        if !text[start..].starts_with(&term) {
            continue;
        }
        let glued_left = term[0].is_ascii_alphanumeric() && in_word(start.checked_sub(1));
        let glued_right = term[term.len() - 1].is_ascii_alphanumeric() && in_word(Some(start + term.len()));
        if !glued_left && !glued_right {
            return true;
        }
    }
    false
}

fn has_any(text: &[u8], terms: &[&str]) -> bool {
    terms.iter().any(|term| has(text, term))
}

/// The query on one row. FileName may be several names; a comparison with it holds if it holds for one.
fn query(file_names: &[Vec<u8>], command_line: &[u8]) -> Option<(&'static str, Confidence)> {
    let name_in = |names: &[&str]| {
        file_names
            .iter()
            .any(|file| names.iter().any(|name| file.to_ascii_lowercase() == name.as_bytes()))
    };
    let tool_name = file_names.iter().any(|file| has_any(file, &TOOLS));
    let tool_mentioned = has_any(command_line, &TOOLS);
    let service = has_any(command_line, &SERVICES);

    let openssl = name_in(&["openssl", "openssl.exe"]);
    let certutil = name_in(&["certutil.exe"]);
    let certutil_arguments = ["-dump", "-verify", "-store", "-URL", "-urlcache"];
    let clauses = [
        (tool_name, Confidence::High),
        (tool_mentioned, Confidence::Low),
        (
            name_in(&["curl.exe", "curl", "wget", "wget.exe"]) && service,
            Confidence::High,
        ),
        (name_in(&["powershell.exe", "pwsh.exe"]) && service, Confidence::High),
        (
            name_in(&["python.exe", "python3", "python3.exe", "python"]) && service,
            Confidence::High,
        ),
        (
            openssl && has_any(command_line, &["s_client", "-connect"]),
            Confidence::Medium,
        ),
        (openssl && has_any(command_line, &["x509", "verify"]), Confidence::Low),
        (certutil && has_any(command_line, &certutil_arguments), Confidence::Low),
    ];
    let confidence = clauses
        .iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, confidence)| *confidence)
        .max()?;
    let category = if tool_name || tool_mentioned {
        "CertEnumTool"
    } else if service {
        "CTLogQuery"
    } else if openssl {
        "OpenSSLProbe"
    } else if certutil {
        "CertutilEnum"
    } else {
        "Other"
    };
    Some((category, confidence))
}

fn engine() -> Engine {
    let pack = BUILTIN_PACKS
        .iter()
        .find(|builtin| builtin.name == "kql")
        .unwrap()
        .parse()
        .unwrap();
    Engine::new(&[pack]).unwrap()
}

fn assert_parity(engine: &Engine, file_names: &[Vec<u8>], command_line: &[u8]) {
    let names: Vec<&[u8]> = file_names.iter().map(Vec::as_slice).collect();
    let subject = Subject {
        file_names: &names,
        command_line,
        ..Subject::default()
    };
    let verdict = engine.judge(&subject, &mut engine.scratch());
    let found = verdict
        .as_ref()
        .map(|verdict| (verdict.category.as_str(), verdict.confidence));
    let shown = || format!("{:?} run as {:?}", command_line.escape_ascii().to_string(), file_names);
    assert_eq!(found, query(file_names, command_line), "{}", shown());
    assert_ne!(found.map(|(category, _)| category), Some("Other"), "{}", shown());
}

/// The explanation agrees with the verdict.
fn assert_explained(engine: &Engine, file_names: &[Vec<u8>], command_line: &[u8]) {
    let names: Vec<&[u8]> = file_names.iter().map(Vec::as_slice).collect();
    let subject = Subject {
        file_names: &names,
        command_line,
        ..Subject::default()
    };
    let verdict = engine.judge(&subject, &mut engine.scratch());
    let shown = || format!("{:?} run as {:?}", command_line.escape_ascii().to_string(), file_names);
    let explanation = engine.explain(&subject);
    assert_eq!(explanation.verdict, verdict, "{}", shown());
    let matched = explanation
        .rules
        .iter()
        .filter(|rule| rule.matched)
        .map(|rule| &rule.id);
    assert!(
        matched.eq(verdict.iter().flat_map(|verdict| &verdict.rule_ids)),
        "{}",
        shown()
    );
    for condition in explanation.rules.iter().flat_map(|rule| &rule.conditions) {
        assert_eq!(
            condition.held,
            condition.occurrences.iter().any(|occurrence| occurrence.counts),
            "{}",
            shown()
        );
    }
}

/// A word of the query, in any case.
fn needle() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&str> = [&SERVICES[..], &TOOLS, &NAMES, &ARGUMENTS].concat();
    (select(words), any::<u64>()).prop_map(|(word, upper)| {
        let letter = |(index, byte): (usize, u8)| {
            if upper >> (index % 64) & 1 == 1 {
                byte.to_ascii_uppercase()
            } else {
                byte
            }
        };
        word.bytes().enumerate().map(letter).collect()
    })
}

/// A needle with one byte changed, dropped, doubled or put in front or behind.
fn near_needle() -> impl Strategy<Value = Vec<u8>> {
    (needle(), any::<usize>(), 0..5, edge()).prop_map(|(mut word, position, change, byte)| {
        let position = position % word.len();
        match change {
            0 => word[position] = byte,
            1 => drop(word.remove(position)),
            2 => word.insert(position, word[position]),
            3 => word.insert(0, byte),
            _ => word.push(byte),
        }
        word
    })
}

/// Bytes that make a difference at the edge of a term.
fn edge() -> impl Strategy<Value = u8> {
    prop_oneof![
        select(&b" \0._-/:=\"'\t\nazAZ09sh@`[{\x7f\x80\xc3\xff"[..]),
        any::<u8>()
    ]
}

fn separator() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => Just(vec![b' ']), 3 => Just(vec![0]), 2 => Just(Vec::new()), 4 => edge().prop_map(|byte| vec![byte])]
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => needle(), 3 => near_needle(), 3 => separator(), 1 => vec(any::<u8>(), 0..6)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec((piece(), separator()), 0..8).prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(piece, separator)| [piece, separator].concat())
            .collect()
    })
}

fn file_name() -> impl Strategy<Value = Vec<u8>> {
    let name = || select(&NAMES[..]).prop_map(|name| name.as_bytes().to_vec());
    prop_oneof![6 => name(), 2 => needle(), 2 => near_needle(), 1 => text(), 1 => vec(any::<u8>(), 0..12)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_name_and_any_command_line(name in file_name(), command_line in text()) {
        thread_local!(static ENGINE: Engine = engine());
        ENGINE.with(|engine| assert_parity(engine, &[name], &command_line));
    }

    #[test]
    fn several_names_and_any_command_line(names in vec(file_name(), 0..4), command_line in text()) {
        thread_local!(static ENGINE: Engine = engine());
        ENGINE.with(|engine| {
            assert_parity(engine, &names, &command_line);
            assert_explained(engine, &names, &command_line);
        });
    }

    #[test]
    fn the_raw_and_the_joined_form_of_argv_give_the_same_verdict(name in file_name(), argv in vec(text(), 0..6)) {
        thread_local!(static ENGINE: Engine = engine());
        let argv: Vec<Vec<u8>> = argv.into_iter().map(|argument| argument.into_iter().filter(|byte| *byte != 0).collect()).collect();
        let joined = argv.join(&b' ');
        let unterminated = argv.join(&0);
        let raw: Vec<u8> = argv.iter().flat_map(|argument| argument.iter().copied().chain([0])).collect();
        ENGINE.with(|engine| {
            let judge = |command_line: &[u8]| {
                engine.judge(&Subject::new(&[&name], command_line), &mut engine.scratch())
            };
            assert_parity(engine, std::slice::from_ref(&name), &joined);
            assert_eq!(judge(&raw), judge(&joined));
            assert_eq!(judge(&unterminated), judge(&joined));
        });
    }
}

/// Every needle, between every two bytes and at the ends, under every name: no sampling where the whole can be tried.
#[test]
fn every_needle_between_any_two_edges() {
    let engine = engine();
    let edges = b" \0._-/:=\"'\t\nazAZ09@`[{\x7f\x80\xff";
    let words: Vec<&str> = [&SERVICES[..], &TOOLS, &ARGUMENTS].concat();
    for word in words {
        for name in [
            "curl",
            "pwsh.exe",
            "python3",
            "openssl",
            "certutil.exe",
            "sslscan",
            "bash",
        ] {
            let name = [name.as_bytes().to_vec()];
            assert_parity(&engine, &name, word.as_bytes());
            for left in edges {
                assert_parity(&engine, &name, &[&[*left], word.as_bytes()].concat());
                assert_parity(&engine, &name, &[word.as_bytes(), &[*left]].concat());
                for right in b" \0_-.aZ9\xff" {
                    assert_parity(&engine, &name, &[&[*left], word.as_bytes(), &[*right]].concat());
                }
            }
        }
    }
}

//! The rule file format: what is accepted, and what the error says about everything else.

use cert_recon::rules::{
    BUILTIN_PACKS, Confidence, Engine, Field, Operator, Pack, PackProblem, Severity, Subject, Terms, check_samples,
};
use proptest::prelude::{ProptestConfig, any, proptest};

/// A valid file; tests change a part of it.
const SITE: &str = r#"pack = "site"
version = 3
description = "An example."

[lists]
scanners = ["certspy", "scan host"]

[[rule]]
id = "site-certspy"
category = "CertEnumTool"
severity = "high"
confidence = "low"
technique = "T1596.003"
tactic = "Reconnaissance"
description = "The scanner is named."
all = [
    { field = "ProcessCommandLine", has_any = "@scanners" },
    { field = "FileName", in_ci = ["sh"] },
]
match = [{ argv = ["/bin/sh", "certspy", ""] }]
no_match = [{ file_name = ["sh", "x"], command_line = "sh certspyx" }]
"#;

fn error(text: &str) -> String {
    Pack::parse("rules.d/site.toml", text).expect_err(text).to_string()
}

/// The error for the valid file with one part replaced.
fn error_with(part: &str, replacement: &str) -> String {
    assert!(SITE.contains(part), "{part}");
    error(&SITE.replacen(part, replacement, 1))
}

#[test]
fn a_valid_file_is_read_as_written() {
    let pack = Pack::parse("site.toml", SITE).unwrap();
    assert_eq!(
        (pack.name.as_str(), pack.version, pack.description.as_str()),
        ("site", 3, "An example.")
    );
    assert_eq!(pack.lists["scanners"], ["certspy", "scan host"]);
    assert!(pack.extend.is_empty() && pack.cases.is_empty());
    let [rule] = &pack.rules[..] else { panic!("one rule") };
    assert_eq!(rule.id, "site-certspy");
    assert_eq!(rule.category.as_deref(), Some("CertEnumTool"));
    assert_eq!((rule.severity, rule.confidence), (Severity::High, Confidence::Low));
    let [first, second] = &rule.all[..] else {
        panic!("two conditions")
    };
    assert_eq!(
        (first.field, first.operator),
        (Field::ProcessCommandLine, Operator::HasAny)
    );
    assert_eq!(first.terms, Terms::List("scanners".to_owned()));
    assert_eq!((second.field, second.operator), (Field::FileName, Operator::InCi));
    assert_eq!(second.terms, Terms::Inline(vec!["sh".to_owned()]));
    assert_eq!(rule.matches[0].file_names, ["sh"], "the base name of argv[0]");
    assert_eq!(
        rule.matches[0].command_line, "/bin/sh certspy ",
        "empty arguments are kept"
    );
    assert_eq!(rule.no_matches[0].file_names, ["sh", "x"]);
    assert_eq!(
        check_samples(&Engine::new(std::slice::from_ref(&pack)).unwrap(), &[pack]),
        []
    );
}

#[test]
fn the_example_in_the_documentation_of_the_format_is_valid_and_its_samples_hold() {
    let source = include_str!("../src/rules/pack.rs");
    let (_, rest) = source.split_once("//! ```toml\n").unwrap();
    let (example, _) = rest.split_once("//! ```\n").unwrap();
    let example: String = example
        .lines()
        .map(|line| format!("{}\n", line.trim_start_matches("//!")))
        .collect();
    let packs = [
        BUILTIN_PACKS[0].parse().unwrap(),
        Pack::parse("example", &example).unwrap(),
    ];
    assert_eq!(check_samples(&Engine::new(&packs).unwrap(), &packs), []);
}

#[test]
fn the_examples_in_the_documentation_for_users_are_valid_and_their_samples_hold() {
    let mut packs: Vec<Pack> = BUILTIN_PACKS.iter().map(|builtin| builtin.parse().unwrap()).collect();
    let document = include_str!("../../docs/rules.md");
    for example in document.split("```toml\n").skip(1) {
        let (text, _) = example.split_once("```").unwrap();
        packs.push(Pack::parse("docs/rules.md", text).unwrap());
    }
    assert_eq!(packs.len(), BUILTIN_PACKS.len() + 2);
    assert_eq!(check_samples(&Engine::new(&packs).unwrap(), &packs), []);
    for field in Field::ALL {
        assert!(document.contains(&format!("| `{field}` |")), "{field}");
    }
    for operator in Operator::ALL {
        assert!(document.contains(&format!("| `{operator}` |")), "{operator}");
    }
}

#[test]
fn errors_name_file_line_fault_and_remedy() {
    #[rustfmt::skip]
    let table = [
        // Unknown keys.
        ("version = 3", "versoin = 3", "2: unknown key `versoin` in a rule file; did you mean `version`?"),
        ("severity = \"high\"", "Severity = \"high\"", "11: unknown key `Severity` in a [[rule]]; did you mean `severity`?"),
        ("technique", "colour", "13: unknown key `colour` in a [[rule]]; it may have: id, category, severity, confidence, technique, tactic, description, all, none, match, no_match"),
        ("has_any", "has_all", "17: unknown key `has_all` in a condition; did you mean `has_any`?"),
        ("field = \"File", "filed = \"File", "18: unknown key `filed` in a condition; did you mean `field`?"),
        ("argv", "args", "20: unknown key `args` in a sample; did you mean `argv`?"),
        ("command_line = \"sh certspyx\"", "command_line = \"x\", category = \"A\"", "21: unknown key `category` in a sample; it may have: file_name, command_line, argv, image, known_as, truncated"),
        ("[lists]", "[list]", "5: unknown key `list` in a rule file; did you mean `lists`?"),
        ("[[rule]]", "[[rules]]", "8: unknown key `rules` in a rule file; did you mean `rule`?"),
        // Missing keys.
        ("pack = \"site\"", "", "1: a rule file needs the key `pack`"),
        ("severity = \"high\"\n", "", "8: a [[rule]] needs the key `severity`"),
        ("field = \"FileName\", ", "", "18: a condition needs the key `field`"),
        // Values.
        ("version = 3", "version = 0", "2: `version` must be a whole number from 1, found integer"),
        ("version = 3", "version = -1", "2: `version` must be a whole number from 1, found integer"),
        ("version = 3", "version = 99999999999", "2: `version` must be a whole number from 1, found integer"),
        ("version = 3", "version = \"3\"", "2: `version` must be a whole number from 1, found string"),
        ("\"An example.\"", "\" \"", "3: `description` must not be empty"),
        ("\"An example.\"", "[]", "3: `description` must be a string, found array"),
        ("pack = \"site\"", "pack = \"my site\"", "1: the pack name \"my site\" may hold only ASCII letters, digits, `-`, `_` and `.`, and must begin with a letter or digit"),
        ("\"site-certspy\"", "\"-x\"", "9: the rule id \"-x\" may hold only ASCII letters, digits, `-`, `_` and `.`, and must begin with a letter or digit"),
        ("severity = \"high\"", "severity = \"hihg\"", "11: `severity` cannot be \"hihg\"; did you mean \"high\"?"),
        ("confidence = \"low\"", "confidence = \"certain\"", "12: `confidence` cannot be \"certain\"; expected one of: low, medium, high"),
        ("\"FileName\"", "\"Filename\"", "18: `field` cannot be \"Filename\"; did you mean \"FileName\"?"),
        ("\"FileName\"", "\"CommandLine\"", "18: `field` cannot be \"CommandLine\"; expected one of: FileName, ImageFileName, ProcessCommandLine, KnownAs, ArgumentsTruncated, WorkCutShort, Program, Argument, Host, Script, Target, Code, Via, Manner"),
        // Terms.
        ("[\"certspy\", \"scan host\"]", "[]", "6: a list needs at least one term, or nothing could ever match it"),
        ("[\"certspy\", \"scan host\"]", "[\n\"certspy\",\n\"\"]", "8: the term \"\" is empty"),
        ("[\"certspy\", \"scan host\"]", "\"certspy\"", "6: `scanners` must be an array, found string"),
        ("\"scan host\"", "7", "6: an item of `scanners` must be a string, found integer"),
        ("\"scan host\"", "\" host\"", "6: the term \" host\" begins or ends with a space; leave it out, terms are whole words anyway"),
        ("\"scan host\"", "\"a\\u0000b\"", "6: the term \"a\\0b\" holds a NUL, which no argument can; write a space for the gap between two arguments"),
        ("\"@scanners\"", "\"@scaners\"", "17: there is no list `scaners` in [lists] of this file; did you mean `scanners`?"),
        ("\"@scanners\"", "\"scanners\"", "17: the term \"scanners\" stands alone; write an array of terms, or \"@name\" for a list"),
        ("in_ci = [\"sh\"]", "in_ci = [\"sh\"], has_any = [\"sh\"]", "18: a condition needs exactly one of: has_any, in_ci, in, matches, in_domain, glob, present"),
        (", in_ci = [\"sh\"]", "", "18: a condition needs exactly one of: has_any, in_ci, in, matches, in_domain, glob, present"),
        ("scanners =", "\"my list\" =", "6: the list name \"my list\" may hold only ASCII letters, digits, `-`, `_` and `.`, and must begin with a letter or digit"),
        // Fields and operators.
        ("\"FileName\", in_ci", "\"Host\", in_ci", "18: `Host` cannot be compared by `in_ci`; it may have: in_domain, present"),
        ("\"FileName\", in_ci", "\"Progam\", in_ci", "18: `field` cannot be \"Progam\"; did you mean \"Program\"?"),
        ("in_ci = [\"sh\"]", "in_domian = [\"sh\"]", "18: unknown key `in_domian` in a condition; did you mean `in_domain`?"),
        ("\"FileName\", in_ci = [\"sh\"]", "\"Target\", present = false", "18: write the absence of `Target` as { field = \"Target\", present = true } in `none`"),
        ("\"FileName\", in_ci = [\"sh\"]", "\"Target\", present = 1", "18: `present` must be true or false, found integer"),
        ("\"FileName\", in_ci = [\"sh\"]", "\"Manner\", in_ci = [\"work\"]", "18: the term \"work\" is no value that Manner can have; expected one of: works, help, local"),
        ("\"FileName\", in_ci = [\"sh\"]", "\"Host\", in_domain = [\"https://crt.sh\"]", "18: the term \"https://crt.sh\" is more than a domain; write the host alone, without scheme, port and path"),
        ("\"FileName\", in_ci = [\"sh\"]", "\"FileName\", matches = [\"a(\"]", "18: the term \"a(\" is no regular expression: unclosed group"),
        ("\"FileName\", in_ci = [\"sh\"]", "\"Host\", in_domain = \"@scanners\"", "6: the term \"scan host\" is no domain in its normal form: lower-case ASCII letters, digits, `-`, `_` and `.` (punycode for others)"),
        ("in_ci = [\"sh\"]", "in_ci = [\"@scanners\", \"@scaners\"]", "18: there is no list `scaners` in [lists] of this file; did you mean `scanners`?"),
        ("version = 3", "version = 3\njudges = [\"site\"]", "3: a pack cannot judge itself: its own rules say how sure they are"),
        ("version = 3", "version = 3\njudges = [\"my site\"]", "3: the pack name \"my site\" may hold only ASCII letters, digits, `-`, `_` and `.`, and must begin with a letter or digit"),
        ("category = \"CertEnumTool\"\n", "category = \"CertEnumTool\"\nnone = [{ field = \"FileName\" }]\n", "11: a condition needs exactly one of: has_any, in_ci, in, matches, in_domain, glob, present"),
        ("[[rule]]", "[[case]]\ncategory = \"A\"\nall = [{ field = \"Program\", in_ci = [\"a\"] }]\n[[case]]\ncategory = \"B\"\n[[rule]]", "8: a [[case]] row cannot ask what a command does, because an exec may run several; give the rules a `category`"),
        // Samples.
        ("argv = [\"/bin/sh\"", "truncated = 1, argv = [\"/bin/sh\"", "20: `truncated` must be true or false, found integer"),
        ("match = [{ argv = [\"/bin/sh\", \"certspy\", \"\"] }]", "", "8: rule `site-certspy` needs at least one sample in `match`, or nobody could tell that it works"),
        ("no_match = [{ file_name = [\"sh\", \"x\"], command_line = \"sh certspyx\" }]", "no_match = []", "8: rule `site-certspy` needs at least one sample in `no_match`, or nobody could tell that it works"),
        ("file_name = [\"sh\", \"x\"], ", "", "21: sample needs `file_name` beside `command_line`"),
        (", command_line = \"sh certspyx\"", "", "21: sample needs `argv` or `command_line`"),
        (", command_line = \"sh certspyx\"", ", argv = [], command_line = \"\"", "21: sample has both `argv` and `command_line`"),
        ("[\"/bin/sh\", \"certspy\", \"\"]", "[]", "20: sample needs `file_name`, or a first item in `argv`"),
        ("\"sh certspyx\"", "\"sh\\u0000\"", "21: sample holds a NUL, which no exec's name or argument can"),
        // Rules and cases.
        ("category = \"CertEnumTool\"\n", "", "8: rule `site-certspy` needs a `category`, because this file has no [[case]] table to give one"),
        ("[[rule]]", "[[case]]\ncategory = \"A\"\n[[rule]]", "10: rule `site-certspy` must not have a `category`, because the [[case]] table of this file gives it"),
        ("[[rule]]", "[[case]]\ncategory = \"A\"\n[[case]]\ncategory = \"B\"\n[[rule]]", "8: the last [[case]] row, and no other, must be without `all`: it is the category when no other row holds"),
        ("[[rule]]", "[[case]]\ncategory = \"A\"\nall = [{ field = \"FileName\", in_ci = [\"a\"] }]\n[[rule]]", "8: the last [[case]] row, and no other, must be without `all`: it is the category when no other row holds"),
        // Not TOML.
        ("version = 3", "version = 3\nversion = 4", "3: not valid TOML: duplicate key"),
        ("version = 3", "version =", "2: not valid TOML: string values must be quoted, expected literal string"),
    ];
    for (part, replacement, expected) in table {
        assert_eq!(error_with(part, replacement), format!("rules.d/site.toml:{expected}"));
    }
}

#[test]
fn a_rule_needs_conditions() {
    let (before, rest) = SITE.split_once("all = [").unwrap();
    let (_, behind) = rest.split_once("\n]\n").unwrap();
    let expected = "rules.d/site.toml:8: rule `site-certspy` has no conditions in `all` and would match every exec";
    assert_eq!(error(&format!("{before}{behind}")), expected);
    assert_eq!(error(&format!("{before}all = []\n{behind}")), expected);
}

#[test]
fn a_rule_id_occurs_once() {
    let (_, rule) = SITE.split_once("[[rule]]").unwrap();
    let error = error(&format!("{SITE}[[rule]]{rule}"));
    assert_eq!(
        error,
        "rules.d/site.toml:22: there is already a rule `site-certspy` in this file"
    );
}

#[test]
fn a_file_without_rules_and_extensions_says_so() {
    let (head, _) = SITE.split_once("[[rule]]").unwrap();
    assert_eq!(
        error(head),
        "rules.d/site.toml:1: the file has neither a [[rule]] nor an [extend] table"
    );
    assert_eq!(error(""), "rules.d/site.toml:1: a rule file needs the key `pack`");
}

#[test]
fn a_term_may_be_256_bytes_long_and_no_longer() {
    let with = |length: usize| SITE.replace("scan host", &"a".repeat(length));
    let pack = Pack::parse("site.toml", &with(256)).unwrap();
    assert!(Engine::new(&[pack]).is_ok());
    let error = Pack::parse("site.toml", &with(257)).unwrap_err();
    assert!(matches!(
        error.problem,
        PackProblem::BadTerm { reason, .. } if reason == "is longer than 256 bytes"
    ));
}

#[test]
fn hostile_names_do_not_reach_a_terminal_raw() {
    let error = error_with("version = 3", "\"\\u001b[2J\" = 3");
    assert!(error.contains("unknown key `\\u{1b}[2J`"), "{error}");
}

#[test]
fn a_sample_that_fails_is_named_with_what_went_wrong() {
    let failures = |text: String| -> Vec<String> {
        let packs = [Pack::parse("site.toml", &text).unwrap()];
        check_samples(&Engine::new(&packs).unwrap(), &packs)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        failures(SITE.replace("\"certspy\", \"\"", "\"cert\", \"spy\"")),
        [
            "rule `site-certspy` of pack `site`: does not match its `match` sample \"/bin/sh cert spy\" run as [\"sh\"]",
            "rule `site-certspy` of pack `site`: does not match its `match` sample \"/bin/sh cert spy\" run as [\"sh\"] \
             (arguments ended by NUL)",
        ]
    );
    assert_eq!(
        failures(SITE.replace("certspyx", "scan host")),
        ["rule `site-certspy` of pack `site`: matches its `no_match` sample \"sh scan host\" run as [\"sh\", \"x\"]"]
    );
    assert_eq!(
        failures(SITE.replace("argv = [", "category = \"Other\", argv = ["))
            .first()
            .map(String::as_str),
        Some(
            "rule `site-certspy` of pack `site`: gives category `CertEnumTool`, not `Other`, to its `match` sample \
             \"/bin/sh certspy \" run as [\"sh\"]"
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    /// Neither any text nor any damage to a valid file is more than an error with a line of the file.
    #[test]
    fn no_text_is_a_panic(text in any::<String>(), at in 0..SITE.len(), length in 0..40_usize) {
        let mut damaged = SITE.to_owned();
        let (from, to) = (floor(&damaged, at), floor(&damaged, (at + length).min(SITE.len())));
        damaged.replace_range(from..to, &text);
        for text in [text, damaged] {
            match Pack::parse("site.toml", &text) {
                Err(error) => assert!((1..=text.split('\n').count()).contains(&error.line), "{error} in {text:?}"),
                Ok(pack) => {
                    let engine = Engine::new(&[pack]).unwrap();
                    let _ = engine.explain(&Subject::new(&[b"sh"], text.as_bytes()));
                }
            }
        }
    }
}

fn floor(text: &str, mut index: usize) -> usize {
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

//! Packs together: lists that other packs extend, several packs in one verdict, and the explanation of a judgement.

use cert_recon::rules::{
    BUILTIN_PACKS, Confidence, Engine, EngineError, Field, Pack, Place, Scratch, Severity, Subject, Verdict,
};

fn kql() -> Pack {
    BUILTIN_PACKS
        .iter()
        .find(|builtin| builtin.name == "kql")
        .unwrap()
        .parse()
        .unwrap()
}

fn pack(text: &str) -> Pack {
    Pack::parse("test.toml", text).unwrap()
}

/// A pack with one rule on the command line.
fn one_rule(name: &str, rule: &str, confidence: &str, severity: &str, terms: &str) -> Pack {
    pack(&format!(
        r#"pack = "{name}"
        version = 1
        description = "Test."
        [[rule]]
        id = "{rule}"
        category = "Category-{name}"
        severity = "{severity}"
        confidence = "{confidence}"
        technique = "T1596"
        tactic = "Tactic-{name}"
        description = "Test."
        all = [{{ field = "ProcessCommandLine", has_any = {terms} }}]
        match = [{{ argv = ["x"] }}]
        no_match = [{{ argv = ["x"] }}]
        "#
    ))
}

fn extension(table: &str) -> Pack {
    pack(&format!(
        "pack = \"site\"\nversion = 1\ndescription = \"Ours.\"\n{table}"
    ))
}

fn judge(engine: &Engine, file_name: &str, command_line: &str) -> Option<Verdict> {
    engine.judge(
        &Subject::new(&[file_name.as_bytes()], command_line.as_bytes()),
        &mut Scratch::default(),
    )
}

#[test]
fn a_user_list_extends_a_shipped_one_in_every_rule_that_uses_it() {
    let site = extension("[extend.kql]\nct_services = [\"ct.corp.example\"]\nenum_tools = [\"certspy\"]");
    for packs in [[kql(), site.clone()], [site, kql()]] {
        let engine = Engine::new(&packs).unwrap();
        let verdict = judge(&engine, "curl", "curl https://ct.corp.example/").unwrap();
        assert_eq!(
            (verdict.category.as_str(), verdict.packs),
            ("CTLogQuery", vec!["kql".to_owned()])
        );
        assert_eq!(verdict.matched_terms, ["curl", "ct.corp.example"]);
        assert_eq!(
            judge(&engine, "certspy", "x").unwrap().category,
            "CertEnumTool",
            "rules and cases alike"
        );
        assert_eq!(
            judge(&engine, "curl", "curl https://crt.sh/").unwrap().category,
            "CTLogQuery"
        );
    }
    let alone = Engine::new(&[kql()]).unwrap();
    assert_eq!(judge(&alone, "curl", "curl https://ct.corp.example/"), None);
}

#[test]
fn packs_that_cannot_work_together_say_why() {
    let error = |packs: &[Pack]| Engine::new(packs).unwrap_err().to_string();
    assert_eq!(
        error(&[kql(), kql()]),
        "two rule files are called pack `kql`; rename one by its key `pack`"
    );
    assert_eq!(
        error(&[kql(), one_rule("b", "kql-certutil", "low", "low", "[\"a\"]")]),
        "rule `kql-certutil` is in pack `kql` and in pack `b`; rename one by its key `id`"
    );
    assert_eq!(
        error(&[kql(), extension("[extend.kqll]\nct_services = [\"a\"]")]),
        "pack `site` extends lists of pack `kqll`, which is not loaded; did you mean `kql`?"
    );
    assert_eq!(
        error(&[kql(), extension("[extend.kql]\nct_service = [\"a\"]")]),
        "pack `site` names the list `ct_service` of pack `kql`, which has none; did you mean `ct_services`?"
    );
}

#[test]
fn a_pack_that_was_damaged_after_parsing_is_an_error_and_not_a_panic() {
    let mut damaged = kql();
    damaged.lists.remove("python");
    assert!(matches!(Engine::new(&[damaged]), Err(EngineError::UnknownList { list, .. }) if list == "python"));
    let mut damaged = kql();
    damaged.lists.get_mut("python").unwrap().push(String::new());
    assert!(matches!(Engine::new(&[damaged]), Err(EngineError::BadTerm { .. })));
    let mut damaged = kql();
    damaged.cases.clear();
    damaged.rules[0].all.clear();
    let engine = Engine::new(&[damaged]).unwrap();
    assert_eq!(judge(&engine, "curl", "x"), judge(&engine, "curl", "x"));
    assert!(
        Engine::new(&[]).is_ok_and(|engine| judge(&engine, "curl", "crt.sh").is_none()),
        "no packs, no findings"
    );
}

#[test]
fn several_packs_make_one_verdict() {
    let other = one_rule("other", "other-1", "medium", "high", r#"["CRT.SH", "notes"]"#);
    let engine = Engine::new(&[kql(), other.clone()]).unwrap();
    let verdict = judge(&engine, "curl", "curl notes https://crt.sh/").unwrap();
    assert_eq!(verdict.category, "CTLogQuery", "of the first pack that matched");
    assert_eq!(verdict.rule_ids, ["kql-web-client-asks-ct", "other-1"]);
    assert_eq!(verdict.packs, ["kql", "other"]);
    assert_eq!(
        (verdict.confidence, verdict.severity),
        (Confidence::High, Severity::High),
        "the highest of each"
    );
    assert_eq!(
        (verdict.technique.as_str(), verdict.tactic.as_str()),
        ("T1596.003", "Reconnaissance")
    );
    assert_eq!(
        verdict.matched_terms,
        ["curl", "notes", "crt.sh"],
        "a term of two packs once, as the first spells it"
    );

    let verdict = judge(&engine, "vim", "vim notes").unwrap();
    assert_eq!(verdict.category, "Category-other");
    assert_eq!(verdict.packs, ["other"]);

    let reversed = Engine::new(&[other, kql()]).unwrap();
    let verdict = judge(&reversed, "curl", "curl https://crt.sh/").unwrap();
    assert_eq!(
        (verdict.category.as_str(), verdict.technique.as_str()),
        ("Category-other", "T1596")
    );
    assert_eq!(verdict.rule_ids, ["other-1", "kql-web-client-asks-ct"]);
}

#[test]
fn a_term_with_a_space_matches_across_arguments_and_inside_one() {
    let engine = Engine::new(&[one_rule("b", "b-1", "low", "low", r#"["-printcert -sslserver"]"#)]).unwrap();
    for line in [
        "keytool -printcert -sslserver x",
        "keytool\0-printcert\0-sslserver\0x\0",
        "sh\0-c\0k -printcert -SSLserver",
    ] {
        assert_eq!(
            judge(&engine, "x", line).unwrap().matched_terms,
            ["-printcert -sslserver"],
            "{line:?}"
        );
    }
    for line in [
        "keytool -printcert  -sslserver",
        "keytool -printcert\t-sslserver",
        "-printcert -sslservers",
    ] {
        assert_eq!(judge(&engine, "x", line), None, "{line:?}");
    }
}

#[test]
fn a_whole_command_line_is_the_same_in_both_forms() {
    let text = r#"
        pack = "b"
        version = 1
        description = "Test."
        [[rule]]
        id = "b-1"
        category = "C"
        severity = "low"
        confidence = "low"
        technique = "T1596"
        tactic = "T"
        description = "Test."
        all = [{ field = "ProcessCommandLine", in_ci = ["certutil -L", "x"] }]
        match = [{ argv = ["certutil", "-l"] }]
        no_match = [{ argv = ["certutil", "-L", ""] }]
        "#;
    let engine = Engine::new(&[pack(text)]).unwrap();
    for line in ["certutil -L", "CERTUTIL\0-l\0", "certutil\0-L", "x", "x\0"] {
        assert!(judge(&engine, "", line).is_some(), "{line:?}");
    }
    for line in ["certutil -L ", "certutil\0-L\0\0", " x", "x x", "", "\0"] {
        assert!(judge(&engine, "", line).is_none(), "{line:?}");
    }
}

#[test]
fn one_scratch_serves_engines_of_any_size() {
    let many: Vec<String> = (0..1000).map(|number| format!("\"term{number}\"")).collect();
    let large = Engine::new(&[
        kql(),
        one_rule("b", "b-1", "low", "low", &format!("[{}]", many.join(","))),
    ])
    .unwrap();
    let small = Engine::new(&[one_rule("b", "b-1", "low", "low", "[\"a\"]")]).unwrap();
    let mut scratch = small.scratch();
    for _ in 0..2 {
        let line = Subject::new(&[b"x"], b"term7 term77 term999 term1000 a");
        assert_eq!(
            large.judge(&line, &mut scratch).unwrap().matched_terms,
            ["term7", "term77", "term999"]
        );
        assert_eq!(small.judge(&line, &mut scratch).unwrap().matched_terms, ["a"]);
    }
}

#[test]
fn an_explanation_says_what_held_where_and_why_not() {
    let engine = Engine::new(&[kql()]).unwrap();
    let line = b"curl\0https://xcrt.sh/\0shodan.io\0";
    let explanation = engine.explain(&Subject::new(&[b"bash", b"curl"], line));

    let verdict = explanation.verdict.unwrap();
    assert_eq!(verdict.rule_ids, ["kql-web-client-asks-ct"]);
    assert_eq!(explanation.rules.len(), kql().rules.len());
    let rule = explanation
        .rules
        .iter()
        .find(|rule| rule.id == "kql-web-client-asks-ct")
        .unwrap();
    assert!(rule.matched && rule.pack == "kql" && rule.confidence == Confidence::High);
    let [name, service] = &rule.conditions[..] else {
        panic!("two conditions")
    };
    assert_eq!(
        (name.field, name.list.as_deref(), name.held),
        (Field::FileName, Some("web_clients"), true)
    );
    assert_eq!(name.occurrences[0].place, Place::FileName(1));
    assert_eq!(service.terms, kql().lists["ct_services"]);
    let places: Vec<_> = service
        .occurrences
        .iter()
        .map(|found| {
            (
                found.term.as_str(),
                found.place,
                &line[found.start..found.end],
                found.counts,
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("crt.sh", Place::CommandLine, &b"crt.sh"[..], false),
            ("shodan.io", Place::CommandLine, &b"shodan.io"[..], true)
        ],
        "the near miss is told, too"
    );

    let python = explanation
        .rules
        .iter()
        .find(|rule| rule.id == "kql-python-asks-ct")
        .unwrap();
    assert!(!python.matched);
    assert_eq!(
        python
            .conditions
            .iter()
            .map(|condition| condition.held)
            .collect::<Vec<_>>(),
        [false, true]
    );

    let chosen: Vec<_> = explanation
        .cases
        .iter()
        .filter(|case| case.chosen)
        .map(|case| &case.category)
        .collect();
    assert_eq!(chosen, [&verdict.category]);
    let other = explanation.cases.last().unwrap();
    assert!(other.held && !other.chosen && other.conditions.is_empty());
}

#[test]
fn a_clean_exec_is_explained_without_a_verdict_and_without_a_chosen_category() {
    let engine = Engine::new(&[kql()]).unwrap();
    let explanation = engine.explain(&Subject::new(&[b"dig"], b"dig crt.sh"));
    assert_eq!(explanation.verdict, None);
    assert!(explanation.rules.iter().all(|rule| !rule.matched));
    assert!(explanation.cases.iter().all(|case| !case.chosen));
    assert!(
        explanation
            .cases
            .iter()
            .any(|case| case.category == "CTLogQuery" && case.held)
    );
}

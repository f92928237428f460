//! Rules about acts: what one act must be, what the gate spares, how packs judge each other, and pack `logscale`.

use std::cell::RefCell;

use cert_recon::{
    acts::{Act, Command, Limit, Manner, Requests, Via, Word},
    rules::{BUILTIN_PACKS, Confidence, DEFAULT_PACKS, Engine, Pack, Place, Scratch, Subject, Verdict},
};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest},
    sample::select,
};

fn builtin(names: &[&str]) -> Engine {
    let packs = BUILTIN_PACKS.iter().filter(|pack| names.contains(&pack.name));
    let packs: Vec<Pack> = packs.map(|pack| pack.parse().unwrap()).collect();
    Engine::new(&packs).unwrap()
}

/// A pack with one rule.
fn engine(conditions: &str) -> Engine {
    let text = format!(
        r#"pack = "t"
        version = 1
        description = "Test."
        [[rule]]
        id = "t-1"
        category = "C"
        severity = "low"
        confidence = "high"
        technique = "T1596.003"
        tactic = "T"
        description = "Test."
        {conditions}
        match = [{{ argv = ["x"] }}]
        no_match = [{{ argv = ["x"] }}]
        "#
    );
    Engine::new(&[Pack::parse("t.toml", &text).unwrap()]).unwrap()
}

fn act(program: &str, args: &[&'static str], hosts: &[&str], via: &[Via]) -> Act<'static> {
    Act {
        command: Command {
            programs: vec![program.to_owned()],
            args: args.iter().map(|arg| Word::borrowed(arg.as_bytes())).collect(),
            stdin: None,
            via: via.to_vec(),
        },
        requests: Requests {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            targets: vec!["\0.example.com".to_owned(), "example.com".to_owned(), "\0".to_owned()],
            ..Requests::default()
        },
    }
}

fn judge(engine: &Engine, acts: &[Act<'_>]) -> Option<Verdict> {
    engine.judge_acts(&Subject::new(&[b"bash"], b"bash\0"), acts, None, &mut engine.scratch())
}

fn of_argv(engine: &Engine, name: &str, argv: &[&str]) -> Option<Verdict> {
    let line: Vec<u8> = argv.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
    engine.judge(&Subject::new(&[name.as_bytes()], &line), &mut engine.scratch())
}

#[test]
fn all_conditions_must_hold_for_one_and_the_same_act() {
    let engine = engine(
        r#"all = [{ field = "Program", in_ci = ["curl"] }, { field = "Host", in_domain = ["crt.sh"] }]
        none = [{ field = "Argument", in = ["-V"] }]"#,
    );
    let verdict = judge(
        &engine,
        &[
            act("ls", &[], &[], &[]),
            act("curl", &["-s"], &["www.crt.sh"], &[Via::Shell]),
        ],
    );
    let verdict = verdict.unwrap();
    assert_eq!(verdict.services, ["crt.sh"], "as the list spells it");
    assert_eq!(verdict.targets, ["example.com"], "what is known of them, once");
    assert_eq!(verdict.matched_terms, ["curl", "crt.sh"]);

    assert_eq!(
        judge(
            &engine,
            &[
                act("curl", &[], &["example.com"], &[]),
                act("dig", &[], &["crt.sh"], &[])
            ]
        ),
        None
    );
    assert_eq!(judge(&engine, &[act("curl", &["-V"], &["crt.sh"], &[])]), None);
    assert!(
        judge(&engine, &[act("curl", &["-v"], &["crt.sh"], &[])]).is_some(),
        "`in` keeps case"
    );
    assert!(
        judge(
            &engine,
            &[
                act("curl", &["-V"], &["crt.sh"], &[]),
                act("curl", &[], &["crt.sh"], &[])
            ]
        )
        .is_some(),
        "an exception holds for its own act only"
    );
    assert_eq!(judge(&engine, &[]), None);
}

#[test]
fn conditions_on_the_exec_count_for_every_act() {
    let engine = engine(
        r#"all = [{ field = "ProcessCommandLine", has_any = ["crt.sh"] }, { field = "Manner", in_ci = ["works"] },
                  { field = "Via", in_ci = ["shell"] }]"#,
    );
    let given = |line: &[u8], via: &[Via], manner| {
        let mut act = act("x", &[], &[], via);
        act.requests.manner = manner;
        engine.judge_acts(&Subject::new(&[b"sh"], line), &[act], None, &mut engine.scratch())
    };
    let verdict = given(b"sh\0crt.sh\0", &[Via::Shell], Manner::Works).unwrap();
    assert_eq!(verdict.matched_terms, ["crt.sh"], "how it is reached is no term");
    assert!(given(b"sh\0crt.shx\0", &[Via::Shell], Manner::Works).is_none());
    assert!(given(b"sh\0crt.sh\0", &[], Manner::Works).is_none());
    assert!(given(b"sh\0crt.sh\0", &[Via::Shell], Manner::Help).is_none());
}

#[test]
fn an_exec_that_was_cut_and_one_that_was_cut_short_are_found() {
    let engine = builtin(DEFAULT_PACKS);
    let mut subject = Subject::new(&[b"curl"], b"curl\0-s");
    assert!(engine.judge(&subject, &mut engine.scratch()).is_none());
    subject.is_truncated = true;
    let verdict = engine.judge(&subject, &mut engine.scratch()).unwrap();
    assert_eq!(
        (verdict.category.as_str(), verdict.confidence),
        ("IncompleteCapture", Confidence::Low)
    );
    let verdict = engine.judge_acts(
        &Subject::new(&[b"sh"], b"sh\0"),
        &[],
        Some(Limit::Depth),
        &mut engine.scratch(),
    );
    assert_eq!(verdict.unwrap().cut_short, Some(Limit::Depth));
}

#[test]
fn a_copy_of_a_watched_program_is_what_it_is_a_copy_of() {
    let engine = builtin(DEFAULT_PACKS);
    let subject = Subject {
        known_as: &[b"curl"],
        ..Subject::new(&[b"update"], b"update\0https://crt.sh/?q=example.com\0")
    };
    let verdict = engine.judge(&subject, &mut engine.scratch()).unwrap();
    assert_eq!(
        (verdict.category.as_str(), verdict.confidence),
        ("CTLogQuery", Confidence::High)
    );
    assert!(
        verdict.rule_ids.iter().any(|id| id == "extended-renamed"),
        "{verdict:?}"
    );
    assert!(!verdict.packs.contains(&"kql".to_owned()), "the query knows names only");
}

#[test]
fn a_pack_that_judges_decides_how_sure_a_finding_is_and_not_its_category() {
    let both = builtin(DEFAULT_PACKS);
    let alone = builtin(&["kql"]);
    let python = ["python3", "query.py", "--dry-run", "notes-about-crt.sh.txt"];
    assert_eq!(
        of_argv(&alone, "python3", &python).unwrap().confidence,
        Confidence::High
    );
    let verdict = of_argv(&both, "python3", &python).unwrap();
    assert_eq!(
        (verdict.category.as_str(), verdict.confidence),
        ("CTLogQuery", Confidence::Low)
    );
    let verdict = of_argv(&both, "curl", &["curl", "https://crt.sh/?q=example.com"]).unwrap();
    assert_eq!(
        (verdict.category.as_str(), verdict.confidence),
        ("CTLogQuery", Confidence::High)
    );
    assert_eq!(verdict.targets, ["example.com"]);
}

#[test]
fn lines_of_windows_are_read_as_windows_does() {
    let engine = builtin(DEFAULT_PACKS);
    let line = br#""C:\Windows\System32\curl.exe" -o "C:\Temp\a b.json" "https://crt.sh/?q=example.com""#;
    let verdict = engine
        .judge(&Subject::new(&[b"curl.exe"], line), &mut engine.scratch())
        .unwrap();
    assert_eq!(
        (verdict.confidence, verdict.targets.as_slice()),
        (Confidence::High, &["example.com".to_owned()][..])
    );
}

#[test]
fn an_explanation_shows_the_acts_and_the_act_that_a_rule_matched() {
    let engine = builtin(DEFAULT_PACKS);
    let line = b"bash\0-c\0ls; curl -s https://www.crt.sh/?q=example.com\0";
    let explanation = engine.explain(&Subject::new(&[b"bash"], line));
    let acts = explanation.acts.as_ref().unwrap();
    assert!(acts.iter().any(|act| act.command.is("ls")) && acts.iter().any(|act| act.command.is("curl")));
    let rule = explanation
        .rules
        .iter()
        .find(|rule| rule.id == "extended-client-asks")
        .unwrap();
    assert!(rule.matched && acts[rule.act.unwrap()].command.is("curl"));
    let host = &rule.conditions[1].occurrences[0];
    assert_eq!(
        (host.term.as_str(), host.value.as_deref()),
        ("crt.sh", Some(&b"www.crt.sh"[..]))
    );
    assert!(matches!(host.place, Place::Act(_)));
    assert_eq!(
        explanation.verdict,
        engine.judge(&Subject::new(&[b"bash"], line), &mut engine.scratch())
    );
    let clean = engine.explain(&Subject::new(&[b"ls"], b"ls\0"));
    assert_eq!((clean.acts, clean.verdict), (None, None));
}

/// The query's words, searched the plain way.
fn logscale(image: &str, line: &str) -> Option<&'static str> {
    let has = |text: &str, words: &[&str]| words.iter().any(|word| text.to_ascii_lowercase().contains(word));
    if !has(image, &["powershell.exe", "wmic.exe", "cmd.exe"])
        || !has(line, &["recon", "enum", "survey", "harvest", "osint"])
    {
        return None;
    }
    Some(if has(line, &["win32_bios", "win32_baseboard", "bios"]) {
        "T1596.003 - FirmwareEnum"
    } else if has(line, &["theharvester", "recon-ng", "spiderfoot"]) {
        "T1596.003 - OSINTTool"
    } else {
        "T1596.003 - Reconnaissance"
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pack `logscale` on Windows says what the query says.
    #[test]
    fn logscale_is_the_query(
        image in select(vec!["C:\\Windows\\cmd.exe", "CMD.EXE", "x\\wmic.exe.bak", "PowerShell.exe", "cmdXexe", "notepad.exe", "pwsh.exe"]),
        words in vec(select(vec!["recon", "RECONNECT", "enum", "Survey", "harvest", "osint", "bios", "WIN32_BIOS", "theHarvester", "recon-ng",
            "spiderfoot", "x", "", "re con", "bi", "os"]), 0..5),
        separator in select(vec![" ", "-", "\n", ""]),
    ) {
        thread_local!(static ENGINE: Engine = builtin(&["logscale"]));
        let line = words.join(separator);
        let name = image.rsplit('\\').next().unwrap();
        let names = [name.as_bytes()];
        let subject = Subject { image: Some(image.as_bytes()), ..Subject::new(&names, line.as_bytes()) };
        let verdict = ENGINE.with(|engine| engine.judge(&subject, &mut engine.scratch()));
        assert_eq!(verdict.and_then(|verdict| verdict.technique_label).as_deref(), logscale(image, &line), "{image} {line}");
    }

    /// The gate spares work, and so does the memory of clean execs; neither changes a verdict.
    #[test]
    fn what_spares_work_changes_no_verdict(
        names in vec(program(), 1..3),
        args in vec(argument(), 0..6),
        own in program(),
    ) {
        thread_local!(static ENGINE: Engine = builtin(&["kql", "extended", "logscale"]));
        // It has seen all subjects before this one.
        thread_local!(static USED: RefCell<Scratch> = RefCell::default());
        let mut line = own;
        for arg in &args {
            line.push(0);
            line.extend(arg);
        }
        line.push(0);
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let subject = Subject::new(&names, &line);
        ENGINE.with(|engine| {
            let verdict = engine.judge(&subject, &mut engine.scratch());
            assert_eq!(verdict, engine.judge_without_gate(&subject, &mut engine.scratch()));
            assert_eq!(verdict, engine.explain(&subject).verdict);
            for _ in 0..2 {
                assert_eq!(verdict, USED.with_borrow_mut(|used| engine.judge(&subject, used)));
            }
        });
    }
}

fn program() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "curl",
        "ls",
        "sslscan",
        "testssl.sh",
        "python3.11",
        "sudo",
        "env",
        "my-crtsh",
        "git",
        "vim",
        "openssl",
        "x",
        "bash",
        "-sh",
        "ld-linux-x86-64.so.2",
        "curl_chrome116",
        "Subfinder.EXE",
        "nmap-7.94",
        "busybox",
        "subfinder-linux-amd64",
        "sslyze.py",
        "x86_64",
    ]);
    prop_oneof![4 => known.prop_map(|name| name.as_bytes().to_vec()), 1 => vec(1_u8.., 0..12)]
}

fn argument() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "https://crt.sh/?q=%25.example.com",
        "-c",
        "curl https://crt.sh/",
        "sslscan",
        "example.com",
        "s_client",
        "-connect",
        "example.com:443",
        "--script",
        "ssl-cert",
        "--help",
        "alias.x=!sslscan a",
        "x",
        "-m",
        "sslyze",
        "--",
        "ls",
        "$(sslscan a)",
        "https://api.shodan.io/",
    ]);
    prop_oneof![4 => known.prop_map(|arg| arg.as_bytes().to_vec()), 1 => vec(any::<u8>().prop_map(|byte| byte.max(1)), 0..20)]
}

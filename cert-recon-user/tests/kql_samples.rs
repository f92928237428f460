//! Tables of execs and what the `kql` pack says about each: every clause of the query, every term, both edges of each.

use cert_recon::rules::{BUILTIN_PACKS, Confidence, Engine, Pack, Severity, Subject, Verdict, check_samples};

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
/// Names that make a service on the command line a finding, with the rule that says so.
const CLIENTS: [(&str, &str); 10] = [
    ("curl", "kql-web-client-asks-ct"),
    ("curl.exe", "kql-web-client-asks-ct"),
    ("wget", "kql-web-client-asks-ct"),
    ("wget.exe", "kql-web-client-asks-ct"),
    ("powershell.exe", "kql-powershell-asks-ct"),
    ("pwsh.exe", "kql-powershell-asks-ct"),
    ("python", "kql-python-asks-ct"),
    ("python.exe", "kql-python-asks-ct"),
    ("python3", "kql-python-asks-ct"),
    ("python3.exe", "kql-python-asks-ct"),
];
const OPENSSL: [&str; 2] = ["openssl", "openssl.exe"];
const OPENSSL_ARGUMENTS: [(&str, Confidence, &str); 4] = [
    ("s_client", Confidence::Medium, "kql-openssl-remote"),
    ("-connect", Confidence::Medium, "kql-openssl-remote"),
    ("x509", Confidence::Low, "kql-openssl-local"),
    ("verify", Confidence::Low, "kql-openssl-local"),
];
const CERTUTIL_ARGUMENTS: [&str; 5] = ["-dump", "-verify", "-store", "-URL", "-urlcache"];

struct Judge {
    engine: Engine,
}

impl Judge {
    fn new() -> Self {
        Self {
            engine: Engine::new(&[kql()]).unwrap(),
        }
    }

    fn names(&self, file_names: &[&[u8]], command_line: impl AsRef<[u8]>) -> Option<Verdict> {
        let subject = Subject {
            file_names,
            command_line: command_line.as_ref(),
            ..Subject::default()
        };
        self.engine.judge(&subject, &mut self.engine.scratch())
    }

    fn run(&self, file_name: impl AsRef<[u8]>, command_line: impl AsRef<[u8]>) -> Option<Verdict> {
        self.names(&[file_name.as_ref()], command_line)
    }

    /// Category, confidence and rules of an exec that must be a finding.
    fn finding(&self, file_name: &str, command_line: &str) -> (String, Confidence, Vec<String>) {
        let verdict = self.run(file_name, command_line);
        let verdict = verdict.unwrap_or_else(|| panic!("{command_line:?} run as {file_name:?} must be a finding"));
        assert_eq!(verdict.severity, Severity::Medium);
        assert_eq!(
            (verdict.technique.as_str(), verdict.tactic.as_str()),
            ("T1596.003", "Reconnaissance")
        );
        assert_eq!(verdict.packs, ["kql"]);
        (verdict.category, verdict.confidence, verdict.rule_ids)
    }
}

fn kql() -> Pack {
    BUILTIN_PACKS
        .iter()
        .find(|builtin| builtin.name == "kql")
        .unwrap()
        .parse()
        .unwrap()
}

fn expected(category: &str, confidence: Confidence, rules: &[&str]) -> (String, Confidence, Vec<String>) {
    (
        category.to_owned(),
        confidence,
        rules.iter().map(|rule| (*rule).to_owned()).collect(),
    )
}

/// Lower, upper and alternating case of the same text.
fn cases(text: &str) -> [String; 3] {
    let mixed = text.char_indices().map(|(index, letter)| {
        if index % 2 == 0 {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        }
    });
    [text.to_ascii_lowercase(), text.to_ascii_uppercase(), mixed.collect()]
}

#[test]
fn every_embedded_sample_comes_out_as_its_rule_says() {
    let packs: Vec<Pack> = BUILTIN_PACKS.iter().map(|builtin| builtin.parse().unwrap()).collect();
    let failures = check_samples(&Engine::new(&packs).unwrap(), &packs);
    assert!(
        failures.is_empty(),
        "{}",
        failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn a_tool_that_runs_is_high_and_one_that_is_mentioned_is_low() {
    let judge = Judge::new();
    for tool in TOOLS {
        for tool in cases(tool) {
            let runs = expected("CertEnumTool", Confidence::High, &["kql-tool-runs"]);
            assert_eq!(judge.finding(&tool, "./x example.com"), runs);
            assert_eq!(judge.finding(&format!("{tool}.sh"), "./x example.com"), runs);
            let mentioned = expected("CertEnumTool", Confidence::Low, &["kql-tool-mentioned"]);
            assert_eq!(judge.finding("apt", &format!("apt install {tool}")), mentioned);
            let both = expected(
                "CertEnumTool",
                Confidence::High,
                &["kql-tool-runs", "kql-tool-mentioned"],
            );
            assert_eq!(judge.finding(&tool, &format!("{tool} example.com")), both);
        }
    }
}

#[test]
fn every_client_that_asks_every_service_is_high() {
    let judge = Judge::new();
    for (client, rule) in CLIENTS {
        for client in cases(client) {
            for service in SERVICES {
                for service in cases(service) {
                    let found = judge.finding(&client, &format!("x -s https://{service}/?q=example.com"));
                    assert_eq!(
                        found,
                        expected("CTLogQuery", Confidence::High, &[rule]),
                        "{client} {service}"
                    );
                }
            }
        }
    }
}

#[test]
fn openssl_is_medium_with_a_remote_argument_and_low_without() {
    let judge = Judge::new();
    for name in OPENSSL.into_iter().flat_map(cases) {
        for (argument, confidence, rule) in OPENSSL_ARGUMENTS {
            for argument in cases(argument) {
                let found = judge.finding(&name, &format!("x {argument} y"));
                assert_eq!(
                    found,
                    expected("OpenSSLProbe", confidence, &[rule]),
                    "{name} {argument}"
                );
            }
        }
    }
    let found = judge.finding("openssl", "openssl s_client -connect example.com:443 -verify 5");
    assert_eq!(
        found,
        expected(
            "OpenSSLProbe",
            Confidence::Medium,
            &["kql-openssl-remote", "kql-openssl-local"]
        )
    );
}

#[test]
fn certutil_is_low_with_each_of_its_arguments() {
    let judge = Judge::new();
    for name in cases("certutil.exe") {
        for argument in CERTUTIL_ARGUMENTS.into_iter().flat_map(cases) {
            let found = judge.finding(&name, &format!("certutil {argument} My"));
            assert_eq!(
                found,
                expected("CertutilEnum", Confidence::Low, &["kql-certutil"]),
                "{name} {argument}"
            );
        }
    }
}

/// For every term on the command line and every tool in FileName, all 256 bytes on either side: a finding exactly when
/// the byte does not make the term part of a longer word.
#[test]
fn every_term_with_every_byte_on_either_side() {
    let judge = Judge::new();
    let mut terms: Vec<(&str, &str)> = Vec::new();
    terms.extend(TOOLS.iter().map(|tool| ("bash", *tool)));
    terms.extend(
        CLIENTS
            .iter()
            .flat_map(|(client, _)| SERVICES.iter().map(|service| (*client, *service))),
    );
    terms.extend(
        OPENSSL
            .iter()
            .flat_map(|name| OPENSSL_ARGUMENTS.iter().map(|(argument, ..)| (*name, *argument))),
    );
    terms.extend(CERTUTIL_ARGUMENTS.iter().map(|argument| ("certutil.exe", *argument)));

    for (name, term) in terms {
        assert!(judge.run(name, term).is_some(), "{term} alone");
        for byte in 0..=u8::MAX {
            // "search.censys.io" holds "censys.io", "-verify" is about its own edge: the terms' own first and last
            // bytes decide what is demanded.
            let left_is_free = !byte.is_ascii_alphanumeric() || term.starts_with('-');
            let holds_another = ["search.censys.io", "api.certspotter.com"].contains(&term);
            let found = judge.run(name, [&[byte], term.as_bytes()].concat()).is_some();
            assert_eq!(
                found,
                left_is_free || holds_another,
                "{name}: byte {byte} before {term}"
            );

            // `zgrab` and a 2 is the tool `zgrab2`.
            let right_is_free = !byte.is_ascii_alphanumeric() || (term == "zgrab" && byte == b'2');
            let found = judge.run(name, [term.as_bytes(), &[byte]].concat()).is_some();
            assert_eq!(found, right_is_free, "{name}: byte {byte} behind {term}");
        }
    }
    for tool in TOOLS {
        for byte in 0..=u8::MAX {
            let is_free = !byte.is_ascii_alphanumeric();
            let before = judge.run([&[byte], tool.as_bytes()].concat(), "x").is_some();
            assert_eq!(before, is_free, "byte {byte} before {tool} in FileName");
            let behind = judge.run([tool.as_bytes(), &[byte]].concat(), "x").is_some();
            assert_eq!(
                behind,
                is_free || (tool == "zgrab" && byte == b'2'),
                "byte {byte} behind {tool} in FileName"
            );
        }
    }
}

#[test]
fn whole_names_are_compared_whole() {
    let judge = Judge::new();
    let names = CLIENTS
        .iter()
        .map(|(client, _)| *client)
        .chain(OPENSSL)
        .chain(["certutil.exe"]);
    for name in names {
        let line = "x crt.sh s_client -store";
        assert!(judge.run(name, line).is_some(), "{name}");
        for byte in 0..=u8::MAX {
            let longer = [name.as_bytes(), &[byte]].concat();
            assert_eq!(
                judge.run(&longer, line).is_some(),
                longer.eq_ignore_ascii_case(b"python3"),
                "{longer:?}"
            );
            let longer = [&[byte], name.as_bytes()].concat();
            assert!(judge.run(&longer, line).is_none(), "{longer:?}");
        }
    }
    // A Kelvin sign is not a `k`, a long s is not an `s`: case is compared for ASCII letters only.
    assert!(judge.run("openſsl", "x s_client").is_none());
}

#[test]
fn what_must_not_match() {
    let judge = Judge::new();
    #[rustfmt::skip]
    let table = [
        ("curlx", "curlx https://crt.sh/"),
        ("mycurl", "mycurl https://crt.sh/"),
        ("curl.", "curl. https://crt.sh/"),
        ("/usr/bin/curl", "curl https://crt.sh/"),
        ("", "curl https://crt.sh/"),
        ("python3.11", "python3.11 -c 'crt.sh'"),
        ("python2", "python2 -c 'crt.sh'"),
        ("pwsh", "pwsh -c 'iwr https://crt.sh/'"),
        ("powershell", "powershell https://crt.sh/"),
        ("certutil", "certutil -store My"),
        ("bash", "bash -c 'curl https://crt.sh/'"),
        ("firefox", "firefox https://crt.sh/"),
        ("curl", "curl https://crt.shx/"),
        ("curl", "curl https://xcrt.sh/"),
        ("curl", "curl https://crt_sh/"),
        ("curl", "curl https://crt.s h/"),
        ("curl", "curl https://crt%2esh/"),
        ("curl", "curl https://example.com/"),
        ("openssl", "openssl req -new"),
        ("openssl", "openssl -connected connect"),
        ("openssl", "openssl s_clients xx509 verifying"),
        ("openssl", ""),
        ("certutil.exe", "certutil.exe -hashfile x"),
        ("certutil.exe", "certutil.exe -stores --URLs dump store"),
        ("bash", "openssl s_client -connect example.com:443"),
        ("sslscanner", "sslscanner"),
        ("zgrab3", "zgrab3"),
        ("tlsx2", "tlsx2"),
        ("", ""),
    ];
    for (name, line) in table {
        assert_eq!(judge.run(name, line), None, "{line:?} run as {name:?}");
        assert_eq!(
            judge.run(name, line.replace(' ', "\0")),
            None,
            "{line:?} run as {name:?}, NUL for space"
        );
    }
    assert_eq!(judge.names(&[], "curl https://crt.sh/"), None, "no name at all");
}

#[test]
fn what_must_match_although_it_looks_odd() {
    let judge = Judge::new();
    #[rustfmt::skip]
    let table = [
        ("openssl", "x-connect", "OpenSSLProbe"),
        ("openssl", "openssl s_client\0-connect\0example.com:443\0", "OpenSSLProbe"),
        ("openssl", "openssl --connect=x", "OpenSSLProbe"),
        ("certutil.exe", "certutil.exe x-store", "CertutilEnum"),
        ("certutil.exe", "certutil.exe -url:x", "CertutilEnum"),
        ("curl", "curl https://notes.example/crt.sh.txt", "CTLogQuery"),
        ("curl", "curl https://user@crt.sh:443", "CTLogQuery"),
        ("curl", "curl 'https://crt.sh'", "CTLogQuery"),
        ("curl", "curl \u{e9}crt.sh\u{e9}", "CTLogQuery"),
        ("curl", "crt.sh", "CTLogQuery"),
        ("curl", "crt.shx crt.sh", "CTLogQuery"),
        ("vim", "vim /opt/sslyze-5.0/notes", "CertEnumTool"),
        ("bash", "testssl.sh", "CertEnumTool"),
    ];
    for (name, line, category) in table {
        let verdict = judge.run(name, line);
        assert_eq!(
            verdict.map(|verdict| verdict.category).as_deref(),
            Some(category),
            "{line:?} run as {name:?}"
        );
    }
}

/// The category is of the first arm of the query's `case` that holds, whatever clause made the finding.
#[test]
fn the_category_follows_the_case_order_and_not_the_clause() {
    let judge = Judge::new();
    #[rustfmt::skip]
    let table = [
        ("curl", "curl https://crt.sh", "CTLogQuery"),
        ("curl", "curl https://crt.sh sslscan", "CertEnumTool"),
        ("sslscan", "curl https://crt.sh", "CertEnumTool"),
        ("openssl", "openssl s_client crt.sh", "CTLogQuery"),
        ("openssl", "openssl s_client example.com", "OpenSSLProbe"),
        ("openssl", "openssl s_client tlsx crt.sh", "CertEnumTool"),
        ("certutil.exe", "certutil.exe -urlcache https://crt.sh", "CTLogQuery"),
        ("certutil.exe", "certutil.exe -urlcache zgrab2", "CertEnumTool"),
        ("certutil.exe", "certutil.exe -dump x", "CertutilEnum"),
        ("apt", "apt install ctfr", "CertEnumTool"),
    ];
    for (name, line, category) in table {
        assert_eq!(judge.finding(name, line).0, category, "{line:?} run as {name:?}");
    }
    // A category alone makes no finding: these reach arms of `case`, but no where-clause.
    assert_eq!(judge.run("dig", "dig crt.sh"), None);
    assert_eq!(judge.run("openssl", "openssl crt.sh"), None);
    assert_eq!(judge.run("certutil.exe", "certutil.exe"), None);
}

#[test]
fn any_of_several_names_satisfies_a_condition() {
    let judge = Judge::new();
    let category = |names: &[&[u8]], line: &str| judge.names(names, line).map(|verdict| verdict.category);
    assert_eq!(
        category(&[b"python3", b"python3.11"], "python3 q.py crt.sh").as_deref(),
        Some("CTLogQuery")
    );
    assert_eq!(
        category(&[b"python3.11", b"python3"], "python3 q.py crt.sh").as_deref(),
        Some("CTLogQuery")
    );
    assert_eq!(
        category(&[b"bash", b"dash", b"testssl.sh"], "bash -x").as_deref(),
        Some("CertEnumTool")
    );
    assert_eq!(
        category(&[b"x", b"openssl"], "x s_client").as_deref(),
        Some("OpenSSLProbe")
    );
    assert_eq!(
        category(&[b"curl", b"openssl"], "curl -connect crt.sh").as_deref(),
        Some("CTLogQuery")
    );
    assert_eq!(category(&[b"ssl", b"yze"], "ssl yze"), None, "names are not joined");
    let names: [&[u8]; 3] = [b"curl", b"curl", b"curl"];
    assert_eq!(
        judge.names(&names, "curl crt.sh"),
        judge.names(&names[..1], "curl crt.sh"),
        "repeated names"
    );
}

#[test]
fn matched_terms_are_spelled_like_the_lists_in_order_of_first_occurrence() {
    let judge = Judge::new();
    let terms = |name: &str, line: &str| judge.run(name, line).unwrap().matched_terms;
    assert_eq!(
        terms("CURL", "CURL https://Shodan.IO CRT.SH crt.sh"),
        ["curl", "shodan.io", "crt.sh"]
    );
    assert_eq!(
        terms("curl", "curl search.censys.io"),
        ["curl", "search.censys.io", "censys.io"]
    );
    assert_eq!(
        terms("curl", "crt.shx censys.io crt.sh"),
        ["curl", "censys.io", "crt.sh"],
        "only what counts"
    );
    assert_eq!(terms("sslscan", "sslscan sslscan"), ["sslscan"], "once");
    assert_eq!(
        terms("bash", "bash -c 'tlsx; curl crt.sh'"),
        ["tlsx"],
        "crt.sh made no rule match"
    );
    assert_eq!(
        terms("certutil.exe", "certutil -urlcache -url"),
        ["certutil.exe", "-urlcache", "-URL"]
    );
}

#[test]
fn a_term_at_the_end_of_a_very_long_command_line_is_found() {
    let judge = Judge::new();
    for filler in ["zgrab", "-URL-urlcache", "crt.shcrt.sh", "s_clients_client", "\0", "a "] {
        let mut line = filler.repeat((2 << 20) / filler.len()).into_bytes();
        line.extend(b" https://crt.sh");
        assert_eq!(judge.run("curl", &line).unwrap().category, "CTLogQuery", "{filler:?}");
    }
}

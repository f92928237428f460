//! Every example in contrib/suppressions, and every one in docs/tuning.md, is loaded and does what it is for, and no more.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use cert_recon::{
    config::Config,
    event::{Argv, Exec, FilePath},
    finding::Report,
    rules::{BUILTIN_PACKS, Engine, Subject},
    suppress::Facts,
};

/// An exec and what becomes of it.
struct Case {
    /// The example's file.
    file: &'static str,
    what: &'static str,
    /// The suppression that holds.
    by: Option<&'static str>,
    time: &'static str,
    account: &'static str,
    login: &'static str,
    unit: &'static str,
    container: &'static str,
    path: &'static str,
    line: &'static str,
    targets: &'static [&'static str],
}

const CASE: Case = Case {
    file: "",
    what: "",
    by: None,
    time: "2029-06-01T00:00:00Z",
    account: "root",
    login: "mallory",
    unit: "session-3.scope",
    container: "",
    path: "/usr/bin/openssl",
    line: "",
    targets: &[],
};

fn cases() -> Vec<Case> {
    let scans = Case {
        file: "internal-scans.toml",
        path: "/usr/bin/sslscan",
        line: "sslscan 10.1.2.3",
        targets: &["10.1.2.3"],
        ..CASE
    };
    let nightly = Case {
        account: "tls-scanner",
        ..scans
    };
    let pipelines = Case {
        file: "ci-own-domains.toml",
        account: "gitlab-runner",
        unit: "gitlab-runner.service",
        path: "/usr/bin/curl",
        line: "curl https://crt.sh/?q=%25.corp.example",
        targets: &["corp.example"],
        ..CASE
    };
    let files = Case {
        file: "openssl-debugging.toml",
        line: "openssl x509 -in /etc/ssl/own.pem -noout -dates",
        ..CASE
    };
    let handshake = Case {
        login: "netops-7",
        line: "openssl s_client -connect www.corp.example:443",
        targets: &["www.corp.example"],
        ..files
    };
    let renewal = Case {
        file: "acme-clients.toml",
        unit: "certbot.service",
        line: "openssl x509 -in cert.pem -noout -enddate",
        ..CASE
    };
    let script = Case {
        account: "acme",
        unit: "cron.service",
        ..renewal
    };
    let test = Case {
        file: "authorised-test.toml",
        login: "pentest1",
        path: "/usr/bin/curl",
        line: "curl https://crt.sh/?q=shop.corp.example",
        targets: &["shop.corp.example"],
        ..CASE
    };
    vec![
        Case {
            what: "the nightly scan",
            by: Some("internal-tls-scans"),
            ..nightly
        },
        Case {
            what: "the nightly scan of a whole network of ours",
            by: Some("internal-tls-scans"),
            line: "sslscan 10.1.0.0/16",
            targets: &["10.1.0.0/16"],
            ..nightly
        },
        Case {
            what: "a scan of ours and of somebody else's",
            targets: &["10.1.2.3", "victim.example"],
            ..nightly
        },
        Case {
            what: "a host that is named like a network",
            targets: &["10.1.2.3.evil.example"],
            ..nightly
        },
        Case {
            what: "a scan without a known target",
            targets: &[],
            ..nightly
        },
        Case {
            what: "a scan by hand, through sudo",
            by: Some("internal-tls-scans-by-hand"),
            login: "alice",
            ..scans
        },
        Case {
            what: "a scan by somebody else",
            ..scans
        },
        Case {
            what: "a pipeline asks about our own domain",
            by: Some("ci-own-certificates"),
            ..pipelines
        },
        Case {
            what: "a pipeline asks about somebody else's",
            targets: &["victim.example"],
            ..pipelines
        },
        Case {
            what: "a name that only ends like ours",
            targets: &["evilcorp.example"],
            ..pipelines
        },
        Case {
            what: "the same question from a shell",
            unit: "session-3.scope",
            ..pipelines
        },
        Case {
            what: "a job in a container",
            by: Some("ci-own-certificates-in-containers"),
            unit: "docker-0123.scope",
            container: "0123456789ab",
            ..pipelines
        },
        Case {
            what: "a certificate in a file",
            by: Some("openssl-local-files"),
            ..files
        },
        Case {
            what: "a certificate behind a URL",
            line: "openssl x509 -in http://victim.example/cert.pem",
            ..files
        },
        Case {
            what: "another program of that name",
            path: "/tmp/openssl",
            ..files
        },
        Case {
            what: "a handshake with our own host",
            by: Some("openssl-own-hosts"),
            ..handshake
        },
        Case {
            what: "a handshake with another",
            targets: &["victim.example"],
            ..handshake
        },
        Case {
            what: "a handshake by somebody without that task",
            login: "mallory",
            ..handshake
        },
        Case {
            what: "certbot looks at a certificate",
            by: Some("certbot-renewal"),
            ..renewal
        },
        Case {
            what: "something else in certbot's unit",
            path: "/usr/bin/curl",
            line: "curl https://crt.sh/?q=victim.example",
            ..renewal
        },
        Case {
            what: "acme.sh looks at a certificate",
            by: Some("acme-scripts"),
            ..script
        },
        Case {
            what: "its account makes a handshake",
            line: "openssl s_client -connect victim.example:443",
            ..script
        },
        Case {
            what: "the test, on its last day",
            by: Some("pentest-2030-q1"),
            time: "2030-03-31T23:59:59Z",
            ..test
        },
        Case {
            what: "the retest, after the test",
            by: Some("pentest-retest"),
            time: "2030-04-02T15:59:59Z",
            ..test
        },
        Case {
            what: "the testers, when both are over",
            time: "2030-04-02T16:00:00Z",
            ..test
        },
        Case {
            what: "the testers outside of what was agreed",
            targets: &["victim.example"],
            ..test
        },
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/suppressions")
}

fn load(file: &str) -> Config {
    let text = fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    Config::parse(file, &text).unwrap_or_else(|error| panic!("{error}"))
}

fn engine() -> Engine {
    let packs: Result<Vec<_>, _> = BUILTIN_PACKS.iter().map(|pack| pack.parse()).collect();
    Engine::new(&packs.unwrap()).unwrap()
}

/// The finding that the rules make of it.
fn report(case: &Case, engine: &Engine) -> Report {
    let mut argv = case.line.replace(' ', "\0").into_bytes();
    argv.push(0);
    let name = case.line.split(' ').next().unwrap().as_bytes();
    let names = [name];
    let subject = Subject::new(&names, case.line.as_bytes());
    let verdict = engine.judge(&subject, &mut engine.scratch());
    assert!(verdict.is_some(), "{}: it is a finding", case.what);
    let time: SystemTime = humantime::parse_rfc3339(case.time).unwrap();
    let mut exec = Exec::new(time, Argv::whole(&argv));
    exec.path = Some(name);
    exec.executable = Some(FilePath::Plain(case.path.as_bytes()));
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut report = Report::new(&exec, verdict);
    report.account = known(case.account);
    report.login_account = known(case.login);
    report.systemd_unit = known(case.unit);
    report.container_id = known(case.container);
    report
}

#[test]
fn each_example_suppresses_what_it_is_for_and_nothing_near_it() {
    let engine = engine();
    let mut used = BTreeSet::new();
    for case in cases() {
        let config = load(case.file);
        let report = report(&case, &engine);
        let targets: Vec<String> = case.targets.iter().map(|&target| target.to_owned()).collect();
        let mut facts = Facts::of(&report).unwrap();
        facts.targets = &targets;
        let by = config.suppressions.iter().find(|suppression| suppression.holds(&facts));
        let by = by.map(|suppression| suppression.name.as_str());
        assert_eq!(by, case.by, "{}: {}", case.file, case.what);
        used.extend(by.map(str::to_owned));
    }
    let all: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .flat_map(|entry| load(entry.unwrap().file_name().to_str().unwrap()).suppressions)
        .map(|suppression| suppression.name)
        .collect();
    assert_eq!(used, all, "each is exercised");
}

#[test]
fn each_example_says_who_answers_for_it_and_all_fit_into_one_file() {
    let mut whole = String::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        for suppression in load(&file).suppressions {
            assert!(suppression.owner.is_some(), "{file}: {}", suppression.name);
        }
        whole.push_str(&fs::read_to_string(folder().join(file)).unwrap());
    }
    assert_eq!(Config::parse("all", &whole).unwrap().suppressions.len(), 10);
}

#[test]
fn the_configurations_in_the_documentation_are_good() {
    let text = include_str!("../../docs/tuning.md");
    let mut blocks = 0;
    for block in text.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        Config::parse("docs/tuning.md", block).unwrap_or_else(|error| panic!("{error}\n{block}"));
        blocks += 1;
    }
    assert!(blocks >= 2, "there are some");
}

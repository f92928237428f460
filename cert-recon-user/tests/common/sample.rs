//! Findings of an invented incident, judged by the real rules: for the page of a hunt.

use std::time::{Duration, SystemTime};

use cert_recon::{
    event::{Argv, Exec, FilePath},
    finding::{Image, Origin, Process, Report},
    rules::{BUILTIN_PACKS, DEFAULT_PACKS, Engine, Pack, Subject},
};

/// 2026-11-20T08:00:00Z.
const START: u64 = 1_795_161_600;

/// Minutes after the start, host, who logged in, account, and the command line.
const COMMANDS: &[(u64, &str, &str, &str, &[&str])] = &[
    (
        3,
        "jump1",
        "alice",
        "alice",
        &["curl", "-s", "https://crt.sh/?q=%.example.com&output=json"],
    ),
    (
        4,
        "jump1",
        "alice",
        "alice",
        &["curl", "-s", "https://crt.sh/?q=%.example.org&output=json"],
    ),
    (
        5,
        "jump1",
        "alice",
        "root",
        &["curl", "-s", "https://crt.sh/?q=%.corp.example&output=json"],
    ),
    (
        9,
        "jump1",
        "alice",
        "root",
        &[
            "wget",
            "-qO-",
            "https://api.certspotter.com/v1/issuances?domain=example.com&include_subdomains=true",
        ],
    ),
    (
        31,
        "jump1",
        "alice",
        "root",
        &[
            "openssl",
            "s_client",
            "-connect",
            "vpn.example.com:443",
            "-servername",
            "vpn.example.com",
        ],
    ),
    (
        32,
        "jump1",
        "alice",
        "root",
        &["openssl", "s_client", "-connect", "mail.example.com:993"],
    ),
    (
        33,
        "jump1",
        "alice",
        "root",
        &[
            "openssl",
            "s_client",
            "-connect",
            "intranet.corp.example:8443",
            "-showcerts",
        ],
    ),
    (
        58,
        "jump1",
        "alice",
        "root",
        &[
            "/opt/testssl.sh/testssl.sh",
            "--quiet",
            "--jsonfile",
            "/tmp/.x.json",
            "vpn.example.com:443",
        ],
    ),
    (190, "build7", "ci", "ci", &["apt-get", "install", "-y", "sslscan"]),
    (
        240,
        "build7",
        "ci",
        "ci",
        &["sslscan", "--no-colour", "registry.example.com"],
    ),
    (
        245,
        "build7",
        "ci",
        "ci",
        &["openssl", "x509", "-in", "server.pem", "-noout", "-text"],
    ),
    (1470, "jump1", "bob", "bob", &["vim", "notes-on-sslyze.txt"]),
    (
        1475,
        "jump1",
        "bob",
        "bob",
        &["python3", "-m", "sslyze", "--regular", "www.example.org"],
    ),
    (
        1480,
        "jump1",
        "bob",
        "bob",
        &[
            "bash",
            "-c",
            "for d in $(cat domains); do curl -s \"https://crt.sh/?q=$d\" | jq .; done",
        ],
    ),
    (
        1481,
        "jump1",
        "bob",
        "bob",
        &["curl", "-s", "https://crt.sh/?q=shop.example.net"],
    ),
    (
        1482,
        "jump1",
        "bob",
        "bob",
        &["curl", "-s", "https://crt.sh/?q=mail.example.net"],
    ),
    (
        1483,
        "jump1",
        "bob",
        "bob",
        &["curl", "-s", "https://crt.sh/?q=dev.example.net"],
    ),
    (
        1490,
        "jump1",
        "bob",
        "bob",
        &["subfinder", "-d", "example.net", "-silent"],
    ),
    (
        2950,
        "web-3",
        "alice",
        "www-data",
        &["nmap", "--script", "ssl-cert", "-p", "443", "10.0.0.0/24"],
    ),
];

fn engine() -> Engine {
    let packs = BUILTIN_PACKS.iter().filter(|pack| DEFAULT_PACKS.contains(&pack.name));
    let packs: Vec<Pack> = packs.map(|pack| pack.parse().unwrap()).collect();
    Engine::new(&packs).unwrap()
}

fn argv(arguments: &[&str]) -> Vec<u8> {
    arguments
        .iter()
        .flat_map(|argument| [argument.as_bytes(), b"\0"].concat())
        .collect()
}

fn process(pid: u32, path: &str, arguments: &[&str]) -> Process {
    let argv = argv(arguments);
    Process {
        pid: Some(pid),
        image: Image {
            file_name: path.rsplit('/').next().map(|name| name.as_bytes().to_vec()),
            folder_path: Some(path.as_bytes().to_vec()),
            argv_total: argv.len() as u64,
            argv: Some(argv),
            argv_is_text: false,
        },
    }
}

fn ancestry(login: &str, account: &str) -> Vec<Process> {
    let session = format!("sshd: {login}@pts/0");
    let mut processes = vec![
        process(2214, "/usr/bin/bash", &["-bash"]),
        process(2213, "/usr/sbin/sshd", &[&session]),
        process(2201, "/usr/sbin/sshd", &[&format!("sshd: {login} [priv]")]),
        process(811, "/usr/sbin/sshd", &["/usr/sbin/sshd", "-D"]),
        process(1, "/usr/lib/systemd/systemd", &["/sbin/init", "splash"]),
    ];
    if login != account {
        processes.insert(0, process(2290, "/usr/bin/sudo", &["sudo", "-s"]));
        processes.insert(0, process(2291, "/bin/bash", &["/bin/bash"]));
    }
    processes
}

/// Findings, latest first.
pub(crate) fn incident() -> Vec<Report> {
    let engine = engine();
    let mut scratch = engine.scratch();
    let mut reports = Vec::new();
    for (number, (minutes, host, login, account, arguments)) in (0_u32..).zip(COMMANDS) {
        let line = argv(arguments);
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros((START + minutes * 60) * 1_000_000 + 81_885);
        let mut exec = Exec::new(time, Argv::whole(&line));
        let path = match arguments[0].starts_with('/') {
            true => arguments[0].to_owned(),
            false => format!("/usr/bin/{}", arguments[0]),
        };
        exec.pid = Some(2300 + number);
        exec.path = Some(path.as_bytes());
        exec.executable = Some(FilePath::Plain(path.as_bytes()));
        exec.directory = Some(FilePath::Plain(b"/home/alice"));
        exec.tty = Some(b"pts0");
        exec.session_id = Some(3);
        let name = exec.file_name().unwrap();
        let verdict = engine.judge(&Subject::new(&[name], &line), &mut scratch);
        assert!(verdict.is_some(), "the rules no longer match {arguments:?}");
        let mut report = Report::new(&exec, verdict);
        report.account = Some((*account).to_owned());
        report.login_account = Some((*login).to_owned());
        report.ancestry = ancestry(login, account);
        report.parent_pid = report.ancestry.first().and_then(|parent| parent.pid);
        report.origin = Some(Origin {
            source: "auditd",
            file: Some(b"/var/log/audit/audit.log.1".to_vec()),
            line: 1200 + u64::from(number) * 17,
            key: Some(b"execs".to_vec()),
            device: Some((*host).to_owned()),
        });
        reports.push(report);
    }
    reports.reverse();
    reports
}

/// A finding of which every text is hostile.
pub(crate) fn hostile(text: &str) -> Report {
    let mut report = incident().remove(0);
    let bytes = || Some(text.as_bytes().to_vec());
    let name = || Some(text.to_owned());
    report.argv = [text.as_bytes(), b"\0", text.as_bytes(), b"\xff\0"].concat();
    report.argv_total = report.argv.len() as u64;
    (report.account, report.login_account, report.effective_account) = (name(), name(), name());
    report.effective_uid = Some(0);
    (report.container_id, report.systemd_unit, report.systemd_user_unit) = (name(), name(), name());
    (report.file_name, report.folder_path, report.script_path) = (bytes(), bytes(), bytes());
    (report.directory, report.tty, report.cgroup_path) = (bytes(), bytes(), bytes());
    report.sha256 = Some(Err(text.to_owned()));
    report.known_as = vec![text.to_owned()];
    let image = Image {
        file_name: bytes(),
        folder_path: bytes(),
        argv: bytes(),
        argv_total: 1 << 20,
        argv_is_text: false,
    };
    report.previous = Some(image.clone());
    report.ancestry = vec![Process { pid: Some(7), image }; 3];
    let list = || vec![text.to_owned()];
    let verdict = report.verdict.as_mut().unwrap();
    verdict.category = text.to_owned();
    verdict.technique = text.to_owned();
    verdict.technique_label = name();
    (verdict.rule_ids, verdict.packs, verdict.matched_terms) = (list(), list(), list());
    (verdict.services, verdict.targets) = (list(), list());
    report.origin = Some(Origin {
        source: "auditd",
        file: bytes(),
        line: 1,
        key: bytes(),
        device: name(),
    });
    report
}

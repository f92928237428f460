use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::source::recorded::{
    Input, Parser,
    format::detect,
    judging::{Judging, withstands},
};

const TIMED: &[u8] = include_bytes!("../../../../tests/data/records/bash-timed.history");
const LITHIST: &[u8] = include_bytes!("../../../../tests/data/records/bash-lithist.history");
const PLAIN: &[u8] = include_bytes!("../../../../tests/data/records/bash-plain.history");
const ZSH: &[u8] = include_bytes!("../../../../tests/data/records/zsh-extended.history");
const ZSH_PLAIN: &[u8] = include_bytes!("../../../../tests/data/records/zsh-plain.history");
const FISH: &[u8] = include_bytes!("../../../../tests/data/records/fish_history");

fn bash() -> Box<dyn Parser> {
    Box::<Bash>::default()
}

fn zsh() -> Box<dyn Parser> {
    Box::<Zsh>::default()
}

fn fish() -> Box<dyn Parser> {
    Box::<Fish>::default()
}

fn changed() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_700_000)
}

fn found(parser: Box<dyn Parser>, bytes: &[u8]) -> Judging {
    Judging::of(parser, Input::of_bytes(bytes).with_modified(changed()))
}

#[test]
fn each_line_with_recon_in_it_is_one_finding_that_shows_the_line() {
    let curl = "curl -s 'https://crt.sh/?q=%25.example.com&output=json' | jq .";
    let loops = "for d in example.com example.org; do curl -s \"https://crt.sh/?q=$d\"; done";
    for (parser, bytes) in [(bash(), TIMED), (bash(), PLAIN)] {
        let lines = found(parser, bytes).lines();
        let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        for text in [curl, loops, "sudo sslscan www.example.com"] {
            assert_eq!(
                texts.iter().filter(|line| **line == text).count(),
                1,
                "{text}: {texts:?}"
            );
        }
        let mut places: Vec<u64> = lines.iter().map(|(place, _)| *place).collect();
        places.dedup();
        assert_eq!(places.len(), lines.len(), "{lines:?}");
    }
}

#[test]
fn what_a_pipe_runs_is_found_in_the_line_as_a_whole() {
    let judging = found(zsh(), ZSH);
    let text = "echo \"c3Nsc2NhbiB3d3cuZXhhbXBsZS5jb20=\" | base64 -d | sh";
    let finding = judging.findings.iter().find(|(line, _)| *line == 2).unwrap();
    assert_eq!(finding.1.argv, text.as_bytes());
    assert!(finding.1.argv_is_text);
    assert_eq!(finding.1.verdict.as_ref().unwrap().matched_terms, ["sslscan"]);
}

#[test]
fn a_command_of_many_lines_is_one_and_its_parts_are_shown() {
    for (parser, bytes) in [(bash(), LITHIST), (zsh(), ZSH), (zsh(), ZSH_PLAIN)] {
        let lines = found(parser, bytes).lines();
        for domain in ["example.com", "example.org"] {
            let text = format!("curl -s https://crt.sh/?q={domain}");
            assert_eq!(lines.iter().filter(|(_, line)| *line == text).count(), 1, "{lines:?}");
        }
    }
}

#[test]
fn a_time_is_that_of_the_line_before_or_the_latest_that_it_can_have_been() {
    let times = |parser, bytes| {
        let findings = found(parser, bytes).findings;
        let (_, report) = findings.into_iter().next().unwrap();
        (report.time, report.time_is_limit)
    };
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(times(bash(), TIMED), (at(1_795_630_240), false));
    assert_eq!(times(zsh(), ZSH), (at(1_795_630_956), false));
    assert_eq!(times(fish(), FISH), (at(1_795_630_876), false));
    assert_eq!(times(bash(), PLAIN), (changed(), true));
    assert_eq!(times(zsh(), ZSH_PLAIN), (changed(), true));
    let unknown = Judging::of(bash(), Input::of_bytes(PLAIN));
    assert_eq!(
        (unknown.findings[0].1.time, unknown.findings[0].1.time_is_limit),
        (UNIX_EPOCH, true)
    );
}

#[test]
fn commands_without_times_behind_one_with_a_time_are_all_found() {
    let mut text = "#1700000000\nls\n".to_owned();
    for number in 0..3000 {
        text += &format!("sslscan host{number}.example.com\n");
    }
    let judging = found(bash(), text.as_bytes());
    assert_eq!(judging.findings.len(), 3000);
    assert!(judging.bad.is_empty(), "{:?}", judging.bad);
}

#[test]
fn the_encodings_of_zsh_and_fish_are_undone() {
    let lines = |parser, bytes: &[u8]| found(parser, bytes).lines();
    assert_eq!(
        lines(zsh(), b": 1700000000:0;sslscan \xc3\x83\x80 x.example.com\n"),
        [(1, "sslscan à x.example.com".to_owned())]
    );
    assert_eq!(
        lines(zsh(), b"sslscan x.example.com \x83"),
        [(1, "sslscan x.example.com".to_owned())]
    );
    assert_eq!(
        lines(fish(), b"- cmd: sslscan \\\\x.example.com\n  when: 1700000000\n"),
        [(1, "sslscan \\x.example.com".to_owned())]
    );
}

#[test]
fn a_variable_that_is_not_known_makes_no_target() {
    let judging = found(bash(), b"curl \"https://crt.sh/?q=$domain\"\n");
    assert_eq!(judging.findings.len(), 1);
    let verdict = judging.findings[0].1.verdict.as_ref().unwrap();
    assert_eq!(verdict.services, ["crt.sh"]);
    assert!(verdict.targets.is_empty(), "{:?}", verdict.targets);
}

#[test]
fn harmless_lines_are_no_findings() {
    let lines = b"ls -la\n\n   \ncd /tmp\n# a remark\ngit commit -m 'it works'\nvim notes.txt\necho $((1+1\n";
    assert!(found(bash(), lines).lines().is_empty());
}

#[test]
fn histories_are_known_by_their_times_or_their_names_and_other_texts_are_none() {
    for (bytes, expected) in [
        (TIMED, Some(Format::BashHistory)),
        (LITHIST, Some(Format::BashHistory)),
        (&TIMED[3..], Some(Format::BashHistory)),
        (ZSH, Some(Format::ZshHistory)),
        (&ZSH[3..], Some(Format::ZshHistory)),
        (FISH, Some(Format::FishHistory)),
        (PLAIN, None),
        (ZSH_PLAIN, None),
        (b"#1700000000\nls\n", Some(Format::BashHistory)),
        (b"#1700000000\nls\n\n\nof a text\nof many\nlines\n", None),
        (b"#123456789012\nls\n#12\n#17000000000x\n", None),
    ] {
        assert_eq!(detect(bytes), expected, "{}", String::from_utf8_lossy(bytes));
    }
    for (path, expected) in [
        ("/var/lib/.bash_history", Some(Format::BashHistory)),
        ("alice.bash_history.gz", Some(Format::BashHistory)),
        ("%2Ebash_history", Some(Format::BashHistory)),
        (".bash_history-12345.tmp", Some(Format::BashHistory)),
        ("/x/.history", Some(Format::BashHistory)),
        (".zsh_history", Some(Format::ZshHistory)),
        (".histfile.zst", Some(Format::ZshHistory)),
        ("fish_history", Some(Format::FishHistory)),
        ("history", None),
        ("bash_historyx", None),
        ("auth.log", None),
        ("/", None),
    ] {
        assert_eq!(by_name(Path::new(path)), expected, "{path}");
    }
}

#[test]
fn no_damage_to_a_history_takes_what_stands_before_it() {
    withstands(zsh, b": 1700000000:0;ls\n: 1700000001:0;id\n: 1700000002:0;sslscan x\n");
    withstands(fish, b"- cmd: ls\n  when: 1700000000\n- cmd: id\n  when: 1700000001\n");
    // A time that is cut is a line, and a line that is cut is a command.
    withstands(bash, b"ls\nid -u\nsslscan x\n");
    for end in 0..LITHIST.len() {
        let _ = found(bash(), &LITHIST[..end]);
    }
}

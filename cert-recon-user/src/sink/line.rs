//! The text form of every record: one line for people.

use std::{fmt::Write as _, time::Duration};

use bytesize::ByteSize;

use super::json::timestamp;
use crate::{
    finding::{Origin, Report},
    record::{Blind, Health, Lost, OutputState, Record},
    rules::Confidence,
    text::for_terminal,
};

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const CYAN: &str = "\x1b[36m";
const NONE: &str = "";

/// The record as one line, with its newline. Colour marks the confidence of a finding and what is wrong with the monitor.
#[must_use]
pub fn line(record: &Record, colour: bool) -> Vec<u8> {
    let (name, paint, text) = match record {
        Record::Exec(exec) => return report(exec, colour),
        Record::Lost(record) => ("EventsLost", YELLOW, lost(record)),
        Record::Health(record) if record.problems.is_empty() => ("SensorHealth", NONE, health(record)),
        Record::Health(record) => ("SensorHealth", YELLOW, health(record)),
        Record::Blind(record) => ("SensorBlind", RED, blind(record)),
    };
    // As wide as confidence and category of a finding together.
    let name = painted(&format!("{name:<20}"), paint, colour);
    format!(
        "{}  {name}  {}\n",
        timestamp(record.time()),
        for_terminal(text.as_bytes())
    )
    .into_bytes()
}

fn lost(lost: &Lost) -> String {
    format!(
        "{} execs between {} and {} went unseen ({} since the start): raise --ring-size, or find what starts so many",
        lost.count,
        timestamp(lost.since),
        timestamp(lost.time),
        lost.total
    )
}

fn blind(blind: &Blind) -> String {
    let seen = match blind.last_seen {
        Some(time) => format!("last seen {}", timestamp(time)),
        None => "never seen".to_owned(),
    };
    format!(
        "execs no longer reach the monitor: its own test exec did not come back ({seen}; {}). Nothing is reported until it \
         does: restart cert-recon, and find out who detached its program (bpftool link, bpftool prog)",
        blind.reason
    )
}

fn health(health: &Health) -> String {
    let (totals, sums) = (health.totals, health.sums);
    let mut text = health.status().to_owned();
    if !health.problems.is_empty() {
        text.push_str(": ");
        text.push_str(&health.problems.join(", "));
    }
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "; execs {} = delivered {} + lost {}; delivered {} = findings {} + suppressed {} + folded {} + clean {}; up {}, \
         memory {}, ",
        totals.execs,
        totals.delivered,
        totals.lost,
        sums.delivered,
        sums.findings,
        sums.suppressed,
        sums.folded,
        sums.clean,
        humantime::format_duration(Duration::from_secs(health.uptime_seconds)),
        ByteSize(health.resident_bytes),
    );
    let _ = match health.last_canary {
        Some(last) => {
            let age = health.time.duration_since(last).unwrap_or_default();
            write!(
                text,
                "canary {} ago",
                humantime::format_duration(Duration::from_secs(age.as_secs()))
            )
        }
        None => write!(text, "no canary yet"),
    };
    for output in &health.outputs {
        let _ = write!(text, "; {}", output_state(output));
    }
    for suppression in &health.suppressions {
        if suppression.count != 0 {
            let _ = write!(text, "; suppressed by {}: {}", suppression.name, suppression.count);
        }
        if suppression.expired {
            let _ = write!(text, "; suppression {} has expired", suppression.name);
        }
    }
    let hashing = health.hashing;
    for (count, what) in [
        (totals.argv_cut, "argv incomplete"),
        (totals.path_cut, "paths incomplete"),
        (health.images_forgotten, "programs forgotten"),
        (hashing.too_large, "files too large to hash"),
        (hashing.too_busy, "files not hashed for lack of time"),
        (hashing.unavailable, "files gone before they were hashed"),
    ] {
        if count != 0 {
            let _ = write!(text, "; {what}: {count}");
        }
    }
    text
}

fn output_state(output: &OutputState) -> String {
    let mut text = format!("{}: lines {}, dropped {}", output.name, output.lines, output.dropped);
    if let Some(removed) = output.removed {
        // Writing to a String can't fail.
        let _ = write!(text, ", removed {} files", removed.files);
    }
    if output.queued_bytes != 0 {
        // Writing to a String can't fail.
        let _ = write!(text, ", {} waiting", ByteSize(output.queued_bytes));
    }
    if output.failing {
        text.push_str(", failing");
    }
    text
}

/// The exec as one line, with its newline.
#[must_use]
pub fn report(report: &Report, colour: bool) -> Vec<u8> {
    let (confidence, category, paint) = match &report.verdict {
        Some(verdict) => {
            let paint = match verdict.confidence {
                Confidence::High => RED,
                Confidence::Medium => YELLOW,
                Confidence::Low => CYAN,
            };
            (verdict.confidence.as_str(), verdict.category.as_str(), paint)
        }
        None => ("-", "-", NONE),
    };
    let kind = painted(
        &format!("{confidence:<6}  {:<12}", for_terminal(category.as_bytes())),
        paint,
        colour,
    );
    let pid = report.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let account = account(report);
    // Of a record without a time the latest is known.
    let by = if report.time_is_limit { "by " } else { "" };
    let mut line = format!(
        "{by}{}  {kind}  {:<12}  {pid:>7}  ",
        timestamp(report.time),
        for_terminal(account.as_bytes()),
    );
    // Writing to a String can't fail.
    if let Some(path) = report.folder_path.as_ref().or(report.file_name.as_ref()) {
        let _ = write!(line, "{}  ", for_terminal(path));
    }
    let mut command: Vec<u8> = report.argv.strip_suffix(b"\0").unwrap_or(&report.argv).to_vec();
    command.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    let _ = write!(line, "{}", for_terminal(&command));
    if let Some(verdict) = &report.verdict {
        let _ = write!(
            line,
            "  [{}]",
            for_terminal(verdict.matched_terms.join(", ").as_bytes())
        );
    }
    if let Some(name) = report.known_as.first() {
        let _ = write!(line, "  (a copy of {})", for_terminal(name.as_bytes()));
    }
    let origin = origin(report);
    if !origin.is_empty() {
        let _ = write!(line, "  ({})", for_terminal(origin.as_bytes()));
    }
    let captured = report.argv.len() as u64;
    if report.argv_is_text && captured != report.argv_total {
        line.push_str("  (command line cut)");
    } else if captured != report.argv_total {
        let _ = write!(line, "  (argv cut: {captured} of {} bytes)", report.argv_total);
    }
    if report.fileless == Some(true) {
        line.push_str("  (no file on disk)");
    }
    if let Some(folded) = report.tuning.folded {
        let _ = write!(line, "  ({} like this since {})", folded.count, timestamp(folded.since));
    }
    if let Some(suppressed) = &report.tuning.suppressed {
        let _ = write!(
            line,
            "  (suppressed by {}: {})",
            for_terminal(suppressed.name.as_bytes()),
            for_terminal(suppressed.reason.as_bytes())
        );
    }
    if report.events_lost != 0 {
        let _ = write!(line, "  ({} execs lost before this)", report.events_lost);
    }
    if let Some(origin) = &report.origin {
        line.push_str(&record(origin));
    }
    line.push('\n');
    line.into_bytes()
}

/// Which record says so: the host that it names, its kind, its place.
fn record(origin: &Origin) -> String {
    let mut text = format!("  ({}", origin.source);
    // Writing to a String can't fail.
    if let Some(file) = &origin.file {
        let _ = write!(text, " {}", for_terminal(file));
        if origin.line != 0 {
            let _ = write!(text, ":{}", origin.line);
        }
    } else if origin.line != 0 {
        let _ = write!(text, " line {}", origin.line);
    }
    if let Some(device) = &origin.device {
        let _ = write!(text, ", on {}", for_terminal(device.as_bytes()));
    }
    text.push(')');
    text
}

/// Who: the account, whose power it has, and who logged in, where these are not the same.
fn account(report: &Report) -> String {
    // A record may know no more than the number.
    let number = || report.uid.map_or_else(|| "-".to_owned(), |uid| uid.to_string());
    let mut account = report.account.clone().unwrap_or_else(number);
    if report.effective_uid != report.uid
        && let Some(effective) = &report.effective_account
    {
        // Writing to a String can't fail.
        let _ = write!(account, " (as {effective})");
    }
    if report.login_uid != report.uid
        && let Some(login) = &report.login_account
    {
        let _ = write!(account, " (login {login})");
    }
    account
}

/// From where: the parent's program, the container, the unit.
fn origin(report: &Report) -> String {
    let mut parts = Vec::new();
    if let Some(parent) = report.ancestry.first().and_then(|p| p.image.file_name.as_deref()) {
        parts.push(format!("from {}", for_terminal(parent)));
    }
    let container = report.container_id.as_deref();
    if let Some(id) = container {
        // The length that container engines print.
        let short = id.get(..12).filter(|_| id.len() == 64).unwrap_or(id);
        parts.push(format!("container {short}"));
    }
    let unit = report.systemd_user_unit.as_ref().or(report.systemd_unit.as_ref());
    // The scope of a container says nothing that its id does not.
    if let Some(unit) = unit.filter(|unit| !container.is_some_and(|id| unit.contains(id))) {
        parts.push(format!("unit {unit}"));
    }
    parts.join(", ")
}

pub(super) fn painted(text: &str, paint: &str, colour: bool) -> String {
    if colour && !paint.is_empty() {
        format!("{paint}{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        event::{Argv, Exec},
        finding::{Image, Process},
        pipeline::Sums,
        record::{Hashing, Occasion},
        source::live::Totals,
        text::is_harmful,
    };

    const ID: &str = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d";

    fn exec(argv: &[u8]) -> Report {
        Report::new(&Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(argv)), None)
    }

    fn text(record: &Record) -> String {
        String::from_utf8(line(record, false)).unwrap()
    }

    fn seconds(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn some_health() -> Health {
        Health {
            time: seconds(310),
            occasion: Occasion::Interval,
            problems: Vec::new(),
            uptime_seconds: 300,
            totals: Totals {
                execs: 12,
                delivered: 10,
                lost: 2,
                argv_cut: 0,
                path_cut: 0,
            },
            sums: Sums {
                delivered: 10,
                findings: 1,
                suppressed: 2,
                folded: 3,
                clean: 4,
                own: 1,
                reports: 1,
            },
            last_canary: Some(seconds(300)),
            resident_bytes: 12 << 20,
            ring_bytes: 16 << 20,
            images: 5,
            images_forgotten: 0,
            hashing: Hashing::default(),
            suppressions: Vec::new(),
            outputs: vec![OutputState {
                name: "standard output".to_owned(),
                lines: 7,
                dropped: 0,
                queued_bytes: 0,
                failing: false,
                removed: None,
            }],
            events_lost: 0,
        }
    }

    #[test]
    fn a_hostile_argument_stays_on_its_line_and_a_cut_one_is_marked() {
        let mut report = Report::new(
            &Exec::new(SystemTime::UNIX_EPOCH, Argv::new(b"a\0b\nc\x1b[2J", 100)),
            None,
        );
        report.events_lost = 7;
        assert_eq!(
            text(&Record::Exec(Box::new(report))),
            "1970-01-01T00:00:00.000000Z  -       -             -                   -  a b\\nc\\x1b[2J  \
             (argv cut: 9 of 100 bytes)  (7 execs lost before this)\n"
        );
    }

    #[test]
    fn an_exec_says_who_it_was_and_from_where() {
        let mut report = exec(b"curl\0");
        report.uid = Some(33);
        report.account = Some("www".to_owned());
        report.effective_uid = Some(0);
        report.effective_account = Some("root".to_owned());
        report.login_uid = Some(1000);
        report.login_account = Some("alice".to_owned());
        report.ancestry.push(Process {
            pid: Some(1),
            image: Image {
                file_name: Some(b"ba\x1bsh".to_vec()),
                ..Image::default()
            },
        });
        report.container_id = Some(ID.to_owned());
        report.systemd_unit = Some(format!("docker-{ID}.scope"));
        let of_container = text(&Record::Exec(Box::new(report.clone())));
        assert!(
            of_container.contains("  www (as root) (login alice)  "),
            "{of_container}"
        );
        assert!(
            of_container.ends_with("  curl  (from ba\\x1bsh, container 9ec39b91f3d7)\n"),
            "{of_container}"
        );
        report.container_id = None;
        report.systemd_unit = Some("user@1000.service".to_owned());
        report.systemd_user_unit = Some("app-x.service".to_owned());
        assert!(text(&Record::Exec(Box::new(report))).ends_with("(from ba\\x1bsh, unit app-x.service)\n"));
    }

    #[test]
    fn health_shows_both_sums() {
        assert_eq!(
            text(&Record::Health(Box::new(some_health()))),
            "1970-01-01T00:05:10.000000Z  SensorHealth          ok; execs 12 = delivered 10 + lost 2; \
             delivered 10 = findings 1 + suppressed 2 + folded 3 + clean 4; up 5m, memory 12.0 MiB, canary 10s ago; \
             standard output: lines 7, dropped 0\n"
        );
    }

    #[test]
    fn bad_health_shows_what_is_wrong_first_and_every_count_that_is_not_as_it_should_be() {
        let mut health = some_health();
        health.problems = vec!["2 execs lost".to_owned(), "disk\nfull".to_owned()];
        health.totals.argv_cut = 1;
        health.totals.path_cut = 2;
        health.last_canary = None;
        health.images_forgotten = 3;
        health.hashing = Hashing {
            hashed: 9,
            cached: 9,
            too_large: 4,
            too_busy: 5,
            unavailable: 6,
        };
        for output in &mut health.outputs {
            output.queued_bytes = 1 << 20;
            output.failing = true;
        }
        let record = Record::Health(Box::new(health));
        let shown = text(&record);
        assert!(
            shown.contains("  degraded: 2 execs lost, disk\\nfull; execs 12 = "),
            "{shown}"
        );
        assert!(
            shown.ends_with(
                "no canary yet; standard output: lines 7, dropped 0, 1.0 MiB waiting, failing; argv incomplete: 1; \
                 paths incomplete: 2; programs forgotten: 3; files too large to hash: 4; files not hashed for lack of \
                 time: 5; files gone before they were hashed: 6\n"
            ),
            "{shown}"
        );
        let coloured = String::from_utf8(line(&record, true)).unwrap();
        assert!(coloured.contains("\x1b[33mSensorHealth        \x1b[0m"), "{coloured}");
    }

    #[test]
    fn losses_and_blindness_say_what_to_do() {
        let lost = text(&Record::Lost(Lost {
            time: seconds(2),
            since: seconds(1),
            count: 3,
            total: 5,
            events_lost: 3,
        }));
        assert_eq!(
            lost,
            "1970-01-01T00:00:02.000000Z  EventsLost            3 execs between 1970-01-01T00:00:01.000000Z and \
             1970-01-01T00:00:02.000000Z went unseen (5 since the start): raise --ring-size, or find what starts so many\n"
        );
        let blind = text(&Record::Blind(Blind {
            time: seconds(9),
            last_seen: None,
            reason: "no\u{9b}2J answer".to_owned(),
            events_lost: 0,
        }));
        assert!(blind.contains("(never seen; no\\u{9b}2J answer)"), "{blind}");
        assert!(blind.contains("restart cert-recon"), "{blind}");
        assert!(!blind.trim_end_matches('\n').contains(is_harmful));
    }
}

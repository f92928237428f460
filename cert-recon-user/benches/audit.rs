//! What reading an audit log costs: a generated file through the parser alone, into an `Out` that only counts.
//! `cargo bench --bench audit [MEBIBYTES]`; figures are of one core, and to be compared within one run.

use std::{
    fmt,
    io::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use cert_recon::source::recorded::{Format, Gap, Input, Out, Place, Recorded, input::Progress};
use rustix::time::{ClockId, clock_gettime};

/// Bytes of the piece that is read again and again, under other serial numbers.
const PIECE: usize = 8 << 20;

#[derive(Default)]
struct Count {
    execs: u64,
    bad: u64,
}

impl Out for Count {
    fn exec(&mut self, _: &Recorded<'_>) -> bool {
        self.execs += 1;
        false
    }

    fn bad(&mut self, _: Place, _: &dyn fmt::Display) {
        self.bad += 1;
    }

    fn gap(&mut self, _: Place, _: &Gap) {}
}

/// What the log is made of.
#[derive(Clone, Copy)]
enum Mix {
    /// Each event an exec, whole.
    Execs,
    /// The same without titles (`-a exclude,always -F msgtype=PROCTITLE`), so that no event says where it ends.
    Untitled,
    /// The same as auditd's enriched form.
    Enriched,
    /// One event in ten is an exec; the others open files and log in.
    Mixed,
}

/// A piece of a log. The stamps have a fixed width, so that the piece can be made a later one in place.
fn piece(mix: Mix) -> Vec<u8> {
    let mut text = String::with_capacity(PIECE + 4096);
    let mut event = 0_u64;
    while text.len() < PIECE {
        event += 1;
        let stamp = format!(
            "msg=audit({}.{:03}:{}):",
            1_700_000_000 + event / 200,
            event % 1000,
            10_000_000 + event
        );
        let (pid, ppid) = (1000 + event % 30_000, 900 + event % 50);
        let (names, owners) = match mix {
            Mix::Enriched => (
                "\x1dARCH=x86_64 SYSCALL=execve AUID=\"alice\" UID=\"root\" GID=\"root\" EUID=\"root\" SUID=\"root\" \
                 FSUID=\"root\" EGID=\"root\" SGID=\"root\" FSGID=\"root\"",
                "\x1dOUID=\"root\" OGID=\"root\"",
            ),
            _ => ("", ""),
        };
        if matches!(mix, Mix::Mixed) && !event.is_multiple_of(10) {
            if event.is_multiple_of(3) {
                text += &format!(
                    "type=USER_ACCT {stamp} pid={pid} uid=0 auid=4294967295 ses=4294967295 msg='op=PAM:accounting \
                     grantors=pam_permit acct=\"root\" exe=\"/usr/sbin/cron\" hostname=? addr=? terminal=cron res=success'\n"
                );
                continue;
            }
            text += &format!(
                "type=SYSCALL {stamp} arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7ffd a2=80000 a3=0 items=1 \
                 ppid={ppid} pid={pid} auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 \
                 comm=\"cat\" exe=\"/usr/bin/cat\" key=\"etc\"\n\
                 type=CWD {stamp} cwd=\"/root\"\n\
                 type=PATH {stamp} item=0 name=\"/etc/shadow\" inode=1442841 dev=fe:00 mode=0100640 ouid=0 ogid=42 rdev=00:00 \
                 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0\n\
                 type=PROCTITLE {stamp} proctitle=636174002F6574632F736861646F77\n"
            );
            continue;
        }
        text += &format!(
            "type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 a0=7f62a8bb84f0 a1=7f62a8914e70 a2=9fdcb60 a3=8 \
             items=2 ppid={ppid} pid={pid} auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 \
             comm=\"curl\" exe=\"/usr/bin/curl\" key=\"execs\"{names}\n\
             type=EXECVE {stamp} argc=5 a0=\"curl\" a1=\"-fsSL\" a2=\"https://mirror.example.com/pool/{event}\" a3=\"-o\" \
             a4=\"/var/cache/app/{event}.deb\"\n\
             type=CWD {stamp} cwd=\"/var/cache/app\"\n\
             type=PATH {stamp} item=0 name=\"/usr/bin/curl\" inode=247074 dev=fe:00 mode=0100755 ouid=0 ogid=0 rdev=00:00 \
             nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0{owners}\n\
             type=PATH {stamp} item=1 name=\"/lib64/ld-linux-x86-64.so.2\" inode=325843 dev=fe:00 mode=0100755 ouid=0 ogid=0 \
             rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0{owners}\n"
        );
        if !matches!(mix, Mix::Untitled) {
            text += &format!(
                "type=PROCTITLE {stamp} proctitle=6375726C002D6673534C0068747470733A2F2F6D6972726F722E6578616D706C652E636F6D2F\n"
            );
        }
    }
    text.into_bytes()
}

/// A file of the piece, so many times, each time some minutes later.
fn file(mut piece: Vec<u8>, times: usize) -> io::Result<tempfile::NamedTempFile> {
    let stamps = memchr::memmem::find_iter(&piece, b"msg=audit(");
    // Where the digits of each stamp are that count hundreds of seconds.
    let digits: Vec<usize> = stamps.map(|at| at + b"msg=audit(".len() + 4).collect();
    let mut file = tempfile::NamedTempFile::new()?;
    for time in 0..times {
        let hundreds = format!("{:04}", time % 10_000);
        for at in &digits {
            piece[*at..at + 4].copy_from_slice(hundreds.as_bytes());
        }
        file.write_all(&piece)?;
    }
    Ok(file)
}

/// The least of several runs, in time of the processor: others may use it meanwhile.
fn least(mut run: impl FnMut()) -> Duration {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    };
    (0..5)
        .map(|_| {
            let begun = now();
            run();
            now().saturating_sub(begun)
        })
        .min()
        .unwrap_or_default()
}

fn main() {
    let mebibytes = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(256_usize);
    let times = (mebibytes << 20).div_ceil(PIECE);
    println!(
        "{:28} {:>10} {:>10} {:>10} {:>12}",
        "log", "MB", "MB/s", "lines only", "ns per exec"
    );
    for (name, mix) in [
        ("execs", Mix::Execs),
        ("execs without titles", Mix::Untitled),
        ("execs, enriched", Mix::Enriched),
        ("one exec in ten events", Mix::Mixed),
    ] {
        let piece = piece(mix);
        let bytes = piece.len() * times;
        let file = file(piece, times).expect("a temporary file");
        let input = || Input::open(file.path(), 0, &Arc::<Progress>::default()).expect("a file that can be read");
        let mut counted = Count::default();
        let parsed = least(|| {
            counted = Count::default();
            let mut parser = Format::Auditd.parser().expect("audit logs have a parser");
            parser
                .read(&mut input(), &mut counted)
                .expect("a file that can be read");
            parser.finish(&mut counted);
        });
        // What no parser could be faster than: the same lines, looked at by nobody.
        let lines = least(|| {
            let mut input = input();
            while input.next_line().expect("a file that can be read").is_some() {}
        });
        assert_eq!(counted.bad, 0);
        let rate = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
        println!(
            "{name:28} {:>10.0} {:>10.0} {:>10.0} {:>12.0}",
            bytes as f64 / 1e6,
            rate(parsed),
            rate(lines),
            parsed.as_nanos() as f64 / counted.execs as f64
        );
    }
}

//! What an exec costs in user space, step by step. `cargo bench --bench monitor`; figures are of one core, and to be compared
//! with what `--save-baseline` kept on the same machine. Hostile input is `engine.rs`' matter, audit logs of real size are
//! `audit.rs`'.

use std::{fmt, hint::black_box, io::Write as _, sync::Arc};

use cert_recon::{
    enrich::processes::{Limits, Liveness, Processes},
    pipeline::{Pipeline, Selection},
    rules::{BUILTIN_PACKS, Confidence, DEFAULT_PACKS, Engine, Pack, Scratch, Subject},
    source::{
        live::{convert, reassembly::Reassembler},
        recorded::{Format, Gap, Input, Out, Place, Recorded, input::Progress},
    },
};
use cert_recon_common::{Chunk, Head, Prefix, Record, kind};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

#[path = "../tests/common/heads.rs"]
mod heads;

fn engine() -> Engine {
    let packs: Vec<Pack> = BUILTIN_PACKS
        .iter()
        .filter(|pack| DEFAULT_PACKS.contains(&pack.name))
        .map(|pack| pack.parse().expect("a built-in pack"))
        .collect();
    Engine::new(&packs).expect("the packs work together")
}

fn decode(c: &mut Criterion) {
    let bytes = heads::record(1);
    c.bench_function("decode/head", |b| b.iter(|| Record::decode(black_box(&bytes))));
}

/// A head and the chunks of an argv of so many bytes.
fn long(total: usize) -> Vec<Vec<u8>> {
    let head = Head {
        prefix: Prefix::of(kind::HEAD, 0, 1),
        argv_len: total as u64,
        ..Head::decode(&[0; Head::SIZE]).expect("long enough")
    };
    let chunks = (0..total).step_by(16 << 10).map(|offset| {
        let bytes = vec![b'x'; (total - offset).min(16 << 10)];
        let chunk = Chunk {
            prefix: Prefix::of(kind::CHUNK, 0, 1),
            offset: offset as u64,
            len: bytes.len() as u64,
        };
        [&chunk.encode()[..], &bytes].concat()
    });
    std::iter::once(head.encode().to_vec()).chain(chunks).collect()
}

fn reassembly(c: &mut Criterion) {
    let mut group = c.benchmark_group("reassembly");
    for (name, records) in [
        ("one record", vec![heads::record(1)]),
        ("128 KiB", long(128 << 10)),
        ("1.5 MiB", long(3 << 19)),
    ] {
        let mut reassembler = Reassembler::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut argv = 0;
                for bytes in &records {
                    let pushed = reassembler.push(bytes, &mut |assembled| argv += assembled.argv.len());
                    assert_eq!(pushed, Ok(None));
                }
                argv
            });
        });
    }
    group.finish();
}

fn matching(c: &mut Criterion) {
    let engine = engine();
    let cc1: &[u8] = b"/usr/lib/gcc/x86_64-linux-gnu/12/cc1\0-quiet\0-I\0include\0-o\0/tmp/cc1.s\0tls.c\0";
    let mut group = c.benchmark_group("match");
    let judge = |name: &[u8], line: &[u8], scratch: &mut Scratch| {
        engine.judge(black_box(&Subject::new(&[name], line)), scratch)
    };
    let mut scratch = engine.scratch();
    group.bench_function("known to be clean", |b| b.iter(|| judge(b"cc1", cc1, &mut scratch)));
    group.bench_function("clean, seen for the first time", |b| {
        b.iter(|| {
            scratch.forget();
            judge(b"cc1", cc1, &mut scratch)
        });
    });
    let curl = b"curl\0-s\0https://crt.sh/?q=%25.example.com&output=json\0";
    group.bench_function("finding", |b| b.iter(|| judge(b"curl", curl, &mut scratch)));
    group.finish();
}

/// What an exec does, taken apart whether it matters or not.
fn extraction(c: &mut Criterion) {
    let engine = engine();
    let mut scratch = engine.scratch();
    let mut group = c.benchmark_group("extraction");
    for (label, name, line) in [
        ("curl", &b"curl"[..], &b"curl\0-fsSL\0https://example.com/a\0"[..]),
        ("sh -c pipeline", b"sh", b"sh\0-c\0ps aux | grep nginx | wc -l\0"),
        (
            "sudo, sh, curl",
            b"sudo",
            b"sudo\0-u\0alice\0sh\0-c\0for d in a b; do curl -s https://crt.sh/?q=$d.example.com; done\0",
        ),
        (
            "python3 -c",
            b"python3",
            b"python3\0-c\0import requests; requests.get('https://crt.sh/?q=' + 'example.com')\0",
        ),
    ] {
        group.bench_function(label, |b| {
            b.iter(|| engine.judge_without_gate(black_box(&Subject::new(&[name], line)), &mut scratch));
        });
    }
    group.finish();
}

struct Dead;

impl Liveness for Dead {
    fn lives(&self, _: u32, _: u64) -> bool {
        false
    }
}

/// From the record to the table of processes, another process and another command line each time.
fn whole(c: &mut Criterion) {
    let selection = Selection {
        min_confidence: Confidence::Low,
        all_execs: false,
        recorded: false,
    };
    let mut pipeline = Pipeline::new(engine(), selection);
    let mut reassembler = Reassembler::default();
    let mut processes = Processes::new(Limits::default(), Dead);
    let records: Vec<_> = (0..10_000).map(heads::record).collect();
    let mut next = records.iter().cycle();
    let clock = convert::Clock::now();
    c.bench_function("clean exec, record to table", |b| {
        b.iter_batched(
            || next.next().expect("without end"),
            |bytes| {
                reassembler.push(bytes, &mut |assembled| {
                    let exec = convert::exec(&assembled, clock);
                    assert!(pipeline.take(&exec, assembled.lost).is_none());
                    processes.note(&exec);
                })
            },
            BatchSize::SmallInput,
        );
    });
}

#[derive(Default)]
struct Count(u64);

impl Out for Count {
    fn exec(&mut self, _: &Recorded<'_>) -> bool {
        self.0 += 1;
        false
    }

    fn bad(&mut self, _: Place, what: &dyn fmt::Display) {
        panic!("{what}");
    }

    fn gap(&mut self, _: Place, _: &Gap) {}
}

fn audit(c: &mut Criterion) {
    const EVENTS: u64 = 1000;
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    for event in 0..EVENTS {
        let stamp = format!("msg=audit({}.000:{}):", 1_700_000_000 + event, 10_000 + event);
        write!(
            file,
            "type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 a0=7f62 a1=7f62 a2=9fdc a3=8 items=1 ppid=900 \
             pid={} auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm=\"cc1\" \
             exe=\"/usr/lib/cc1\" key=\"execs\"\n\
             type=EXECVE {stamp} argc=4 a0=\"cc1\" a1=\"-quiet\" a2=\"-o\" a3=\"/tmp/{event}.s\"\n\
             type=CWD {stamp} cwd=\"/tmp/build\"\n\
             type=PATH {stamp} item=0 name=\"/usr/lib/cc1\" inode=2470 dev=fe:00 mode=0100755 ouid=0 ogid=0 rdev=00:00 \
             nametype=NORMAL\n\
             type=PROCTITLE {stamp} proctitle=636331002D7175696574\n",
            1000 + event
        )
        .expect("room for a temporary file");
    }
    let mut group = c.benchmark_group("audit");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("execs", |b| {
        b.iter(|| {
            let mut count = Count::default();
            let mut input = Input::open(file.path(), 0, &Arc::<Progress>::default()).expect("a file that can be read");
            let mut parser = Format::Auditd.parser().expect("audit logs have a parser");
            parser.read(&mut input, &mut count).expect("a file that can be read");
            parser.finish(&mut count);
            assert_eq!(count.0, EVENTS);
        });
    });
    group.finish();
}

criterion_group!(benches, decode, reassembly, matching, extraction, whole, audit);
criterion_main!(benches);

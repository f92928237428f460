//! A clean exec is neither copied nor does it allocate on its way from the ring buffer to the table of processes: that way is
//! gone by every exec on the host. `live_allocation.rs` shows the same of the whole monitor.

#[path = "common/counting.rs"]
mod counting;

use cert_recon::{
    enrich::processes::{Limits, Liveness, Processes},
    pipeline::{Pipeline, Selection},
    rules::{BUILTIN_PACKS, Confidence, DEFAULT_PACKS, Engine, Pack},
    source::live::{convert, reassembly::Reassembler},
};
use cert_recon_common::{Ancestor, Head, Prefix, flags, kind};
use counting::allocations_of;

struct Dead;

impl Liveness for Dead {
    fn lives(&self, _: u32, _: u64) -> bool {
        false
    }
}

/// The image of the process above every exec.
const PARENT: u64 = 1;
/// As many images as the kernel has in turn.
const IMAGES: u32 = 200;

/// The record of the exec with this number: another process each time, and another command line.
fn record(number: u32) -> Vec<u8> {
    let argv = format!("cc1\0-quiet\0-o\0/tmp/build/object-{number}.s\0");
    let parts: [&[u8]; 4] = [
        b"/usr/lib/cc1",
        b"cc1/lib/usr/",
        b"build/tmp/",
        b"session.scope/user.slice/",
    ];
    let parent = Ancestor {
        start_boot_ns: 1,
        image: PARENT,
        pid: 1,
        reserved: 0,
        comm: *b"make\0\0\0\0\0\0\0\0\0\0\0\0",
    };
    let head = Head {
        prefix: Prefix::of(kind::HEAD, number % 4, u64::from(number)),
        pid: 1000 + number,
        start_boot_ns: u64::from(number),
        image: 2 + u64::from(number % IMAGES),
        exe_size: 30_000_000,
        flags: flags::INODE | flags::CGROUP,
        argv_len: argv.len() as u64,
        inline_len: u32::try_from(argv.len()).unwrap(),
        filename_len: u32::try_from(parts[0].len()).unwrap(),
        exe_len: u32::try_from(parts[1].len()).unwrap(),
        cwd_len: u32::try_from(parts[2].len()).unwrap(),
        cgroup_len: u32::try_from(parts[3].len()).unwrap(),
        ancestors: 1,
        ..Head::decode(&[0; Head::SIZE]).unwrap()
    };
    [
        &head.encode()[..],
        &parts.concat(),
        &parent.encode()[..],
        argv.as_bytes(),
    ]
    .concat()
}

fn pipeline() -> Pipeline {
    let packs: Vec<Pack> = BUILTIN_PACKS
        .iter()
        .filter(|builtin| DEFAULT_PACKS.contains(&builtin.name))
        .map(|builtin| builtin.parse().unwrap())
        .collect();
    let selection = Selection {
        min_confidence: Confidence::Low,
        all_execs: false,
        recorded: false,
    };
    Pipeline::new(Engine::new(&packs).unwrap(), selection)
}

/// Lets `records` go their way; how many were clean.
fn run(
    records: &[Vec<u8>],
    reassembler: &mut Reassembler,
    pipeline: &mut Pipeline,
    processes: &mut Processes<Dead>,
) -> u64 {
    let before = pipeline.sums().clean;
    let clock = convert::Clock::now();
    for bytes in records {
        let taken = reassembler.push(bytes, &mut |assembled| {
            let exec = convert::exec(&assembled, clock);
            assert!(pipeline.take(&exec, assembled.lost).is_none());
            processes.note(&exec);
        });
        assert_eq!(taken, Ok(None));
    }
    pipeline.sums().clean - before
}

#[test]
fn a_clean_exec_allocates_nothing_between_the_ring_buffer_and_the_table_of_processes() {
    // With room for all images, and in a table that is full.
    for limits in [
        Limits::default(),
        Limits {
            bytes: 32 << 10,
            ..Limits::default()
        },
    ] {
        let records: Vec<_> = (0..40_000).map(record).collect();
        let (warm, steady) = records.split_at(20_000);
        let (mut reassembler, mut pipeline) = (Reassembler::default(), pipeline());
        let mut processes = Processes::new(limits, Dead);
        run(warm, &mut reassembler, &mut pipeline, &mut processes);
        let mut clean = 0;
        let count = allocations_of(|| clean = run(steady, &mut reassembler, &mut pipeline, &mut processes));
        assert_eq!((count, clean), (0, 20_000), "{limits:?}");
    }
}

#[test]
fn a_copy_on_that_way_is_noticed() {
    let bytes = record(1);
    let mut reassembler = Reassembler::default();
    let mut push = || {
        let push = reassembler.push(&bytes, &mut |assembled| {
            drop(std::hint::black_box(assembled.argv.to_vec()))
        });
        assert_eq!(push, Ok(None));
    };
    push();
    assert_eq!(allocations_of(push), 1, "the counter counts");
}

//! A clean exec is neither copied nor does it allocate on its way from the ring buffer to the table of processes: that way is
//! gone by every exec on the host. The thread that hands records on is not measured.

#[path = "common/counting.rs"]
mod counting;
#[path = "common/heads.rs"]
mod heads;

use cert_recon::{
    enrich::processes::{Limits, Liveness, Processes},
    pipeline::{Pipeline, Selection},
    rules::{BUILTIN_PACKS, Confidence, DEFAULT_PACKS, Engine, Pack},
    source::live::{convert, reassembly::Reassembler},
};
use cert_recon_common::{Chunk, Head, Prefix, kind};
use counting::allocations_of;
use heads::record;

struct Dead;

impl Liveness for Dead {
    fn lives(&self, _: u32, _: u64) -> bool {
        false
    }
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
fn a_long_command_line_is_put_together_and_judged_without_allocating() {
    let argv = "cc1\0".to_owned() + &"-I/usr/include/x86_64-linux-gnu\0".repeat(4000);
    let (inline, rest) = argv.as_bytes().split_at(1000);
    let head = Head {
        argv_len: argv.len() as u64,
        inline_len: 1000,
        ..Head::decode(&[0; Head::SIZE]).unwrap()
    };
    let mut records = vec![
        [
            &Head {
                prefix: Prefix::of(kind::HEAD, 0, 1),
                ..head
            }
            .encode()[..],
            inline,
        ]
        .concat(),
    ];
    for (number, bytes) in rest.chunks(16 << 10).enumerate() {
        let chunk = Chunk {
            prefix: Prefix::of(kind::CHUNK, 0, 1),
            offset: 1000 + (number as u64) * (16 << 10),
            len: bytes.len() as u64,
        };
        records.push([&chunk.encode()[..], bytes].concat());
    }
    let (mut reassembler, mut pipeline) = (Reassembler::default(), pipeline());
    let mut run = || {
        for bytes in &records {
            let taken = reassembler.push(bytes, &mut |assembled| {
                assert_eq!(assembled.argv, argv.as_bytes());
                assert!(
                    pipeline
                        .take(&convert::exec(&assembled, convert::Clock::now()), 0)
                        .is_none()
                );
            });
            assert_eq!(taken, Ok(None));
        }
    };
    run();
    assert_eq!(allocations_of(run), 0);
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

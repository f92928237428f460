//! Loads and attaches the eBPF program and drains its ring buffer.

use std::{
    collections::HashMap,
    error::Error,
    fs,
    io::{self, Read as _},
    os::fd::{AsFd as _, AsRawFd as _},
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, MapData, MapError, PerCpuArray, ProgramArray, RingBuf},
    programs::{Program, ProgramError, RawTracePoint, raw_trace_point::RawTracePointLinkId},
};
use aya_log::EbpfLogger;
use cert_recon_common::{Counters, flags};
use flate2::read::DeflateDecoder;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    LiveError, convert,
    fill::Fill,
    offsets::{self, Layout},
    placeholders,
    programs::{Programs, metric_name},
    reassembly::{Aside, Assembled, Reassembler},
    type_information::TypeInformation,
    wakeups::WakeUps,
};
use crate::{
    backlog::{Backlog, Unbroken},
    enrich::processes::Running,
    event::{Exec, ImageKey},
    host,
    metrics::Runs,
};

/// The compiled program. `cargo xtask build-ebpf` makes it, `build.rs` packs it.
static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cert-recon.bpf.o.deflate"));

/// Whether the kernel measures programs.
const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";
const TRACEPOINT: &str = "sched_process_exec";

/// Images that are remembered. One that two programs had is among the last few.
const LAST_IMAGES: usize = 1024;

/// Programs that are verified at a time at most: one of them takes half of the time.
const MOST_VERIFYING: usize = 4;

/// The part of the ring buffer that may fill before user space is woken in any case is one of so many.
const QUIET_PART: u64 = 4;

/// Records that are handled before other work gets its turn.
const BATCH: usize = 1024;
/// An exec whose records stopped coming is given up after one to two of these.
const TICK: Duration = Duration::from_millis(500);

/// How to watch.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of the ring buffer in bytes: a power of two and a multiple of the page size.
    pub ring_size: u32,
    /// The kernel's type information.
    pub btf: PathBuf,
    /// How the monitor's own execs begin: their first argument.
    pub nonce: Nonce,
}

/// The first argument of the monitor's own execs.
pub type Nonce = [u8; 16];

/// What comes out of the kernel.
#[derive(Debug)]
pub enum Arrival<'a> {
    /// An exec, and how many were lost before it since the one before.
    Exec(&'a Exec<'a>, u64),
    /// A running process, of a scan.
    Running(Running),
    /// A scan is over. Not complete: some processes are missing.
    Scanned {
        /// Whether all running processes were among it.
        complete: bool,
    },
}

impl Options {
    /// Where kernels with type information show it.
    pub const BTF: &str = "/sys/kernel/btf/vmlinux";
}

/// What one turn of draining came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drained {
    /// The ring buffer was emptied.
    Empty,
    /// There is more in it.
    More,
}

/// Sums since the start. `execs = delivered + lost` once everything is drained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Execs that the kernel called the program for.
    pub execs: u64,
    /// Execs handed on.
    pub delivered: u64,
    /// Execs that could not be delivered.
    pub lost: u64,
    /// Execs delivered with an incomplete argv.
    pub argv_cut: u64,
    /// Paths that were too long or too deep to be walked to the root.
    pub path_cut: u64,
}

/// The attached program.
pub struct Live {
    ebpf: Ebpf,
    chosen: Programs,
    links: Vec<(&'static str, RawTracePointLinkId)>,
    ring: AsyncFd<RingBuf<MapData>>,
    counters: PerCpuArray<MapData, [u8; Counters::SIZE]>,
    /// The kernel side's own messages, when they are asked for.
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    /// Keeps the programs in it loaded.
    _programs: ProgramArray<MapData>,
    reassembler: Reassembler,
    handed_on: HandedOn,
    undecodable: u64,
    unbroken: Unbroken,
    /// Where it can be told.
    fill: Option<Fill>,
    /// Missed execs (see [`Self::missed`]) at the last tick.
    missed: u64,
    /// Those of them that have been told as lost.
    missed_lost: u64,
    drained: Drained,
    wake_ups: WakeUps,
    last_tick: Instant,
}

/// What has been handed on.
#[derive(Debug)]
struct HandedOn {
    clock: convert::Clock,
    /// Missed execs that go with the next exec.
    unreported: u64,
    delivered: u64,
    argv_cut: u64,
    /// Execs that the first program was not run for and another took.
    second: u64,
    /// Execs of the other programs that one before had taken.
    twice: u64,
    /// The last images, by which those are known.
    images: [u64; LAST_IMAGES],
    next_image: usize,
}

impl HandedOn {
    fn new() -> Self {
        Self {
            clock: convert::Clock::now(),
            unreported: 0,
            delivered: 0,
            argv_cut: 0,
            second: 0,
            twice: 0,
            images: [0; LAST_IMAGES],
            next_image: 0,
        }
    }

    fn exec(&mut self, assembled: &Assembled<'_>, each: &mut impl FnMut(Arrival<'_>)) {
        let head = &assembled.record.head;
        let second = head.flags & flags::SECOND != 0;
        if second && self.images.contains(&head.image) {
            self.twice += 1;
            return;
        }
        if let Some(place) = self.images.get_mut(self.next_image) {
            *place = head.image;
        }
        self.next_image = (self.next_image + 1) % LAST_IMAGES;
        self.second += u64::from(second);
        self.delivered += 1;
        self.argv_cut += u64::from(assembled.cut.is_some());
        // An exec that came while the ring buffer was being drained.
        self.clock = self.clock.not_before(head.boot_ns);
        let lost = assembled.lost + std::mem::take(&mut self.unreported);
        each(Arrival::Exec(&convert::exec(assembled, self.clock), lost));
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("handed_on", &self.handed_on)
            .finish_non_exhaustive()
    }
}

impl Live {
    /// Loads the program and attaches it. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When this host can't be watched, with the reason and what to do.
    pub fn start(options: &Options) -> Result<Self, LiveError> {
        let missing = host::missing_capabilities();
        if !missing.is_empty() {
            return Err(LiveError::NotPermitted { missing });
        }
        let path = || options.btf.display().to_string();
        let btf = TypeInformation::of(&options.btf).map_err(|source| LiveError::NoBtf { path: path(), source })?;
        let layout = offsets::from_btf(&btf).map_err(|source| LiveError::Btf { path: path(), source })?;
        drop(btf);
        host::lift_memlock();
        let object = object().map_err(|e| load_error("unpacking", e))?;
        let (mut ebpf, chosen) = load(&object, layout, options)?;
        let logger = (log_level() != 0).then(|| EbpfLogger::init(&mut ebpf)).transpose();
        let logger = logger.map_err(|e| load_error("preparing", e))?;
        let mut programs =
            ProgramArray::try_from(take_map(&mut ebpf, "PROGRAMS")?).map_err(|e| load_error("preparing", e))?;
        for (slot, name) in chosen.continued() {
            let program = raw_tracepoint(&mut ebpf, name)?;
            let fd = program.fd().map_err(|e| load_error("loading", e))?;
            programs.set(slot, fd, 0).map_err(|e| load_error("preparing", e))?;
        }
        let counters =
            PerCpuArray::try_from(take_map(&mut ebpf, "COUNTERS")?).map_err(|e| load_error("preparing", e))?;
        let awake = Array::try_from(take_map(&mut ebpf, "AWAKE")?).map_err(|e| load_error("preparing", e))?;
        let ring = RingBuf::try_from(take_map(&mut ebpf, "EVENTS")?).map_err(|e| load_error("preparing", e))?;
        let fill = Fill::of(&ring)
            .inspect_err(|error| {
                log::warn!("mapping the positions of the ring buffer: {error}; how full it is stays unknown")
            })
            .ok();
        // SAFETY: the descriptor is the map's, which the ring buffer owns until it is dropped, and never another.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
            .map_err(|error| LiveError::Wait(error.into()))?;

        let mut links = Vec::new();
        for name in chosen.attached() {
            let link = raw_tracepoint(&mut ebpf, name)?
                .attach(TRACEPOINT)
                .map_err(|e| load_error("attaching", e))?;
            links.push((name, link));
        }
        log_verified(&ebpf);
        Ok(Self {
            ebpf,
            chosen,
            links,
            ring,
            counters,
            logger,
            _programs: programs,
            reassembler: Reassembler::default(),
            handed_on: HandedOn::new(),
            undecodable: 0,
            unbroken: Unbroken::new(options.ring_size as usize),
            fill,
            missed: 0,
            missed_lost: 0,
            drained: Drained::Empty,
            wake_ups: WakeUps::new(awake),
            last_tick: Instant::now(),
        })
    }

    /// Waits until there is something to drain, then hands on a batch of it: each exec, and how many were lost before it
    /// since the one before. Safe to be dropped while it waits.
    ///
    /// # Errors
    /// When the ring buffer can't be waited for.
    pub async fn next(&mut self, mut each: impl FnMut(Arrival<'_>)) -> Result<(), LiveError> {
        let mut woken = false;
        if self.drained == Drained::More {
            // Other work gets its turn between two batches.
            tokio::task::yield_now().await;
        } else {
            // Never without an end: a virtual processor may have stood still between a program's look at the clock and its record.
            let wait = self.wake_ups.wait().unwrap_or(TICK);
            match tokio::time::timeout(wait, self.ring.readable_mut()).await {
                Ok(Ok(mut guard)) => {
                    guard.clear_ready();
                    woken = true;
                }
                Ok(Err(error)) => return Err(LiveError::Wait(error)),
                // Every record that did not wake is older than this, so that when there is none, the next one wakes.
                Err(_) => self.wake_ups.slept(),
            }
        }
        self.drained = self.drain(woken, &mut each);
        Ok(())
    }

    /// Hands on what is in the ring buffer now, a batch at most. `woken`: a program has said that there is something.
    fn drain(&mut self, woken: bool, each: &mut impl FnMut(Arrival<'_>)) -> Drained {
        let clock = convert::Clock::now();
        let Self {
            ring,
            reassembler,
            handed_on,
            wake_ups,
            unbroken,
            fill,
            ..
        } = self;
        handed_on.clock = clock;
        let delivered = handed_on.delivered;
        let mut drained = Drained::More;
        let mut came = woken;
        for _ in 0..BATCH {
            let Some(item) = ring.get_mut().next() else {
                drained = Drained::Empty;
                unbroken.found_nothing();
                break;
            };
            came = true;
            unbroken.read(item.len(), || fill.as_ref().map_or(0, Fill::bytes));
            match reassembler.push(&item, &mut |exec| handed_on.exec(&exec, each)) {
                Ok(None) => {}
                // A thread of the kernel's own executes nothing.
                Ok(Some(Aside::Task(task))) if task.image == 0 => {}
                Ok(Some(Aside::Task(task))) => each(Arrival::Running(Running {
                    pid: task.pid,
                    start_boot_ns: task.start_boot_ns,
                    image: ImageKey(task.image),
                })),
                Ok(Some(Aside::Scan(scan))) => each(Arrival::Scanned {
                    complete: scan.complete != 0,
                }),
                Err(error) => {
                    self.undecodable += 1;
                    log::error!("ring buffer: {error}");
                }
            }
        }
        wake_ups.looked(handed_on.delivered - delivered, came);
        // Only then nothing of the time before is still on its way.
        if drained == Drained::Empty && self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            reassembler.tick(&mut |exec| handed_on.exec(&exec, each));
            // What was missed by the last time and has not been taken by another program since then is lost.
            let lost = self.missed.saturating_sub(self.handed_on.second);
            self.handed_on.unreported += lost.saturating_sub(self.missed_lost);
            self.missed_lost = self.missed_lost.max(lost);
            self.missed = self.missed();
        }
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        drained
    }

    /// Detaches, then hands on everything that is still on its way. Ends when every exec that the program saw is accounted
    /// for, or after `limit`.
    pub fn stop(&mut self, limit: Duration, each: &mut impl FnMut(Arrival<'_>)) {
        // The last first: one that is left alone would take what those before it no longer see.
        while let Some((name, link)) = self.links.pop() {
            let detached = raw_tracepoint(&mut self.ebpf, name)
                .and_then(|program| program.detach(link).map_err(|e| load_error("detaching", e)));
            if let Err(error) = detached {
                log::warn!("{error}");
            }
        }
        let end = Instant::now() + limit;
        // A program that was running when it was detached may still be sending.
        loop {
            while self.drain(false, each) == Drained::More {}
            if (self.all_arrived() && !self.reassembler.is_waiting()) || Instant::now() >= end {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        log::debug!(
            "{:?}; of the other programs {}, of both {}; missed {}",
            self.counters(),
            self.handed_on.second,
            self.handed_on.twice,
            self.missed()
        );
        let Self {
            reassembler,
            handed_on,
            unbroken,
            ..
        } = self;
        // What is left, if anything, is given up.
        unbroken.found_nothing();
        handed_on.clock = convert::Clock::now();
        reassembler.finish(&mut |exec| handed_on.exec(&exec, each));
    }

    /// Whether the counters can be read without capabilities: not before Linux 5.19 where `unprivileged_bpf_disabled` is
    /// set. Tried in a thread, since capabilities are a thread's own.
    #[must_use]
    pub fn counts_without_rights(&self) -> bool {
        let counters = &self.counters;
        std::thread::scope(|scope| {
            let tried = scope.spawn(|| {
                let none = CapabilitySets {
                    effective: CapabilitySet::empty(),
                    permitted: CapabilitySet::empty(),
                    inheritable: CapabilitySet::empty(),
                };
                set_capabilities(None, none).is_ok() && counters.get(&0, 0).is_ok()
            });
            tried.join().unwrap_or(false)
        })
    }

    /// Whether more is in the ring buffer than should be.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.unbroken.backlog()
    }

    /// The sums so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let counters = self.counters();
        let missed = self.missed();
        let taken = self.handed_on.second;
        Totals {
            execs: counters.execs + missed,
            delivered: self.handed_on.delivered,
            lost: counters.lost + missed.saturating_sub(taken) + self.undecodable,
            argv_cut: self.handed_on.argv_cut,
            path_cut: counters.path_cut,
        }
    }

    fn counters(&self) -> Counters {
        self.counters
            .get(&0, 0)
            .map(|values| {
                values
                    .iter()
                    .filter_map(|bytes| Counters::decode(bytes))
                    .fold(Counters::default(), Counters::plus)
            })
            .unwrap_or_default()
    }

    /// Whether everything that the programs began has arrived or is counted as lost.
    fn all_arrived(&self) -> bool {
        let counters = self.counters();
        let HandedOn {
            delivered,
            second,
            twice,
            ..
        } = self.handed_on;
        counters.execs == delivered - second + counters.lost + self.undecodable
            && counters.second == second + twice + counters.second_lost
    }

    /// Execs for which the kernel did not run the program because it was already running on that CPU
    /// (`recursion_misses`, since Linux 5.12). They are lost execs.
    fn missed(&self) -> u64 {
        let first = self.chosen.attached().next();
        first
            .and_then(|first| number_in(&self.info(first), "recursion_misses:"))
            .unwrap_or(0)
    }

    /// What the kernel says about a program to whoever holds it, which needs no rights.
    fn info(&self, name: &str) -> String {
        let Some(Ok(fd)) = self.ebpf.program(name).map(|p| p.fd()) else {
            return String::new();
        };
        fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).unwrap_or_default()
    }

    /// What the kernel measured of the attached programs' work; empty unless `kernel.bpf_stats_enabled` is on. A program counts
    /// with those that it goes on to.
    #[must_use]
    pub fn runs(&self) -> Vec<Runs> {
        if !fs::read_to_string(STATS).is_ok_and(|text| text.trim() == "1") {
            return Vec::new();
        }
        let runs = |name| {
            let info = self.info(name);
            Some(Runs {
                program: metric_name(name),
                nanoseconds: number_in(&info, "run_time_ns:")?,
                count: number_in(&info, "run_cnt:")?,
            })
        };
        self.chosen.attached().filter_map(runs).collect()
    }
}

/// The program as it is compiled.
pub(super) fn object() -> io::Result<Vec<u8>> {
    let mut object = Vec::new();
    DeflateDecoder::new(OBJECT).read_to_end(&mut object)?;
    Ok(object)
}

/// The number on the line that begins so.
fn number_in(info: &str, start: &str) -> Option<u64> {
    let value = info.lines().find_map(|line| line.strip_prefix(start))?;
    value.trim().parse().ok()
}

/// A CPU's share of the part of the ring buffer that may fill while user space sleeps.
fn quiet_bytes(ring_size: u32) -> u64 {
    let cpus = aya::util::nr_cpus().unwrap_or(1).max(1);
    u64::from(ring_size) / QUIET_PART / cpus as u64
}

/// Loads the programs of the object, filled in for this kernel; without what only some kernels let them do, when this one does not.
fn load(object: &[u8], layout: Layout, options: &Options) -> Result<(Ebpf, Programs), LiveError> {
    let error = match load_filled(object, layout, options) {
        Ok(loaded) => return Ok(loaded),
        Err(error) => error,
    };
    let Some(layout) = layout.without_cast() else {
        return Err(error);
    };
    log::debug!("kernel memory is read by helper functions where no pointer can be followed, since: {error}");
    load_filled(object, layout, options)
}

/// Loads the programs of the object, filled in for a kernel of this layout.
fn load_filled(object: &[u8], layout: Layout, options: &Options) -> Result<(Ebpf, Programs), LiveError> {
    let (object, _) = placeholders::fill(object, &layout.offsets).map_err(|e| load_error("reading", e))?;
    let mut ebpf = host::without_opening_files(EbpfLoader::new)
        .btf(None)
        .override_global("QUIET_BYTES", &quiet_bytes(options.ring_size), true)
        .override_global("MAY_PREEMPT", &u64::from(layout.may_preempt), true)
        .override_global("CANARY", &options.nonce[..], true)
        .override_global(aya_log::LEVEL, &log_level(), true)
        .map_max_entries("EVENTS", options.ring_size)
        .load(&object)
        .map_err(explain_load)?;
    let chosen = verify_either(&mut ebpf, layout.may_preempt)?;
    Ok((ebpf, chosen))
}

/// Loads the programs that follow pointers, or, when this kernel does not let them, those that use helper functions.
fn verify_either(ebpf: &mut Ebpf, may_preempt: bool) -> Result<Programs, LiveError> {
    let follow = Programs {
        follow: true,
        may_preempt,
    };
    let Err(error) = verify(ebpf, follow)? else {
        return Ok(follow);
    };
    log::debug!("kernel structures are read by helper functions, since: {error}");
    let probe = Programs {
        follow: false,
        may_preempt,
    };
    verify(ebpf, probe)?.map_err(explain_program)?;
    Ok(probe)
}

/// Loads these programs, on as many threads as there are processors: the verifier's work is most of the time that the start
/// takes, and the kernel does it side by side for whoever may load programs at all. Those that are loaded already stay. The
/// inner error is that of a program that the kernel refuses.
fn verify(ebpf: &mut Ebpf, chosen: Programs) -> Result<Result<(), ProgramError>, LiveError> {
    let mut waiting: HashMap<_, _> = ebpf.programs_mut().collect();
    // Those with the most to verify first, so that nobody waits for one that was begun last.
    let names = chosen.continued().map(|(_, name)| name).chain(chosen.attached());
    let programs: Result<Vec<_>, _> = names
        .map(|name| as_raw_tracepoint(name, waiting.remove(name)))
        .collect();
    let mut programs = programs?;
    programs.retain(|program| program.fd().is_err());
    let queue = Mutex::new(programs.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<(), ProgramError> {
        while let Some(program) = next() {
            program.load()?;
        }
        Ok(())
    };
    let others = std::thread::available_parallelism().map_or(0, |count| count.get().min(MOST_VERIFYING) - 1);
    Ok(std::thread::scope(|scope| {
        let others: Vec<_> = (0..others).map(|_| scope.spawn(work)).collect();
        let own = work();
        others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .fold(own, Result::and)
    }))
}

/// For developers: how much the verifier had to walk, where the kernel says so (since Linux 5.16).
fn log_verified(ebpf: &Ebpf) {
    for (name, program) in ebpf.programs() {
        if let Ok(Some(count)) = program.info().map(|info| info.verified_instruction_count()) {
            log::debug!("eBPF program {name}: {count} instructions verified");
        }
    }
}

/// What the kernel side logs: nothing, unless debug messages are shown.
fn log_level() -> u8 {
    if log::max_level() >= log::LevelFilter::Debug {
        aya_log::Level::Debug as u8
    } else {
        0
    }
}

fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, LiveError> {
    ebpf.take_map(name).ok_or_else(|| LiveError::Load {
        what: "preparing",
        source: format!("no map {name}").into(),
    })
}

fn raw_tracepoint<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut RawTracePoint, LiveError> {
    as_raw_tracepoint(name, ebpf.program_mut(name))
}

fn as_raw_tracepoint<'a>(name: &str, program: Option<&'a mut Program>) -> Result<&'a mut RawTracePoint, LiveError> {
    program
        .ok_or_else(|| LiveError::Load {
            what: "preparing",
            source: format!("no program {name}").into(),
        })?
        .try_into()
        .map_err(|e: ProgramError| load_error("preparing", e))
}

fn load_error(what: &'static str, source: impl Error + Send + Sync + 'static) -> LiveError {
    LiveError::Load {
        what,
        source: Box::new(source),
    }
}

/// The system's error number behind a chain of errors.
fn os_error(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut error = Some(error);
    while let Some(e) = error {
        if let Some(code) = e.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        error = e.source();
    }
    None
}

fn explain_load(error: EbpfError) -> LiveError {
    let code = os_error(&error);
    let ring_refused = matches!(&error, EbpfError::MapError(MapError::CreateError { name, .. }) if name == "EVENTS");
    if ring_refused && code == Some(rustix::io::Errno::INVAL.raw_os_error()) && !host::has_ring_buffer() {
        return LiveError::TooOld {
            release: host::kernel_release(),
            source: Box::new(error),
        };
    }
    explain("map", Box::new(error), code)
}

/// EACCES is also what the verifier says to programs: then it says more.
fn is_silent(error: &ProgramError) -> bool {
    matches!(error, ProgramError::LoadError { verifier_log, .. } if verifier_log.to_string().trim().is_empty())
}

fn explain_program(error: ProgramError) -> LiveError {
    // Lockdown takes helper functions away, too.
    if host::lockdown(Path::new(host::LOCKDOWN)).as_deref() != Some("confidentiality")
        && let ProgramError::LoadError { verifier_log, .. } = &error
        && let Some(said) = missing_helper(&verifier_log.to_string())
    {
        return LiveError::NoHelper {
            release: host::kernel_release(),
            said,
        };
    }
    let code = os_error(&error).filter(|code| *code != rustix::io::Errno::ACCESS.raw_os_error() || is_silent(&error));
    explain("program", Box::new(error), code)
}

/// What the verifier says of a helper function that it does not know, or does not allow here (`check_helper_call()` in
/// `kernel/bpf/verifier.c`).
fn missing_helper(verifier_log: &str) -> Option<String> {
    let said = |line: &&str| {
        [
            "invalid func ",
            "unknown func ",
            "program of this type cannot use helper ",
        ]
        .iter()
        .any(|start| line.contains(start))
    };
    verifier_log.lines().rfind(said).map(|line| line.trim().to_owned())
}

fn explain(what: &'static str, source: Box<dyn Error + Send + Sync>, code: Option<i32>) -> LiveError {
    if host::lockdown(Path::new(host::LOCKDOWN)).as_deref() == Some("confidentiality") {
        return LiveError::Lockdown { source };
    }
    if code == Some(rustix::io::Errno::PERM.raw_os_error()) {
        return LiveError::Refused { what, source };
    }
    if code == Some(rustix::io::Errno::ACCESS.raw_os_error()) {
        let context = host::security_context().map(|context| format!("what runs as {context}"));
        let to = context.unwrap_or_else(|| "this process".to_owned());
        return LiveError::Denied { what, to, source };
    }
    LiveError::Load {
        what: "loading",
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::missing_helper;

    #[test]
    fn a_missing_helper_is_found_in_what_verifiers_say() {
        for line in [
            "invalid func unknown#9999",
            "unknown func bpf_ktime_get_boot_ns#125",
            "program of this type cannot use helper bpf_loop#181",
        ] {
            let log = format!("0: (85) call unknown#9999\n{line}\nprocessed 0 insns (limit 1000000)\n");
            assert_eq!(missing_helper(&log).as_deref(), Some(line));
        }
        assert_eq!(missing_helper("R1 type=scalar expected=fp\nprocessed 7 insns\n"), None);
    }
}

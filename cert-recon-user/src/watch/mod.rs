//! The live monitor: the source, the rules, the enrichment and the outputs, run together until something ends them.

pub mod canary;
mod door;
mod health;
mod monitor;
pub mod privileges;
mod reloader;
mod selfcheck;
pub mod service;
mod view;

use std::{
    future::Future,
    panic::resume_unwind,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::{Notify, mpsc},
    time::MissedTickBehavior,
};

pub use self::view::Newest;
use self::{
    canary::Canary,
    door::{Door, SharedGate},
    health::HealthBook,
    monitor::{Monitor, Signals, Sink},
    reloader::Reloader,
    selfcheck::Truth,
    service::{Condition, Service},
    view::View,
};
use crate::{
    backlog::Backlog,
    enrich::{
        hash::HashLimits,
        known::{SharedPrograms, indexer::Indexer},
        processes::{Limits, Processes},
        stage::{self, Executable, Sources, Stage},
    },
    event::{Exec, Lineage},
    finding::Report,
    host,
    metrics::{
        Board, Waiting,
        file::MetricsFile,
        listen::{Address, ListenError, Listener},
    },
    pipeline::{Pipeline, Selection, Sums},
    record::{Occasion, OutputState, Record},
    rules::{Confidence, Engine, EngineError, Pack},
    sink::{
        form::{Form, Forms, Schema},
        json,
        output::{self, OpenError, Opened, Output, Target, Weight, Written},
        top::State,
    },
    source::live::{Live, LiveError, Options, Totals},
    suppress::{Gate, Suppression, Wanted},
};

/// How long the end waits for what is still on its way through the kernel.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// How long the end waits for hashes and names.
const ENRICH_LIMIT: Duration = Duration::from_secs(3);
/// How long the end waits for an output that does not take its lines.
const OUTPUT_LIMIT: Duration = Duration::from_secs(2);
/// How long READY waits for the first canary.
const READY_LIMIT: Duration = Duration::from_secs(5);
/// With `--record`, how long a report waits for its hash and its names: together with
/// [`SYNC`](crate::sink::segments::SYNC), within which its line is then on disk, no more than a second, which is what a crash may take. One that waits holds up those behind it.
const RECORD_WAIT: Duration = Duration::from_millis(400);
/// What is said when it does not come back by then. The monitor goes on: a later one can still come back.
const NO_CANARY: &str = "the hooks are attached, but the monitor's own exec did not come back through the kernel: nothing may be \
    seen. `cert-recon doctor` says what this host lacks";
/// What is wrong when the others come back without it.
const UNREAD: &str = "its arguments are not among those of the execs that came back";
/// How often the monitor looks at itself.
const TICK: Duration = Duration::from_secs(1);

/// What to watch and where reports go.
#[derive(Debug)]
pub struct Config {
    /// The kernel side.
    pub live: Options,
    /// What is reported, until it is read anew.
    pub settings: Draft,
    /// Reads it anew, on a thread of its own.
    pub reload: Reload,
    /// What is written of what is reported.
    pub wanted: Wanted,
    /// Outputs that get what is reported, and in which form. A target is in it once.
    pub outputs: Vec<(Target, Form)>,
    /// The live view on standard output, which no other output may be then; says what the newest message is.
    pub view: Option<Newest>,
    /// A folder that gets every exec and every other record, compressed, and the bytes that it may hold.
    pub record: Option<(PathBuf, u64)>,
    /// Where the metrics go.
    pub metrics: Metrics,
    /// The host's name, as reported.
    pub device: String,
    /// Limits of hashing.
    pub hashing: HashLimits,
    /// Limits of the table of processes.
    pub processes: Limits,
    /// Time between two canaries.
    pub canary_interval: Duration,
    /// Time between two health records.
    pub health_interval: Duration,
    /// Who started the monitor and wants to know how it fares.
    pub service: Service,
}

/// Where the metrics go: nowhere, unless it is said.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// A file for node_exporter.
    pub file: Option<PathBuf>,
    /// An address for who asks.
    pub listen: Option<Address>,
}

/// What can change while the monitor runs.
#[derive(Debug)]
pub struct Settings<Rules = Engine> {
    /// The rules.
    pub rules: Rules,
    /// Findings of at least this confidence are reported.
    pub min_confidence: Confidence,
    /// Those that are not.
    pub suppressions: Vec<Suppression>,
    /// Time within which findings that are the same are folded; zero folds none.
    pub fold_interval: Duration,
}

/// Settings that were read, and whose rules, in the order of evaluation, are still to be compiled.
pub type Draft = Settings<Vec<Pack>>;

impl Draft {
    /// Compiles the rules, which takes some twenty milliseconds.
    ///
    /// # Errors
    /// When the packs cannot work together.
    pub fn compile(self) -> Result<Settings, EngineError> {
        Ok(Settings {
            rules: Engine::new(&self.rules)?,
            min_confidence: self.min_confidence,
            suppressions: self.suppressions,
            fold_interval: self.fold_interval,
        })
    }
}

/// Reads the settings anew, or says why they can't be used.
#[derive(Clone)]
pub struct Reload(pub Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>);

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}

/// What a running monitor can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open the output file anew, and read the settings anew.
    Reload,
    /// Make a health record.
    Health,
}

/// Why watching could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The live source.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The rules.
    #[error(transparent)]
    Rules(#[from] EngineError),
    /// An output.
    #[error(transparent)]
    Output(#[from] OpenError),
    /// The address of the metrics.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// What the kernel side said of the monitor's own exec is not so.
    #[error(
        "what came back of the monitor's own exec is wrong: {mistake}. The type information in {btf} is not that of this kernel, \
         or this program does not understand the kernel: nothing was reported. Name the right one with --btf FILE, or report this \
         with `uname -a`"
    )]
    Mistaken {
        /// What is wrong.
        mistake: String,
        /// The type information.
        btf: String,
    },
    /// Rights could not be given up.
    #[error("giving up capabilities: {0}; nothing is watched with more rights than are needed")]
    Privileges(#[source] rustix::io::Errno),
    /// The thread that compiles the rules could not be started.
    #[error("starting a thread for the rules: {0}")]
    Compile(#[source] std::io::Error),
    /// A thread could not be started.
    #[error("starting the enrichment: {0}")]
    Enrich(#[source] std::io::Error),
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Closing {
    /// Kernel side: `execs = delivered + lost`.
    pub totals: Totals,
    /// User side: `delivered = findings + suppressed + folded + clean`.
    pub sums: Sums,
    /// Lines of each output.
    pub outputs: Vec<(String, Written)>,
}

impl std::fmt::Display for Closing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Totals {
            execs,
            delivered,
            lost,
            argv_cut,
            path_cut,
        } = self.totals;
        let Sums {
            findings,
            suppressed,
            folded,
            clean,
            ..
        } = self.sums;
        writeln!(f, "execs {execs} = delivered {delivered} + lost {lost}")?;
        writeln!(
            f,
            "delivered {} = findings {findings} + suppressed {suppressed} + folded {folded} + clean {clean}",
            self.sums.delivered
        )?;
        write!(f, "incomplete: argv {argv_cut}, paths {path_cut}")?;
        for (name, written) in &self.outputs {
            write!(f, "\n{name}: lines {}, dropped {}", written.lines, written.dropped)?;
            if let Some(removed) = written.removed {
                write!(f, ", removed {} files", removed.files)?;
            }
        }
        Ok(())
    }
}

/// What waits until the first canary is back: what the kernel side says may be wrong until then.
enum Held {
    Report(Box<Report>, Option<Executable>),
    Record(Record),
}

/// What is held at most; more than this is let go, right or wrong.
const MOST_HELD: usize = 10_000;

/// The way of records to the outputs.
struct Outlet {
    held: Option<Vec<Held>>,
    stage: Stage,
    gate: SharedGate,
    outputs: Arc<Outputs>,
    /// Of the metrics, when somebody wants them.
    metrics: Option<Arc<Board>>,
}

struct OutputConfig {
    device: String,
    hashing: HashLimits,
    all_execs: bool,
    view: Option<Newest>,
}

/// How the reports are completed.
fn stage_config(hash: HashLimits, is_recorded: bool) -> stage::Config {
    let mut config = stage::Config {
        hash,
        ..stage::Config::for_memory(host::memory())
    };
    if is_recorded {
        config.hash_wait = config.hash_wait.min(RECORD_WAIT);
        config.names.wait = config.names.wait.min(RECORD_WAIT);
    }
    config
}

struct Outputs {
    device: String,
    /// Execs that were not asked for go to every output, not only to the record.
    all_execs: bool,
    list: Vec<(Form, Output)>,
    record: Option<Output>,
    view: Option<View>,
}

impl Outputs {
    /// Records an exec, whatever becomes of its report.
    fn keep(&self, report: &Report) {
        let Some(record) = &self.record else { return };
        let line = if report.suspicions.is_empty() {
            json::report(report, &self.device)
        } else {
            let mut decided = report.clone();
            decided.decide();
            json::report(&decided, &self.device)
        };
        record.send(line, Weight::Exec);
    }

    fn write(&self, record: &Record) {
        let closing = matches!(record, Record::Health(health) if health.occasion == Occasion::Exit);
        let weight = match record {
            Record::Exec(_) => Weight::Exec,
            _ => Weight::Own,
        };
        if let Some(view) = &self.view {
            view.note(record);
        }
        let mut forms = Forms::new(record, &self.device);
        for (form, output) in &self.list {
            // People get the closing sums as the program's last words.
            if closing && form.is_text() {
                continue;
            }
            let form = match form {
                // The terminal may have another size by now.
                Form::Screen(_) => form.at_width(output::terminal_size().0),
                _ => *form,
            };
            output.send(forms.get(form), weight);
        }
        // Execs have been recorded before the gate.
        if let Some(recorded) = self.record.as_ref().filter(|_| weight == Weight::Own) {
            recorded.send(forms.get(Form::Json(Schema::Defender)), weight);
        }
    }

    fn each(&self) -> impl Iterator<Item = &Output> {
        self.list.iter().map(|(_, output)| output).chain(&self.record)
    }

    /// Each with the reports that it lacks because they were dropped on their way to all of them.
    fn each_with_dropped(&self, counts: &stage::Counts) -> impl Iterator<Item = (&Output, u64)> {
        let (dropped, low) = (counts.dropped, counts.dropped_low);
        let shown = dropped + if self.all_execs { low } else { 0 };
        let others = self.list.iter().map(move |(_, output)| (output, shown));
        others.chain(self.record.iter().map(move |record| (record, dropped + low)))
    }
}

impl Outlet {
    /// `broken` is told when the reader of standard output goes away, `full` when enough was written.
    fn start(
        config: OutputConfig,
        outputs: Vec<(Form, Opened)>,
        record: Option<Opened>,
        gate: SharedGate,
        backlog: Backlog,
        broken: &Arc<Notify>,
        full: Arc<Notify>,
    ) -> Result<Self, WatchError> {
        let view = config.view.map(|newest| {
            let broken = Arc::clone(broken);
            View::start(config.device.clone(), newest, move || broken.notify_one())
        });
        let view = view.transpose()?;
        let start = |opened| {
            let broken = Arc::clone(broken);
            Output::start(opened, move || broken.notify_one())
        };
        let list: Result<_, OpenError> = outputs
            .into_iter()
            .map(|(form, opened)| Ok((form, start(opened)?)))
            .collect();
        let outputs = Arc::new(Outputs {
            device: config.device,
            all_execs: config.all_execs,
            list: list?,
            record: record.map(start).transpose()?,
            view,
        });
        let door = Door {
            gate: gate.clone(),
            outputs: Arc::clone(&outputs),
            full,
        };
        let stage_config = stage_config(config.hashing, outputs.record.is_some());
        let stage = Stage::start(stage_config, Sources::system(backlog), door).map_err(WatchError::Enrich)?;
        Ok(Self {
            held: Some(Vec::new()),
            stage,
            gate,
            outputs,
            metrics: None,
        })
    }

    /// Sends what was held, and holds nothing more.
    fn let_go(&mut self) {
        for held in self.held.take().into_iter().flatten() {
            match held {
                Held::Report(report, executable) => self.stage.submit(*report, executable.as_ref()),
                Held::Record(record) => self.stage.pass(record),
            }
        }
    }

    fn send(&mut self, item: Held) {
        if self.held.as_ref().is_some_and(|held| held.len() >= MOST_HELD) {
            self.let_go();
        }
        match (&mut self.held, item) {
            (Some(held), item) => held.push(item),
            (None, Held::Report(report, executable)) => self.stage.submit(*report, executable.as_ref()),
            (None, Held::Record(record)) => self.stage.pass(record),
        }
    }

    /// Tells the metrics how things are, once the gate has decided about every report that was made.
    fn measure(&self, book: &mut HealthBook, monitor: &Monitor, live: &Live) {
        let Some(board) = self.metrics.clone() else { return };
        let mut facts = book.facts(true, monitor, live, self);
        let gate = self.gate.clone();
        self.stage.then(move || {
            let decided = gate.lock();
            decided.complete(&mut facts.health);
            facts.findings = decided.found();
            drop(decided);
            board.put(facts);
        });
    }

    /// The state of each output.
    fn states(&self) -> Vec<OutputState> {
        let state = |(output, dropped): (&Output, u64)| {
            let mut state = output.state();
            state.dropped += dropped;
            state
        };
        self.outputs
            .each_with_dropped(&self.stage.counts())
            .map(state)
            .collect()
    }
}

impl Sink for Outlet {
    fn report(&mut self, report: Report, exec: &Exec<'_>) {
        let file = (
            exec.lineage,
            exec.executable_inode,
            exec.executable_device,
            exec.executable_size,
        );
        let executable = match file {
            (Some(Lineage { start_boot_ns, .. }), Some(inode), Some(device), Some(size)) => Some(Executable {
                start_boot_ns,
                inode,
                device,
                size,
            }),
            _ => None,
        };
        match self.held {
            None => self.stage.submit(report, executable.as_ref()),
            Some(_) => self.send(Held::Report(Box::new(report), executable)),
        }
    }

    fn leave_out(&mut self) {
        self.stage.leave_out();
    }

    fn record(&mut self, record: Record) {
        self.send(Held::Record(record));
    }
}

/// Watches until `end` is ready, the wanted number of reports is made, or the reader of standard output goes away; then
/// drains everything that is on its way. `ready` is called once the hook is attached and the first canary came back.
///
/// # Errors
/// When watching can't start or the ring buffer can't be waited for.
pub async fn run(
    config: Config,
    ready: impl FnOnce(),
    mut requests: mpsc::Receiver<Request>,
    end: impl Future<Output = ()>,
) -> Result<Closing, WatchError> {
    // A file that is refused is refused before anything is attached.
    let opened: Result<Vec<_>, OpenError> = config
        .outputs
        .into_iter()
        .map(|(target, form)| Ok((form, Opened::open(target)?)))
        .collect();
    let opened = opened?;
    let record = config
        .record
        .clone()
        .map(|(folder, budget)| Opened::open(Target::Segments(folder, budget)))
        .transpose()?;
    let metrics_file = config.metrics.file.as_deref().map(MetricsFile::open).transpose()?;
    let listener = config.metrics.listen.as_ref().map(Listener::bind).transpose()?;
    // The kernel's verifier takes longer than the rules, so these cost no time beside it. What is wrong with them is said first.
    let draft = config.settings;
    let compiling = thread::Builder::new()
        .name("rules".to_owned())
        .spawn(move || draft.compile())
        .map_err(WatchError::Compile)?;
    let live = Live::start(&config.live);
    let settings = compiling.join().unwrap_or_else(|panic| resume_unwind(panic))?;
    let mut live = live?;
    privileges::drop_all_but_needed(!live.counts_without_rights()).map_err(WatchError::Privileges)?;

    let (broken, full) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let Settings {
        rules: engine,
        min_confidence,
        suppressions,
        fold_interval,
    } = settings;
    let gate = SharedGate::new(Gate::new(suppressions, fold_interval, config.wanted));
    gate.tell_expired(SystemTime::now());
    let outputs = OutputConfig {
        device: config.device,
        hashing: config.hashing,
        all_execs: config.wanted.all_execs,
        view: config.view,
    };
    let mut outlet = Outlet::start(
        outputs,
        opened,
        record,
        gate,
        live.backlog(),
        &broken,
        Arc::clone(&full),
    )?;
    let board = (metrics_file.is_some() || listener.is_some()).then(Arc::<Board>::default);
    outlet.metrics = board.clone();
    let board_of = || board.clone().unwrap_or_default();
    let metrics_file = metrics_file
        .map(|file| file.start(board_of()))
        .transpose()
        .map_err(WatchError::Enrich)?;
    let answering = listener.map(|listener| listener.start(board_of())).transpose()?;
    let programs = SharedPrograms::default();
    let indexer = Indexer::start(engine.watched_programs(), config.hashing.max_file, programs.clone())
        .map_err(WatchError::Enrich)?;
    let mut reloader = Reloader::new(config.reload);
    let mut service = config.service;
    let mut book = HealthBook::new(config.health_interval, u64::from(config.live.ring_size));
    let started = Instant::now();
    let mut monitor = Monitor::new(
        Pipeline::new(
            engine,
            Selection {
                min_confidence,
                all_execs: config.wanted.all_execs,
                recorded: config.record.is_some(),
            },
        )
        .with_programs(programs),
        Processes::new(config.processes, Signals),
        live.backlog(),
        Canary::new(config.live.nonce, config.canary_interval, started),
        Truth::of_this_process(),
    );
    let mistaken = |mistake: String| WatchError::Mistaken {
        mistake,
        btf: config.live.btf.display().to_string(),
    };
    scan(&mut monitor, &live);
    monitor.tick_canary(started, SystemTime::now(), &mut outlet);

    let mut ready = Some(ready);
    let mut late = false;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = pin!(end);
    let result = loop {
        tokio::select! {
            result = live.next(|arrival| monitor.take(arrival, &mut outlet)) => {
                if result.is_err() {
                    break result;
                }
                if monitor.scan_is_over() {
                    monitor.finish_scan(live.totals().lost);
                }
                if outlet.held.is_some() {
                    if let Some(mistake) = monitor.mistake() {
                        return Err(mistaken(mistake.to_string()));
                    }
                    if monitor.is_checked() {
                        outlet.let_go();
                    }
                }
            }
            _ = ticks.tick() => {
                let (now, time) = (Instant::now(), SystemTime::now());
                monitor.tell_loss(now, &mut outlet);
                if monitor.wants_scan(now) {
                    scan(&mut monitor, &live);
                }
                monitor.tick_canary(now, time, &mut outlet);
                book.look(&monitor, &live, &mut outlet, now);
                outlet.stage.time(time);
                let condition = condition(&monitor, &live, &outlet.gate);
                if let Some(view) = &outlet.outputs.view {
                    let uptime_seconds = started.elapsed().as_secs();
                    view.draw(State { time, uptime_seconds, totals: condition.totals, sums: condition.sums });
                }
                service.tick(now, &condition);
                outlet.measure(&mut book, &monitor, &live);
            }
            Some(request) = requests.recv() => match request {
                Request::Reload => {
                    outlet.outputs.each().for_each(Output::reopen);
                    reloader.start();
                    service.reloading();
                }
                Request::Health => book.write(Occasion::Signal, &monitor, &live, &mut outlet),
            },
            result = reloader.next() => {
                let failure = apply(result, &mut monitor, &outlet.gate, &indexer);
                // One more was asked for meanwhile: it is that one's end that the service manager waits for.
                if !reloader.is_reading() {
                    service.reloaded(failure.as_deref(), Instant::now(), &condition(&monitor, &live, &outlet.gate));
                }
                book.note_reload(failure);
            }
            () = broken.notified() => break Ok(()),
            () = full.notified() => break Ok(()),
            () = &mut end => break Ok(()),
        }
        let waited = started.elapsed() > READY_LIMIT;
        let seen = monitor.canary.last_seen().is_some();
        if seen
            && (waited || !monitor.is_scanning())
            && let Some(ready) = ready.take()
        {
            ready();
            service.ready(Instant::now(), &condition(&monitor, &live, &outlet.gate));
        } else if waited && !seen && !std::mem::replace(&mut late, true) {
            if unread(&monitor, &live) {
                return Err(mistaken(UNREAD.to_owned()));
            }
            outlet.let_go();
            log::error!("{NO_CANARY}");
            service.not_ready(NO_CANARY);
        }
    };
    service.stopping();
    live.stop(DRAIN_LIMIT, &mut |arrival| monitor.take(arrival, &mut outlet));
    if outlet.held.is_some() {
        // The first canary may have come back just now.
        if let Some(mistake) = monitor.mistake() {
            return Err(mistaken(mistake.to_string()));
        }
        outlet.let_go();
    }
    let totals = live.totals();
    monitor.settle_loss(totals.lost, SystemTime::now());
    monitor.tell_all_loss(Instant::now(), &mut outlet);
    book.write(Occasion::Exit, &monitor, &live, &mut outlet);
    let last_facts = board.as_ref().map(|_| book.facts(false, &monitor, &live, &outlet));
    drop(live);
    if !outlet.stage.flush(ENRICH_LIMIT) {
        log::warn!("not every report was complete in time");
    }
    if let Some(view) = &outlet.outputs.view {
        view.end();
    }
    let counts = outlet.stage.counts();
    let finish = |(output, dropped): (&Output, u64)| {
        let mut written = output.finish(OUTPUT_LIMIT);
        written.dropped += dropped;
        (output.name().to_owned(), written)
    };
    let outputs: Vec<_> = outlet.outputs.each_with_dropped(&counts).map(finish).collect();
    let mut sums = monitor.sums();
    outlet.gate.lock().settle(&mut sums);
    if let (Some(board), Some(mut facts)) = (&board, last_facts) {
        outlet.gate.lock().complete(&mut facts.health);
        facts.findings = outlet.gate.lock().found();
        facts.waiting = Waiting::default();
        for (state, (_, written)) in facts.health.outputs.iter_mut().zip(&outputs) {
            (state.lines, state.dropped, state.removed) = (written.lines, written.dropped, written.removed);
        }
        board.put(facts);
    }
    drop(answering);
    if let Some(writing) = metrics_file {
        end_within(OUTPUT_LIMIT, writing);
    }
    result?;
    Ok(Closing { totals, sums, outputs })
}

/// Whether execs come through, a canary was one of them, and yet none had its arguments.
fn unread(monitor: &Monitor, live: &Live) -> bool {
    let totals = live.totals();
    monitor.canary.has_run() && totals.execs > 0 && totals.lost == 0 && totals.delivered == totals.execs
}

/// Waits for a thread, but no longer than that.
fn end_within(limit: Duration, thread: JoinHandle<()>) {
    let end = Instant::now() + limit;
    while !thread.is_finished() && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Puts new settings to work; why not, when there are none.
fn apply(
    settings: Result<Settings, String>,
    monitor: &mut Monitor,
    gate: &SharedGate,
    indexer: &Indexer,
) -> Option<String> {
    let Settings {
        rules: engine,
        min_confidence,
        suppressions,
        fold_interval,
    } = match settings {
        Ok(settings) => settings,
        Err(error) => {
            indexer.read_anew(None);
            log::error!("{error}; going on with the rules and the configuration from before");
            return Some(error);
        }
    };
    let count = suppressions.len();
    indexer.read_anew(Some(engine.watched_programs()));
    monitor.set_rules(engine, min_confidence);
    gate.lock().reload(suppressions, fold_interval);
    gate.tell_expired(SystemTime::now());
    log::info!("rules and configuration read anew ({count} suppressions)");
    None
}

fn condition(monitor: &Monitor, live: &Live, gate: &SharedGate) -> Condition {
    let mut sums = monitor.sums();
    gate.lock().settle(&mut sums);
    Condition {
        seen: monitor.canary.last_seen().is_some(),
        blind: monitor.canary.is_blind(),
        totals: live.totals(),
        sums,
    }
}

fn scan(monitor: &mut Monitor, live: &Live) {
    if let Err(error) = monitor.begin_scan(live.totals().lost, Instant::now()) {
        log::warn!("reading /proc: {error}; processes older than the monitor will be absent from reports");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::segments::SYNC;

    #[test]
    fn a_recorded_exec_is_on_disk_within_a_second_whatever_it_waits_for() {
        let hash = HashLimits::default();
        let stage::Config { hash_wait, names, .. } = stage_config(hash, true);
        assert!(hash_wait.max(names.wait) + SYNC <= Duration::from_secs(1));
        assert!(SYNC < Duration::from_secs(1) && !hash_wait.is_zero());
        let alone = stage_config(hash, false);
        assert_eq!(alone.hash_wait, stage::Config::default().hash_wait, "nobody is hurried");
    }
}

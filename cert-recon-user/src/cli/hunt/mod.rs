//! `cert-recon hunt`.

mod outputs;

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::File,
    io::{self, Write as _},
    iter,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use indicatif::ProgressBar;

use self::outputs::{Accounts, Standard, bar, create_page, end_on_interrupt};
use super::{Status, parse_confidence, rule_args::RuleArgs, settings::Asked};
use crate::{
    finding::Report,
    host,
    hunt::{
        self, Bad, Event, InputRead, Job, Position, Range, Request,
        coverage::{Coverage, GapCoverage, InputCoverage},
        page,
        rendered::Rendered,
        sorter::{SortKey, Sorter},
        summary::Summary,
    },
    record::Record,
    rules::Confidence,
    sink::{
        csv,
        form::{Form, Forms, Schema},
        json, line, output,
    },
    source::recorded::{
        Format as Source, files,
        input::Progress,
        local::{self, Where},
        segments, time_of,
    },
    suppress::{Gate, Wanted},
    text::for_terminal,
};

/// Memory for findings that wait to be sorted, bytes; what is beyond is sorted on disk.
const SORT_MEMORY: usize = 32 << 20;
/// Gaps that are listed; the others are counted.
const GAPS: usize = 1000;
/// Reasons of bad lines that are kept of an input; on standard error each is told.
const BAD_SAMPLES: usize = 20;
/// How often the progress bar moves.
const REDRAW: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files and folders to read; `-` is standard input. Without any: every known source of this host that is there.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What they are, instead of telling it by content.
    #[arg(long, value_name = "SOURCE", default_value = "auto", value_parser = parse_source)]
    source: SourceArg,
    /// Execs not before this: 24h, 7d, or a time such as 2026-11-25T17:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<SystemTime>,
    /// Execs not after this.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<SystemTime>,
    /// Form of the results on standard output.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Append each result as a line of JSON to this file (mode 0600, never through a symbolic link).
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Names of the fields in JSON, on standard output and in --output. [default: defender]
    #[arg(long, value_name = "defender|ecs|ocsf")]
    schema: Option<Schema>,
    /// Write a page for the case file: HTML, complete in itself. An existing file is not overwritten.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Report findings of at least this confidence. [default: low]
    #[arg(long, value_name = "low|medium|high", value_parser = parse_confidence)]
    min_confidence: Option<Confidence>,
    #[command(flatten)]
    rules: RuleArgs,
    /// Report findings that a suppression holds for too, marked.
    #[arg(long)]
    show_suppressed: bool,
    /// Records to read at the same time. [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
    /// A line of names, then one line each.
    Csv,
}

/// A source, or to be told by content.
#[derive(Clone, Copy, Debug)]
struct SourceArg(Option<Source>);

fn parse_source(name: &str) -> Result<SourceArg, String> {
    if name == "auto" {
        return Ok(SourceArg(None));
    }
    let found = Source::ALL.into_iter().find(|source| source.as_str() == name);
    found.map(|source| SourceArg(Some(source))).ok_or_else(|| {
        let names: Vec<_> = Source::ALL.iter().map(|source| source.as_str()).collect();
        format!("there is no source of that name; there are: auto, {}", names.join(", "))
    })
}

/// So long ago, or a time.
fn parse_time(text: &str) -> Result<SystemTime, String> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return SystemTime::now()
            .checked_sub(ago)
            .ok_or_else(|| "that is too long ago".to_owned());
    }
    if let Some(time) = text.parse().ok().and_then(time_of) {
        return Ok(time);
    }
    Err(
        "it is neither a length of time (24h, 7d) nor a time with its zone (2026-11-25T17:00:00Z, \
         2026-11-25T18:00:00+01:00)"
            .to_owned(),
    )
}

pub(super) fn run(args: Args) -> anyhow::Result<Status> {
    if let (Some(since), Some(until)) = (args.since, args.until) {
        anyhow::ensure!(since <= until, "--since is after --until: no exec can be between them");
    }
    let schema = args.schema.unwrap_or_default();
    anyhow::ensure!(
        schema == Schema::Defender || args.output.is_none() || args.report.is_none(),
        "--report needs findings in the names of --schema defender, --output is to have them in those of {}: run hunt once \
         for each",
        schema.as_str()
    );
    let asked = Asked {
        rules: args.rules,
        min_confidence: args.min_confidence,
        fold_interval: Some(Duration::ZERO),
    };
    let file = asked.rules.config()?;
    let settings = asked.settings(file)?;
    let range = Range {
        since: args.since,
        until: args.until,
    };
    let mut work = Work {
        gate: Gate::new(
            settings.suppressions,
            Duration::ZERO,
            Wanted {
                suppressed: args.show_suppressed,
                ..Wanted::default()
            },
        ),
        summary: Summary::default(),
        coverage: Coverage::default(),
        sorter: Sorter::new(SORT_MEMORY),
        format: args.format,
        colour: output::colour(),
        schema,
        for_page: args.report.is_some(),
        keep_json: args.output.is_some() || args.report.is_some(),
        device: host::name(),
        accounts: Accounts::default(),
        made: 0,
        range,
        failed: None,
        progress: Arc::default(),
        bar: ProgressBar::hidden(),
        samples: Vec::new(),
    };
    // What can't be written is better known before the reading than after it.
    let mut file = match &args.output {
        Some(path) => Some(output::open_file(path)?),
        None => None,
    };
    let report = match &args.report {
        Some(path) => Some((path, create_page(path)?)),
        None => None,
    };
    let jobs = work.jobs(&args.paths, args.source.0);
    let bytes = jobs.iter().filter_map(size).sum::<u64>();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let request = Request {
        jobs,
        format: args.source.0.filter(|source| *source != Source::Proc),
        engine: settings.rules,
        min_confidence: settings.min_confidence,
        range,
        threads: args.jobs.map_or(cores, usize::from),
    };
    let progress = Arc::clone(&work.progress);
    end_on_interrupt(&progress)?;
    work.bar = bar(bytes);
    let started = SystemTime::now();
    thread::scope(|scope| {
        let (bar, reading) = (work.bar.clone(), Arc::clone(&progress));
        let moving = scope.spawn(move || {
            while !bar.is_finished() {
                bar.set_position(reading.bytes.load(Ordering::Relaxed));
                thread::park_timeout(REDRAW);
            }
        });
        hunt::run(&request, &progress, |event| work.take(event));
        work.bar.finish_and_clear();
        moving.thread().unpark();
    });
    if let Some(error) = &work.failed {
        work.coverage.ended_early = Some(format!("{error}; what follows was found until then"));
    } else if progress.is_stopped() {
        work.coverage.ended_early = Some("it was interrupted; what follows was found until then".to_owned());
    }
    work.close(&mut file, report, started, &request)
}

/// Everything that becomes of what is read.
struct Work {
    gate: Gate,
    summary: Summary,
    coverage: Coverage,
    sorter: Sorter,
    format: Format,
    colour: bool,
    schema: Schema,
    /// A page is made of the findings.
    for_page: bool,
    /// The line of JSON is needed beside the form on standard output.
    keep_json: bool,
    /// This host.
    device: String,
    accounts: Accounts,
    /// Findings to be written.
    made: u64,
    /// The time asked for.
    range: Range,
    /// Why no more findings can be kept.
    failed: Option<io::Error>,
    /// Ends the reading.
    progress: Arc<Progress>,
    bar: ProgressBar,
    /// Bad lines of inputs that are being read.
    samples: Vec<(Arc<str>, u64, String)>,
}

impl Work {
    /// What to read. What can't even be listed is told as an input that can't be read.
    fn jobs(&mut self, paths: &[PathBuf], source: Option<Source>) -> Vec<Job> {
        if paths.is_empty() {
            return self.local(source);
        }
        if source == Some(Source::Proc) {
            return paths.iter().cloned().map(Job::Processes).collect();
        }
        let (stdin, named): (Vec<_>, Vec<_>) = paths.iter().cloned().partition(|path| path == Path::new("-"));
        let mut jobs = Vec::from_iter((!stdin.is_empty()).then_some(Job::Stdin));
        self.files(&named, &mut jobs);
        jobs
    }

    /// Every known source of this host that is there, or those of one format.
    fn local(&mut self, wanted: Option<Source>) -> Vec<Job> {
        let (sources, problems) = local::known(Path::new("/"));
        for (path, error) in problems {
            self.unlisted(&path, &error);
        }
        let mut jobs = Vec::new();
        for source in sources {
            if wanted.is_some() && source.format.is_some() && source.format != wanted {
                continue;
            }
            match source.at {
                Where::Files(files) => self.files(&files, &mut jobs),
                Where::Folder(folder) => self.files(&[folder], &mut jobs),
                Where::Program(program, args) => {
                    let args = args.into_iter().map(OsString::from);
                    let words = iter::once(program.into_os_string()).chain(args).collect();
                    jobs.push(Job::Command(words, source.format.unwrap_or(Source::Journald)));
                }
                Where::Processes(root) => jobs.push(Job::Processes(root)),
            }
        }
        jobs
    }

    /// The sets of files below these paths.
    fn files(&mut self, paths: &[PathBuf], jobs: &mut Vec<Job>) {
        let (mut sets, unlisted) = files::list(paths);
        let Range { since, until } = self.range;
        let mut outside = 0;
        for set in &mut sets {
            let before = set.files.len();
            set.files
                .retain(|file| file.named || segments::may_be_within(&file.path, since, until));
            outside += before - set.files.len();
        }
        if outside > 0 {
            log::info!("{outside} files of a record lie outside of the time asked for, and are not read");
        }
        sets.retain(|set| !set.files.is_empty());
        jobs.extend(sets.into_iter().map(Job::Files));
        for unlisted in unlisted {
            self.unlisted(&unlisted.path, &unlisted.error);
        }
    }

    fn unlisted(&mut self, path: &Path, error: &io::Error) {
        self.read(InputRead {
            name: path.display().to_string(),
            error: Some(error.to_string()),
            named: true,
            ..InputRead::default()
        });
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Finding(report, position) => {
                if let Some(report) = self.gate.take(*report) {
                    self.found(report, position);
                }
            }
            Event::Bad(bad) => self.bad(bad),
            Event::Gap { input, line, gap } => {
                if self.coverage.gaps.len() >= GAPS {
                    self.coverage.more_gaps += 1;
                    return;
                }
                self.coverage.gaps.push(GapCoverage {
                    input: input.as_bytes().to_vec(),
                    line,
                    count: gap.count,
                    from: gap.from,
                    until: gap.until,
                    what: gap.what,
                });
            }
            Event::Read(read) => self.read(read),
        }
    }

    fn found(&mut self, mut report: Report, at: Position) {
        if report
            .origin
            .as_ref()
            .is_some_and(|origin| origin.source == Source::Proc.as_str())
        {
            self.accounts.complete(&mut report, &self.device);
        }
        self.summary.add(&report, &self.device);
        let schema = self.schema;
        let form = |schema: Schema| {
            let record = Record::Exec(Box::new(report.clone()));
            Forms::new(&record, &self.device).get(Form::Json(schema)).to_vec()
        };
        let main = match self.format {
            Format::Json if schema != Schema::Defender => form(schema),
            Format::Json => json::report(&report, &self.device),
            Format::Csv => csv::report(&report, &self.device),
            Format::Text => line::report(&report, self.colour),
        };
        // The page reads cert-recon's own names.
        let kept = if self.for_page { Schema::Defender } else { schema };
        let json = match self.format {
            _ if !self.keep_json => None,
            Format::Json if kept == schema => Some(main.clone()),
            _ if kept != Schema::Defender => Some(form(kept)),
            _ => Some(json::report(&report, &self.device)),
        };
        let key = SortKey::new(report.time, report.time_is_limit, at.job, at.file, at.line, at.number);
        self.made += 1;
        if let Err(error) = self.sorter.push(key, Rendered { main, json }.to_bytes()) {
            self.progress.stop.store(true, Ordering::Relaxed);
            self.failed.get_or_insert(error);
        }
    }

    /// Each is told at once, where it is; only few are kept.
    fn bad(&mut self, bad: Bad) {
        let lines = match (bad.line, bad.last) {
            (0, _) => String::new(),
            (line, last) if line == last => format!(":{line}"),
            (line, last) => format!(":{line}-{last}"),
        };
        self.bar
            .suspend(|| log::warn!("{}{lines}: {}: skipped", bad.input, bad.why));
        if self.samples.len() < BAD_SAMPLES * 64 {
            self.samples.push((bad.input, bad.line, bad.why));
        }
    }

    fn read(&mut self, read: InputRead) {
        // Most of what is in a folder is something else.
        if read.format.is_none() && read.error.is_none() && !read.named {
            self.coverage.others += 1;
            return;
        }
        let mut errors: Vec<String> = read.error.iter().cloned().collect();
        if read.format.is_none() && read.error.is_none() && !read.is_empty {
            errors.push("it is like no record that is known; --source says what it is".to_owned());
        }
        if !errors.is_empty() {
            self.bar.suspend(|| log::warn!("{}: {}", read.name, errors.join("; ")));
        }
        let (bad_samples, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.samples)
            .into_iter()
            .partition(|(input, ..)| **input == *read.name);
        self.samples = rest;
        let bad_samples = bad_samples.into_iter().take(BAD_SAMPLES);
        let counts = read.counts;
        self.coverage.inputs.push(InputCoverage {
            name: read.name.into_bytes(),
            format: read.format.map(Source::as_str),
            bytes: counts.bytes,
            records: counts.lines,
            execs: counts.execs,
            findings: counts.findings,
            bad: counts.bad,
            bad_samples: bad_samples.map(|(_, line, why)| (line, why)).collect(),
            first: counts.span.map(|(first, _)| first),
            last: counts.span.map(|(_, last)| last),
            errors,
        });
    }

    /// Writes everything, and says what it came to.
    fn close(
        mut self,
        file: &mut Option<File>,
        report: Option<(&PathBuf, File)>,
        started: SystemTime,
        request: &Request,
    ) -> anyhow::Result<Status> {
        for suppression in self.gate.newly_expired(SystemTime::now()) {
            log::warn!(
                "suppression {} has expired: what it held back is reported",
                suppression.name
            );
        }
        let mut stdout = Standard::new(self.format);
        let sorter = std::mem::replace(&mut self.sorter, Sorter::new(0));
        let mut findings = sorter.finish()?.map(|finding| {
            let rendered = Rendered::from_bytes(&finding?.1)?;
            stdout.write(&rendered.main)?;
            if let (Some(file), Some(json)) = (file.as_mut(), &rendered.json) {
                file.write_all(json)?;
            }
            Ok(rendered.json.unwrap_or_default())
        });
        if let Some((path, page)) = report {
            let head = page::Head::new(&self.device, started, &self.coverage, request.range);
            let mut page = io::BufWriter::new(page);
            page::write(&mut page, &head, &self.summary, &mut findings)
                .and_then(|()| page.flush())
                .with_context(|| format!("writing the page {}", path.display()))?;
        }
        // The page shows no more than it can; the rest is written all the same.
        for finding in findings {
            finding.context("writing the findings")?;
        }
        stdout.end()?;
        if let Some(file) = file {
            file.sync_all().context("writing the findings to --output")?;
        }
        self.tell();
        let incomplete = !self.coverage.is_complete() || self.coverage.sums().bad > 0;
        Ok(match (incomplete, self.made) {
            (true, _) => Status::Incomplete,
            (false, 0) => Status::Clean,
            (false, _) => Status::Findings,
        })
    }

    /// The summary, for people.
    fn tell(&self) {
        let mut sums = crate::pipeline::Sums::default();
        let read = self.coverage.sums();
        sums.findings = read.findings;
        self.gate.settle(&mut sums);
        let mut text = self.coverage.to_text();
        text.push_str(&self.summary.to_text(output::colour_of(&io::stderr())));
        if sums.suppressed > 0 {
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "suppressed {} of {} findings (--show-suppressed shows them)",
                sums.suppressed, read.findings
            );
            for state in self.gate.states(SystemTime::now()) {
                if state.count > 0 {
                    let _ = writeln!(text, "  {}: {}", for_terminal(state.name.as_bytes()), state.count);
                }
            }
        }
        // For people: where nobody reads it, nothing is lost.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Bytes of a job's files, where that is known.
fn size(job: &Job) -> Option<u64> {
    let Job::Files(set) = job else { return None };
    let sizes = set.files.iter().filter_map(|file| file.path.metadata().ok());
    Some(sizes.map(|metadata| metadata.len()).sum())
}

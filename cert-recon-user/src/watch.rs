//! The live monitor: the source, the rules and the outputs, run together until something ends them.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::Notify;

use crate::{
    enrich::accounts::Accounts,
    event::Exec,
    finding::Report,
    pipeline::{Pipeline, Selection, Sums},
    rules::Engine,
    sink::{
        json, line,
        output::{OpenError, Output, Target, Written, colour},
    },
    source::live::{Live, LiveError, Options, Totals},
};

/// How long the end waits for what is still on its way through the kernel.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);
/// How long the end waits for an output that does not take its lines.
const OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// How a report is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What to watch and where reports go.
#[derive(Debug)]
pub struct Config {
    /// The kernel side.
    pub live: Options,
    /// The rules.
    pub engine: Engine,
    /// What is reported.
    pub selection: Selection,
    /// The form on standard output.
    pub form: Form,
    /// A file that gets every report as JSON.
    pub output: Option<std::path::PathBuf>,
    /// The host's name, as reported.
    pub device: String,
    /// Where users are named.
    pub accounts: std::path::PathBuf,
}

/// Why watching could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The live source.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// An output.
    #[error(transparent)]
    Output(#[from] OpenError),
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
        }
        Ok(())
    }
}

struct Reporter {
    accounts: Accounts,
    device: String,
    form: Form,
    colour: bool,
    stdout: Output,
    file: Option<Output>,
}

impl Reporter {
    fn report(&mut self, mut report: Report) {
        report.account = report.uid.map(|uid| self.accounts.name(uid));
        report.login_account = report.login_uid.map(|uid| self.accounts.name(uid));
        let json = (self.form == Form::Json || self.file.is_some()).then(|| json::report(&report, &self.device));
        if let (Some(file), Some(json)) = (&self.file, &json) {
            file.send(json.clone());
        }
        match (self.form, json) {
            (Form::Json, Some(json)) => self.stdout.send(json),
            _ => self.stdout.send(line::report(&report, self.colour)),
        }
    }

    fn outputs(&self) -> impl Iterator<Item = &Output> {
        std::iter::once(&self.stdout).chain(&self.file)
    }
}

/// Watches until `end` is ready, the wanted number of reports is made, or the reader of standard output goes away; then
/// drains everything that is on its way. `ready` is called once the hook is attached; `reopen` opens the output file anew
/// each time that it gives a value.
///
/// # Errors
/// When watching can't start or the ring buffer can't be waited for.
pub async fn run(
    config: Config,
    ready: impl FnOnce(),
    mut reopen: tokio::sync::mpsc::Receiver<()>,
    end: impl Future<Output = ()>,
) -> Result<Closing, WatchError> {
    let broken = Arc::new(Notify::new());
    let notify = Arc::clone(&broken);
    let mut reporter = Reporter {
        accounts: Accounts::new(config.accounts),
        device: config.device,
        form: config.form,
        colour: config.form == Form::Text && colour(),
        // The file first: when it is refused, nothing has been started.
        file: config
            .output
            .map(|path| Output::start(Target::File(path), || {}))
            .transpose()?,
        stdout: Output::start(Target::Stdout, move || notify.notify_one())?,
    };
    let mut pipeline = Pipeline::new(config.engine, config.selection);
    let mut live = Live::start(&config.live)?;
    ready();

    let mut each = |reporter: &mut Reporter, exec: &Exec<'_>, lost: u64| {
        if let Some(report) = pipeline.take(exec, lost) {
            reporter.report(report);
        }
        pipeline.is_full()
    };
    let mut full = false;
    let result = {
        tokio::pin!(end);
        loop {
            tokio::select! {
                result = live.next(|exec, lost| full = each(&mut reporter, exec, lost)) => {
                    if result.is_err() || full {
                        break result;
                    }
                }
                () = broken.notified() => break Ok(()),
                () = &mut end => break Ok(()),
                Some(()) = reopen.recv() => reporter.outputs().for_each(Output::reopen),
            }
        }
    };
    live.stop(DRAIN_LIMIT, &mut |exec, lost| {
        each(&mut reporter, exec, lost);
    });
    let totals = live.totals();
    drop(live);
    let outputs = reporter
        .outputs()
        .map(|output| (output.name().to_owned(), output.finish(OUTPUT_LIMIT)))
        .collect();
    result?;
    Ok(Closing {
        totals,
        sums: pipeline.sums(),
        outputs,
    })
}

//! One job from its first byte to its last: opening, telling the format, parsing.

use std::{
    fs::File,
    io,
    os::fd::AsFd as _,
    process::{Command, Stdio},
    sync::{Arc, mpsc::SyncSender},
};

use super::{Counts, Event, InputRead, Job, Request, judge::Judge};
use crate::source::recorded::{
    Format, Gap, Input, Out as _, Parser, Place, files::Set, format, input::Progress, segments,
};

/// Reads what a job names.
pub(super) fn job(request: &Request, progress: &Arc<Progress>, number: usize, job: &Job, send: &SyncSender<Event>) {
    let mut reader = Reader {
        request,
        progress,
        judge: Judge::new(request, number, send),
        parser: None,
        waiting: Vec::new(),
    };
    match job {
        Job::Files(set) => reader.files(set),
        Job::Stdin => {
            // Past the standard library's buffer, which may hold what the descriptor no longer has.
            let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            let input = stdin.and_then(|stdin| Input::new(stdin, 0, progress));
            reader.stream("standard input", input, request.format);
        }
        Job::Command(words, format) => reader.command(words, *format),
        Job::Processes(root) => reader.processes(root),
    }
    reader.finish();
}

struct Reader<'a> {
    request: &'a Request,
    progress: &'a Arc<Progress>,
    judge: Judge<'a>,
    /// At work on files that continue each other.
    parser: Option<(Format, Box<dyn Parser>)>,
    /// What is known of files that the parser may still have something to say about.
    waiting: Vec<(usize, InputRead)>,
}

impl Reader<'_> {
    fn files(&mut self, set: &Set) {
        for file in &set.files {
            let name = file.path.display().to_string();
            let read = InputRead {
                name,
                named: file.named,
                ..InputRead::default()
            };
            match Input::open(&file.path, 0, self.progress) {
                Ok(input) => {
                    let by_name = format::by_name(&file.path);
                    let path = file.path.as_os_str().as_encoded_bytes();
                    self.input(input, read, Some(path), self.request.format.or(by_name));
                }
                Err(error) => self.tell(InputRead {
                    error: Some(error.to_string()),
                    ..read
                }),
            }
        }
    }

    fn stream(&mut self, name: &str, input: io::Result<Input>, format: Option<Format>) {
        let read = InputRead {
            name: name.to_owned(),
            named: true,
            ..InputRead::default()
        };
        match input {
            Ok(input) => self.input(input, read, None, format),
            Err(error) => self.tell(InputRead {
                error: Some(error.to_string()),
                ..read
            }),
        }
    }

    /// What a program writes. That it fails is told like an input that can't be read to its end.
    fn command(&mut self, words: &[std::ffi::OsString], format: Format) {
        let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        let name = format!("`{}`", shown.join(" "));
        let Some((program, args)) = words.split_first() else {
            return;
        };
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return self.stream(&name, Err(error), Some(format)),
        };
        // Read in a thread of its own, so that neither pipe fills up; a little of it is enough.
        let stderr = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                let mut stderr = stderr;
                let mut text = Vec::new();
                let _ = io::Read::read_to_end(&mut io::Read::take(&mut stderr, 4096), &mut text);
                let _ = io::copy(&mut stderr, &mut io::sink());
                text
            })
        });
        if let Some(stdout) = child.stdout.take() {
            let input = Input::new(stdout, 0, self.progress);
            self.stream(&name, input, Some(format));
        }
        self.finish();
        let said = stderr.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let status = child.wait();
        let failed = match status {
            Ok(status) if status.success() => return,
            // It was ended with the hunt.
            _ if self.progress.is_stopped() => return,
            Ok(status) => format!("{status}: {}", crate::text::for_terminal(said.trim_ascii())),
            Err(error) => error.to_string(),
        };
        self.tell(InputRead {
            name,
            format: Some(format),
            named: true,
            error: Some(failed),
            ..InputRead::default()
        });
    }

    fn processes(&mut self, root: &std::path::Path) {
        let name = root.display().to_string();
        let number = self
            .judge
            .next_file(&name, Some(root.as_os_str().as_encoded_bytes()), Format::Proc);
        let error = crate::source::recorded::proc::scan(root, &mut self.judge).err();
        let counts = self.judge.counts(number);
        self.tell(InputRead {
            name,
            format: Some(Format::Proc),
            counts,
            error: error.map(|error| error.to_string()),
            named: true,
            is_empty: false,
        });
    }

    fn input(&mut self, mut input: Input, mut read: InputRead, path: Option<&[u8]>, format: Option<Format>) {
        read.is_empty = input.sample().is_empty();
        let format = format.or_else(|| format::detect(input.sample()));
        let Some(format) = format else {
            return self.tell(read);
        };
        if self.parser.as_ref().is_none_or(|(before, _)| *before != format) {
            self.finish();
            self.parser = format.parser().map(|parser| (format, parser));
        }
        let Some((_, parser)) = &mut self.parser else {
            read.error = Some(format!("{} is no form of a file", format.as_str()));
            return self.tell(read);
        };
        read.format = Some(format);
        let number = self.judge.next_file(&read.name, path, format);
        input.set_file(number);
        let result = parser.read(&mut input, &mut self.judge);
        for damage in input.take_damages() {
            let place = Place {
                file: number,
                line: damage.line,
            };
            self.judge.bad(place, &damage);
        }
        if let Err(error) = result {
            let line = input.place().line;
            if error.kind() == io::ErrorKind::UnexpectedEof
                && input.path().is_some_and(|path| segments::started(path).is_some())
            {
                // It is the last frame that is cut, whatever ended the monitor: what was before is whole.
                self.judge.gap(input.place(), &torn());
                read.counts.lines = line;
                read.counts.bytes = input.size().unwrap_or(0);
                self.waiting.push((number, read));
                return;
            }
            read.error = Some(if line == 0 {
                error.to_string()
            } else {
                format!("after line {line}: {error}")
            });
        }
        read.counts.lines = input.place().line;
        read.counts.bytes = input.size().unwrap_or(0);
        self.waiting.push((number, read));
    }

    /// Ends the parser that is at work, and tells of its files.
    fn finish(&mut self) {
        if let Some((_, mut parser)) = self.parser.take() {
            parser.finish(&mut self.judge);
        }
        for (number, mut read) in std::mem::take(&mut self.waiting) {
            read.counts = Counts {
                lines: read.counts.lines,
                bytes: read.counts.bytes,
                ..self.judge.counts(number)
            };
            self.tell(read);
        }
    }

    fn tell(&mut self, read: InputRead) {
        self.judge.tell_bad();
        self.judge.tell(Event::Read(read));
    }
}

/// What a record lacks whose monitor was killed.
fn torn() -> Gap {
    Gap {
        count: None,
        from: None,
        until: None,
        what: "the file ends in the middle of a frame: its monitor was killed, the power failed, it is still being written, or the copy \
               is not whole"
            .to_owned(),
    }
}

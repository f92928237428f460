//! `--record DIR`: every line, compressed, in files that are begun anew from time to time.
//!
//! Owns the files of one folder. Lines are gathered to frames of zstd, each complete in itself; a frame is written and synced
//! to disk within [`SYNC`] of its first line, so whatever ends the program or the host takes the last frame at most and
//! never one before it. It never waits and never retries: who calls it does.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use rustix::fs::{Mode, OFlags};

use super::{json, output::OpenError};
use crate::record::Removed;
use crate::source::recorded::segments::{self, SPAN};

/// A frame is written and synced to disk when this time has passed since its first line. With the time that a line waits for names
/// and hash before it gets here, and a tenth of a second for the disk, that is within a second of the exec.
pub const SYNC: Duration = Duration::from_millis(500);
/// A frame is ended when so many bytes of lines are in it.
const FRAME: usize = 1 << 20;
/// Bytes of a file, after which another is begun; of a small budget an eighth.
const SEGMENT: u64 = 64 << 20;
/// The compression that costs a busy host little.
const LEVEL: i32 = 3;

/// The files of a folder.
pub struct Segments {
    folder: PathBuf,
    /// Bytes of all files together.
    budget: u64,
    /// Bytes of a file, after which another is begun.
    most: u64,
    current: Option<Segment>,
    /// The lines of the frame in the making.
    lines: Vec<u8>,
    count: u64,
    /// When the first of them came.
    since: Option<Instant>,
    /// The time that the first of them is of.
    first: Option<SystemTime>,
    /// Lines on disk.
    written: u64,
    removed: Removed,
    /// It was said that the budget can't be kept.
    is_over: bool,
}

/// The file that is being written.
struct Segment {
    file: File,
    name: OsString,
    bytes: u64,
    /// The time in its name.
    started: SystemTime,
}

impl Segment {
    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }
}

impl Segments {
    /// Opens a folder, or makes it: mode 0700, and only if nobody else can write to it.
    ///
    /// # Errors
    /// When it can't be made or opened, or is refused.
    pub fn open(folder: &Path, budget: u64) -> Result<Self, OpenError> {
        let name = folder.display().to_string();
        let failed = |source: io::Error| OpenError::Io {
            path: name.clone(),
            source,
        };
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        super::folder::open(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            budget,
            most: SEGMENT.min(budget / 8),
            current: None,
            lines: Vec::new(),
            count: 0,
            since: None,
            first: None,
            written: 0,
            removed: Removed::default(),
            is_over: false,
        })
    }

    /// As [`open`](Self::open), for one who removes files itself: `most` bytes are in a file before another is begun.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(super) fn of_queue(folder: &Path, most: u64) -> Result<Self, OpenError> {
        Ok(Self {
            most,
            ..Self::open(folder, u64::MAX)?
        })
    }

    /// Whether the frame in the making has to be written before this line is taken: it is full, or the line is of another hour.
    pub(super) fn must_flush_before(&self, line: &[u8]) -> bool {
        self.must_flush_at(json::time_of(line).unwrap_or_else(SystemTime::now))
    }

    fn must_flush_at(&self, time: SystemTime) -> bool {
        let is_other = |started| !segments::holds(started, time);
        self.first.is_some()
            && (self.lines.len() >= FRAME
                || self.current.as_ref().is_some_and(|current| is_other(current.started))
                || self.first.is_some_and(is_other))
    }

    /// The file that is written to, and its bytes.
    pub(super) fn current(&self) -> Option<(&OsStr, u64)> {
        let current = self.current.as_ref()?;
        Some((&current.name, current.bytes))
    }

    /// Takes a line, with its newline.
    ///
    /// # Errors
    /// A frame had to be written before there was room for the line, and could not be: the line was not taken.
    pub fn add(&mut self, line: &[u8]) -> io::Result<()> {
        let time = json::time_of(line).unwrap_or_else(SystemTime::now);
        if self.must_flush_at(time) {
            self.flush()?;
        }
        if self
            .current
            .as_ref()
            .is_some_and(|current| !segments::holds(current.started, time))
        {
            self.current = None;
        }
        self.first.get_or_insert(time);
        self.since.get_or_insert_with(Instant::now);
        self.lines.extend_from_slice(line);
        self.count += 1;
        Ok(())
    }

    /// When the frame in the making is to be written; none while there is none.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + SYNC)
    }

    /// Lines that are not on disk yet, and their bytes.
    #[must_use]
    pub fn waiting(&self) -> (u64, usize) {
        (self.count, self.lines.len())
    }

    /// Lines that are on disk, or were until their file was removed.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Files that were removed to stay within the budget.
    #[must_use]
    pub fn removed(&self) -> Removed {
        self.removed
    }

    /// Ends the frame in the making and puts it on disk.
    ///
    /// # Errors
    /// It could not be written. Nothing of it is in the file then, and its lines wait for the next call.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(first) = self.first else { return Ok(()) };
        let mut packer = zstd::bulk::Compressor::new(LEVEL)?;
        // Else a bit that has changed would be another text.
        packer.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
        let frame = packer.compress(&self.lines)?;
        if self.current.as_ref().is_some_and(|current| current.bytes >= self.most) {
            self.current = None;
        }
        // Somebody has removed it: what is written to it would be gone with it.
        if self.current.as_ref().is_some_and(|current| current.is_removed()) {
            log::warn!(
                "{}: a file was removed while it was written; another is begun",
                self.folder.display()
            );
            self.current = None;
        }
        if self.budget < u64::MAX {
            self.make_room(frame.len() as u64);
        }
        let current = match &mut self.current {
            Some(current) => current,
            None => {
                let begun = self.begin(first)?;
                self.current.insert(begun)
            }
        };
        let written = current.file.write_all(&frame).and_then(|()| current.file.sync_data());
        if let Err(error) = written {
            // What is there of the frame would hide those behind it.
            if let Err(worse) = current
                .file
                .set_len(current.bytes)
                .and_then(|()| io::Seek::seek(&mut current.file, io::SeekFrom::End(0)).map(drop))
            {
                log::warn!("{}: {worse}; another file is begun", self.folder.display());
                self.current = None;
            }
            return Err(error);
        }
        current.bytes += frame.len() as u64;
        self.written += self.count;
        self.lines.clear();
        // One long line is no reason to keep its memory for ever.
        self.lines.shrink_to(2 * FRAME);
        (self.count, self.since, self.first) = (0, None, None);
        Ok(())
    }

    fn begin(&self, first: SystemTime) -> io::Result<Segment> {
        // Two monitors may write to one folder, and a clock may go back to a time that was before.
        for number in 0.. {
            let name = segments::name(first, std::process::id(), number);
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::open(self.folder.join(&name), flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    // The name has to be as durable as what is in the file.
                    if let Err(error) = File::open(&self.folder).and_then(|folder| folder.sync_all()) {
                        let _ = fs::remove_file(self.folder.join(&name));
                        return Err(error);
                    }
                    return Ok(Segment {
                        file: File::from(file),
                        name: name.into(),
                        bytes: 0,
                        started: first,
                    });
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Removes the oldest files, until there is room for so many bytes more. Nothing else in the folder is touched, nor the file
    /// that is being written, which has an eighth of the budget at most.
    fn make_room(&mut self, more: u64) {
        let folder = self.folder.display();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) => {
                if !std::mem::replace(&mut self.is_over, true) {
                    log::warn!("{folder}: {error}; the budget is not kept");
                }
                return;
            }
        };
        let mut found: Vec<(OsString, u64)> = entries
            .flatten()
            .filter(|entry| segments::started(Path::new(&entry.file_name())).is_some())
            .filter_map(|entry| Some((entry.file_name(), entry.metadata().ok()?.len())))
            .collect();
        let mut bytes: u64 = found.iter().map(|(_, bytes)| bytes).sum();
        let most = self.budget.saturating_sub(more);
        if bytes > most {
            found.sort();
        }
        let mut failed = None;
        for (name, size) in found {
            if bytes <= most {
                break;
            }
            if self.current.as_ref().is_some_and(|current| current.name == name) {
                continue;
            }
            match fs::remove_file(self.folder.join(&name)) {
                Ok(()) => {
                    bytes -= size;
                    self.removed.files += 1;
                    self.removed.bytes += size;
                    log::info!(
                        "{folder}: removed {} ({}) to stay within the budget",
                        name.display(),
                        bytesize::ByteSize(size)
                    );
                }
                // Another monitor was first.
                Err(error) if error.kind() == io::ErrorKind::NotFound => bytes -= size,
                Err(error) => failed = Some((name, error)),
            }
        }
        let is_over = bytes > most;
        if is_over && !self.is_over {
            match failed {
                Some((name, error)) => log::warn!(
                    "removing {}: {error}; the budget is not kept",
                    self.folder.join(&name).display()
                ),
                None => log::warn!("{folder}: the budget is too small for the lines of one moment"),
            }
        }
        self.is_over = is_over;
    }
}

const _: () = assert!(SPAN.as_secs() >= 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, set_mode};

    fn line(second: u64, text: &str) -> Vec<u8> {
        let time = humantime::format_rfc3339_micros(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
        format!("{{\"Timestamp\":\"{time}\",\"ProcessCommandLine\":\"{text}\"}}\n").into_bytes()
    }

    fn open(folder: &Path) -> Segments {
        Segments::open(folder, 1 << 30).unwrap()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    /// The whole lines that can be read of a file that may be cut.
    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        let _ = io::copy(&mut zstd::Decoder::new(bytes).unwrap(), &mut text);
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        text.truncate(end);
        text
    }

    #[test]
    fn a_file_that_is_cut_anywhere_keeps_every_frame_before_the_cut() {
        let folder = Folder::new("segments-cut");
        let mut segments = open(&folder.0);
        let mut ends = vec![(0, 0)];
        let mut whole = Vec::new();
        for second in 0..5 {
            for number in 0..3 {
                let line = line(second, &format!("{second}-{number}"));
                segments.add(&line).unwrap();
                whole.extend(line);
            }
            segments.flush().unwrap();
            ends.push((fs::metadata(&files(&folder.0)[0]).unwrap().len(), whole.len()));
        }
        let bytes = fs::read(&files(&folder.0)[0]).unwrap();
        for cut in 0..=bytes.len() {
            let text = read(&bytes[..cut]);
            let safe = ends.iter().rev().find(|(end, _)| *end <= cut as u64).unwrap().1;
            assert!(text.len() >= safe && whole.starts_with(&text), "{cut}");
        }
    }

    #[test]
    fn a_bit_that_has_changed_is_no_other_text() {
        let folder = Folder::new("segments-bits");
        let mut segments = open(&folder.0);
        let whole: Vec<u8> = (0..20)
            .flat_map(|number| line(1, &format!("text number {number}")))
            .collect();
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            segments.add(line).unwrap();
        }
        segments.flush().unwrap();
        let bytes = fs::read(&files(&folder.0)[0]).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let mut text = Vec::new();
            let read = io::copy(&mut zstd::Decoder::new(&changed[..]).unwrap(), &mut text);
            assert!(read.is_err() || text == whole || text.is_empty(), "bit {at}");
        }
    }

    #[test]
    fn a_file_that_was_removed_is_not_written_to_any_more() {
        let folder = Folder::new("segments-removed");
        let mut segments = open(&folder.0);
        segments.add(&line(1, "a")).unwrap();
        segments.flush().unwrap();
        fs::remove_file(&files(&folder.0)[0]).unwrap();
        segments.add(&line(2, "b")).unwrap();
        segments.flush().unwrap();
        let left = files(&folder.0);
        assert_eq!(left.len(), 1);
        assert_eq!(read(&fs::read(&left[0]).unwrap()), line(2, "b"));
    }

    #[test]
    fn nothing_waits_longer_than_it_may_and_what_waits_is_known() {
        let folder = Folder::new("segments-due");
        let mut segments = open(&folder.0);
        assert_eq!((segments.due(), segments.waiting()), (None, (0, 0)));
        segments.add(&line(1, "a")).unwrap();
        let due = segments.due().unwrap();
        segments.add(&line(1, "b")).unwrap();
        let bytes = 2 * line(1, "a").len();
        assert_eq!((segments.due(), segments.waiting()), (Some(due), (2, bytes)));
        assert_eq!(segments.written(), 0);
        assert!(due <= Instant::now() + SYNC);
        segments.flush().unwrap();
        assert_eq!((segments.due(), segments.waiting()), (None, (0, 0)));
        assert_eq!(segments.written(), 2);
    }

    #[test]
    fn a_restart_and_a_second_monitor_begin_files_of_their_own() {
        let folder = Folder::new("segments-restart");
        let mut all = [open(&folder.0), open(&folder.0)];
        for segments in &mut all {
            segments.add(&line(1, "a")).unwrap();
            segments.flush().unwrap();
        }
        let before: Vec<_> = files(&folder.0).iter().map(|path| fs::read(path).unwrap()).collect();
        assert_eq!(before.len(), 2);
        drop(all);
        let mut again = open(&folder.0);
        again.add(&line(1, "b")).unwrap();
        again.flush().unwrap();
        let after = files(&folder.0);
        assert_eq!(after.len(), 3);
        assert!(
            before
                .iter()
                .all(|bytes| after.iter().any(|path| fs::read(path).unwrap() == *bytes))
        );
    }

    #[test]
    fn a_file_spans_no_more_time_than_its_name_promises_also_when_the_clock_jumps() {
        let folder = Folder::new("segments-span");
        let mut segments = open(&folder.0);
        let hour = SPAN.as_secs();
        for second in [
            100_000,
            100_001,
            100_000 + hour - 1,
            100_000 + 2 * hour,
            50_000,
            50_001,
            100_000 + 2 * hour,
        ] {
            segments.add(&line(second, "x")).unwrap();
        }
        segments.flush().unwrap();
        let found = files(&folder.0);
        assert_eq!(found.len(), 4);
        for path in found {
            let started = segments::started(&path).unwrap();
            let text = String::from_utf8(read(&fs::read(&path).unwrap())).unwrap();
            for line in text.lines() {
                assert!(
                    segments::holds(started, json::time_of(line.as_bytes()).unwrap()),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn the_oldest_files_go_when_the_budget_is_used_up_and_nothing_else_does() {
        let folder = Folder::new("segments-budget");
        let budget = 64 << 10;
        folder.file("notes.txt", &[b'x'; 100_000]);
        folder.file("execs-old.ndjson.zst", &[b'x'; 100_000]);
        let mut segments = Segments::open(&folder.0, budget).unwrap();
        let mut noise = Noise(1);
        let mut made = 0;
        let own = || -> Vec<PathBuf> {
            let is_own = |path: &PathBuf| segments::started(path).is_some();
            files(&folder.0).into_iter().filter(is_own).collect()
        };
        let size = |paths: &[PathBuf]| -> u64 { paths.iter().map(|path| fs::metadata(path).unwrap().len()).sum() };
        // A file for each line.
        for number in 0..40_u64 {
            segments
                .add(&line(number * 2 * SPAN.as_secs(), &noise.text(8 << 10)))
                .unwrap();
            segments.flush().unwrap();
            made += size(&own()[own().len() - 1..]);
            assert!(size(&own()) <= budget, "{number}");
        }
        assert!(folder.0.join("notes.txt").exists() && folder.0.join("execs-old.ndjson.zst").exists());
        let left: Vec<_> = own().iter().filter_map(|path| segments::started(path)).collect();
        assert!(left.len() > 5 && left.contains(&(SystemTime::UNIX_EPOCH + 39 * 2 * SPAN)));
        let removed = segments.removed();
        assert_eq!(removed.files, 40 - left.len() as u64);
        assert_eq!(removed.bytes, made - size(&own()));
    }

    #[test]
    fn there_is_room_for_a_frame_before_it_is_written_and_the_file_that_is_written_stays() {
        let folder = Folder::new("segments-room");
        let budget = 64 << 10;
        let mut segments = Segments::open(&folder.0, budget).unwrap();
        let mut noise = Noise(1);
        let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
        let mut beside = Vec::new();
        // Frames of all sizes up to the better half of the budget, some of them to a file that is there.
        for number in 0..200_usize {
            let second = 1 + number as u64;
            segments
                .add(&line(second, &noise.text((number * 977) % (80 << 10))))
                .unwrap();
            segments.flush().unwrap();
            let found = files(&folder.0);
            let all: u64 = found.iter().map(size).sum();
            assert!(all <= budget, "{all} after {number}");
            let current = &segments.current.as_ref().unwrap().name;
            assert!(found.iter().any(|path| path.file_name() == Some(current)), "{number}");
            beside.push(found.len() > 1);
        }
        assert!(beside.contains(&true) && segments.removed().files > 20);
        // One that is too large for all of it is no reason to lose it.
        segments.add(&line(300, &noise.text(300 << 10))).unwrap();
        segments.flush().unwrap();
        assert_eq!(segments.written(), 201);
        assert_eq!(files(&folder.0).len(), 1);
    }

    /// Text that hardly compresses: half of its length.
    struct Noise(u64);

    impl Noise {
        fn text(&mut self, length: usize) -> String {
            let next = |_| {
                self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'a' + u8::try_from(self.0 >> 60).unwrap())
            };
            (0..length).map(next).collect()
        }
    }

    #[test]
    fn a_folder_that_others_could_write_to_is_refused_and_one_that_is_made_is_ours_alone() {
        let folder = Folder::new("segments-refused");
        let open = |path: &Path| Segments::open(path, 1 << 30);
        set_mode(&folder.0, 0o777);
        assert!(matches!(open(&folder.0).map(drop), Err(OpenError::Unsafe { .. })));
        set_mode(&folder.0, 0o755);
        let link = folder.0.join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        assert!(matches!(open(&link).map(drop), Err(OpenError::Link(_))));
        assert!(matches!(
            open(&folder.file("file", b"")).map(drop),
            Err(OpenError::NotFolder(_))
        ));
        assert!(matches!(
            open(&folder.0.join("no/where")).map(drop),
            Err(OpenError::Io { .. })
        ));
        let new = folder.0.join("new");
        let mut segments = open(&new).unwrap();
        segments.add(&line(1, "a")).unwrap();
        segments.flush().unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(&files(&new)[0]).unwrap().mode() & 0o777, 0o600);
    }
}

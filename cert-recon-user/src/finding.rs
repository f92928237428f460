//! An exec as it is reported: owned, with everything that was learned about it.

use std::{borrow::Cow, mem, time::SystemTime};

use flate2::Crc;
use sha2::{Digest as _, Sha256};

use crate::{
    event::{Argv, Exec, FilePath},
    rules::Verdict,
};

/// Of arguments longer than twice this, so many bytes from each end are in the id, bytes.
const ID_END: usize = 8 << 10;

/// An exec to report: a finding when a rule matched, else one of `--all-execs`. Text is kept as bytes: how it is shown is
/// the sink's matter. Absent is what could not be learned.
#[derive(Clone, Debug)]
pub struct Report {
    /// When the exec happened.
    pub time: SystemTime,
    /// `time` is only the latest that it can have happened: its record has none.
    pub time_is_limit: bool,
    /// Where it was read; none for a live exec.
    pub origin: Option<Origin>,
    /// Process id.
    pub pid: Option<u32>,
    /// Process id of the parent.
    pub parent_pid: Option<u32>,
    /// User id of the new process.
    pub uid: Option<u32>,
    /// Name of that user, or the number again.
    pub account: Option<String>,
    /// Effective user id of the new process (differs from `uid` in a set-uid program).
    pub effective_uid: Option<u32>,
    /// Name of that user, or the number again.
    pub effective_account: Option<String>,
    /// Who logged in, before sudo or su.
    pub login_uid: Option<u32>,
    /// Name of that user, or the number again.
    pub login_account: Option<String>,
    /// Audit session.
    pub session_id: Option<u32>,
    /// Base name of the program.
    pub file_name: Option<Vec<u8>>,
    /// Resolved path of the executable.
    pub folder_path: Option<Vec<u8>>,
    /// Size of the executable, bytes.
    pub file_size: Option<u64>,
    /// Names of the watched program that the executable is a copy of, best first; empty when it is none, or called so.
    pub known_as: Vec<String>,
    /// SHA-256 of the executable file that ran, or why it is not known; none when it was not asked for.
    pub sha256: Option<Result<[u8; 32], String>>,
    /// The script that chose the program.
    pub script_path: Option<Vec<u8>>,
    /// Arguments, each ended by a NUL; one text when only that is known.
    pub argv: Vec<u8>,
    /// Length of the arguments in the kernel, bytes.
    pub argv_total: u64,
    /// Only the text of the command line is known.
    pub argv_is_text: bool,
    /// Working directory.
    pub directory: Option<Vec<u8>>,
    /// Controlling terminal, its path below `/dev`.
    pub tty: Option<Vec<u8>>,
    /// The executable has no name on disk.
    pub fileless: Option<bool>,
    /// Path of the cgroup.
    pub cgroup_path: Option<Vec<u8>>,
    /// Id (or name, where the runtime gives no id) of the container, from the cgroup.
    pub container_id: Option<String>,
    /// systemd unit, from the cgroup.
    pub systemd_unit: Option<String>,
    /// Unit of the user's own systemd, from the cgroup.
    pub systemd_user_unit: Option<String>,
    /// The image that this same process ran before this exec, when it was seen.
    pub previous: Option<Image>,
    /// The parent, its parent and so on, nearest first, as they were at the exec.
    pub ancestry: Vec<Process>,
    /// What the rules say; none when no rule matched.
    pub verdict: Option<Verdict>,
    /// What else they may have to say, until [`decide`](Self::decide).
    pub suspicions: Vec<Suspicion>,
    /// Kernel events lost since the report before.
    pub events_lost: u64,
    /// What becomes of it.
    pub tuning: Tuning,
}

/// Where an exec was read that this monitor did not see itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The kind of record.
    pub source: &'static str,
    /// The file, as it was named or found; none when it has no name.
    pub file: Option<Vec<u8>>,
    /// The line that its record begins at, from 1; 0 when there are no lines.
    pub line: u64,
    /// What the record's own rules call the event (`-k` of auditctl); none when they call it nothing.
    pub key: Option<Vec<u8>>,
    /// The host that the record names; none when it names none.
    pub device: Option<String>,
}

/// What the rules say if the executable is a copy of a watched program, which its hash tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// Of that program.
    pub sha256: [u8; 32],
    /// What it is called, best first.
    pub known_as: Vec<String>,
    /// What is right then.
    pub verdict: Verdict,
    /// It is a finding of the confidence asked for.
    pub asked_for: bool,
}

/// What the reader's wishes make of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// It is a finding of the confidence asked for, and counted as such.
    pub asked_for: bool,
    /// It is suppressed, and written only because that was asked for.
    pub suppressed: Option<Suppressed>,
    /// It stands for others that are the same.
    pub folded: Option<Folded>,
}

/// The suppression that holds for a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Findings that are the same, told in one report, which is the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded {
    /// How many.
    pub count: u64,
    /// When the one like them happened that was reported before, at once.
    pub since: SystemTime,
}

/// What a process runs: made by one exec, kept by forks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Base name of the program.
    pub file_name: Option<Vec<u8>>,
    /// Resolved path of the executable.
    pub folder_path: Option<Vec<u8>>,
    /// Arguments, each ended by a NUL; none when they are not known.
    pub argv: Option<Vec<u8>>,
    /// Length of the arguments, bytes; more than `argv` holds when they were cut.
    pub argv_total: u64,
    /// Only the text of the command line is known.
    pub argv_is_text: bool,
}

/// A process of the ancestry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id; none where a record does not say it.
    pub pid: Option<u32>,
    /// What it ran; all absent when that is not known.
    pub image: Image,
}

impl Image {
    /// The arguments; none when they are not known.
    #[must_use]
    pub fn arguments(&self) -> Option<Argv<'_>> {
        let argv = self.argv.as_deref()?;
        Some(arguments(argv, self.argv_total, self.argv_is_text))
    }
}

fn arguments(bytes: &[u8], total: u64, is_text: bool) -> Argv<'_> {
    match (is_text, total == bytes.len() as u64) {
        (false, _) => Argv::new(bytes, total),
        (true, true) => Argv::text(bytes),
        (true, false) => Argv::cut_text(bytes),
    }
}

impl Report {
    /// What `exec` and `verdict` say, without enrichment.
    #[must_use]
    pub fn new(exec: &Exec<'_>, verdict: Option<Verdict>) -> Self {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Self {
            time: exec.time,
            time_is_limit: exec.time_is_limit,
            origin: None,
            pid: exec.pid,
            parent_pid: exec.parent_pid,
            uid: exec.uid,
            account: None,
            effective_uid: exec.effective_uid,
            effective_account: None,
            login_uid: exec.login_uid,
            login_account: None,
            session_id: exec.session_id,
            file_name: owned(exec.file_name()),
            folder_path: exec.executable.map(|path| path.to_vec()),
            file_size: exec.executable_size,
            known_as: Vec::new(),
            sha256: None,
            script_path: owned(exec.script()),
            argv: exec.argv.bytes().to_vec(),
            argv_total: exec.argv.total(),
            argv_is_text: exec.argv.is_text(),
            directory: exec.directory.map(|path| path.to_vec()),
            tty: exec.terminal().map(Cow::into_owned),
            fileless: exec.fileless,
            cgroup_path: exec.cgroup.map(FilePath::to_vec),
            container_id: None,
            systemd_unit: None,
            systemd_user_unit: None,
            previous: None,
            ancestry: Vec::new(),
            verdict,
            suspicions: Vec::new(),
            events_lost: 0,
            tuning: Tuning::default(),
        }
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> Argv<'_> {
        arguments(&self.argv, self.argv_total, self.argv_is_text)
    }

    /// Bytes of memory that it holds, nearly.
    #[must_use]
    pub fn size(&self) -> usize {
        let bytes = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let text = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        let image = |image: &Image| bytes(&image.file_name) + bytes(&image.folder_path) + bytes(&image.argv);
        let list = |values: &[String]| values.iter().map(|v| v.len() + size_of::<String>()).sum::<usize>();
        let verdict = |v: &Verdict| {
            list(&v.rule_ids)
                + list(&v.packs)
                + list(&v.matched_terms)
                + list(&v.services)
                + list(&v.targets)
                + text(&v.technique_label)
                + v.category.len()
                + v.technique.len()
                + v.tactic.len()
        };
        let suspicions = self
            .suspicions
            .iter()
            .map(|s| size_of::<Suspicion>() + list(&s.known_as) + verdict(&s.verdict));
        let ancestry: usize = self
            .ancestry
            .iter()
            .map(|p| size_of::<Process>() + image(&p.image))
            .sum();
        let origin = self.origin.as_ref();
        size_of::<Self>()
            + origin.map_or(0, |origin| bytes(&origin.file) + text(&origin.device))
            + self.argv.len()
            + bytes(&self.file_name)
            + bytes(&self.folder_path)
            + bytes(&self.script_path)
            + bytes(&self.directory)
            + bytes(&self.tty)
            + bytes(&self.cgroup_path)
            + text(&self.container_id)
            + text(&self.systemd_unit)
            + text(&self.systemd_user_unit)
            + self.previous.as_ref().map_or(0, image)
            + ancestry
            + list(&self.known_as)
            + self.verdict.as_ref().map_or(0, verdict)
            + suspicions.sum::<usize>()
    }

    /// Decides by the hash, once it is known or will not be, what the executable is. Without a hash it is what it is called.
    pub fn decide(&mut self) {
        let suspicions = mem::take(&mut self.suspicions);
        let Some(Ok(sha256)) = &self.sha256 else { return };
        if let Some(right) = suspicions.into_iter().find(|suspicion| suspicion.sha256 == *sha256) {
            self.verdict = Some(right.verdict);
            self.known_as = right.known_as;
            self.tuning.asked_for = right.asked_for;
        }
    }

    /// The name of the host that it happened on: what its record says, else `device`; none for a record that says nothing.
    #[must_use]
    pub fn device<'a>(&'a self, device: &'a str) -> Option<&'a str> {
        match &self.origin {
            Some(origin) => origin.device.as_deref(),
            None => Some(device),
        }
    }

    /// A stable id: the same exec read back from a record has the same one. Made of host, time to the microsecond, process
    /// and arguments: of more than 16 KiB their first and last 8 KiB, their length and their CRC-32.
    #[must_use]
    pub fn event_id(&self, device: &str) -> String {
        let micros = self
            .time
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| d.as_micros());
        let device = self.device(device).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update((device.len() as u64).to_le_bytes());
        hash.update(device.as_bytes());
        hash.update(micros.to_le_bytes());
        hash.update(self.pid.unwrap_or(0).to_le_bytes());
        match (self.argv.first_chunk::<ID_END>(), self.argv.last_chunk::<ID_END>()) {
            // SHA-256 of all of them would be most of what it costs to write such an exec.
            (Some(first), Some(last)) if self.argv.len() > 2 * ID_END => {
                let mut all = Crc::new();
                all.update(&self.argv);
                hash.update(first);
                hash.update(last);
                hash.update((self.argv.len() as u64).to_le_bytes());
                hash.update(all.sum().to_le_bytes());
            }
            _ => hash.update(&self.argv),
        }
        hash.finalize()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;

    fn id(argv: &[u8]) -> String {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        Report::new(&Exec::new(time, Argv::whole(argv)), None).event_id("host")
    }

    // Made with Python's hashlib and zlib.
    #[test]
    fn an_id_is_the_same_in_every_version() {
        assert_eq!(id(b"curl\0https://crt.sh/\0"), "a3268074b5c58534ef2335bc93eca0cf");
        assert_eq!(id(&[b'x'; 100_000]), "7785860851a74965ca64b4d5fa7a25d3");
    }

    #[test]
    fn every_byte_of_the_arguments_and_their_number_make_the_id() {
        for len in [1, 2 * ID_END - 1, 2 * ID_END, 2 * ID_END + 1, 3 * ID_END, 200_000] {
            let argv = vec![b'x'; len];
            let mut ids = BTreeSet::from([id(&argv), id(&argv[1..])]);
            let places = BTreeSet::from([0, len / 3, len / 2, len - 1]);
            for at in &places {
                let mut other = argv.clone();
                other[*at] = b'y';
                ids.insert(id(&other));
            }
            assert_eq!(ids.len(), 2 + places.len(), "of {len} bytes");
        }
    }
}

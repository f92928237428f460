//! Reports for tests.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use crate::{
    event::{Argv, Exec, FilePath},
    finding::{Image, Process, Report},
    rules::{BUILTIN_PACKS, Engine, Subject},
};

/// So many seconds after the epoch.
pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A finding of `user` at that time, of the first word's program in /usr/bin.
pub(super) fn finding(seconds: u64, user: u32, line: &str) -> Report {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        let packs: Result<Vec<_>, _> = BUILTIN_PACKS.iter().map(|pack| pack.parse()).collect();
        Engine::new(&packs.unwrap()).unwrap()
    });
    let name = line.split(' ').next().unwrap();
    let verdict = ENGINE.judge(
        &Subject::new(&[name.as_bytes()], line.as_bytes()),
        &mut ENGINE.scratch(),
    );
    assert!(verdict.is_some(), "{line}: a finding");
    let argv = [line.replace(' ', "\0").as_bytes(), b"\0"].concat();
    let path = format!("/usr/bin/{name}");
    let mut exec = Exec::new(at(seconds), Argv::whole(&argv));
    exec.path = Some(name.as_bytes());
    exec.executable = Some(FilePath::Plain(path.as_bytes()));
    exec.uid = Some(user);
    let mut report = Report::new(&exec, verdict);
    report.account = Some(format!("user{user}"));
    report.tuning.asked_for = true;
    report
}

/// A process above that runs the program at `path`, by whatever name.
pub(super) fn process(path: &str) -> Process {
    Process {
        pid: Some(1),
        image: Image {
            file_name: Some(b"borrowed".to_vec()),
            folder_path: Some(path.as_bytes().to_vec()),
            argv: None,
            argv_total: 0,
            argv_is_text: false,
        },
    }
}

//! sudo's messages as JSON (`log_format=json`, since 1.9.4): behind `@cee:` in syslog and the journal, or in a file.
//!
//! Owns their fields. Here sudo writes the arguments one by one, so they are known exactly.

use std::time::SystemTime;

use serde::Deserialize;

use super::{Heard, entry};
use crate::{
    event::{Argv, Exec, FilePath, base_name},
    finding::Report,
    source::recorded::{Out, Recorded, time},
};

#[derive(Deserialize)]
struct Line {
    sudo: Event,
}

/// `reject`, `alert` and `exit` tell of no command that began to run.
#[derive(Deserialize)]
struct Event {
    accept: Option<Accept>,
}

/// A command that was allowed.
#[derive(Deserialize)]
pub(super) struct Accept {
    server_time: Option<Moment>,
    submituser: Option<String>,
    command: Option<String>,
    runuser: Option<String>,
    runuid: Option<u32>,
    rungid: Option<u32>,
    runcwd: Option<String>,
    submitcwd: Option<String>,
    ttyname: Option<String>,
    submithost: Option<String>,
    #[serde(default)]
    runargv: Vec<String>,
}

#[derive(Deserialize)]
struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Moment {
    fn time(&self) -> Option<SystemTime> {
        time(self.seconds, self.nanoseconds)
    }
}

/// A message of syslog, behind its cookie.
pub(super) fn cee(json: &[u8], heard: &Heard<'_>, out: &mut dyn Out) {
    match serde_json::from_slice::<Line>(json) {
        Ok(Line {
            sudo: Event { accept: Some(accept) },
        }) => accept.tell(heard, out),
        Ok(_) => {}
        Err(error) => out.bad(
            heard.place,
            &format_args!("a message of sudo is not the JSON it should be: {error}"),
        ),
    }
}

impl Accept {
    /// Tells the exec. `heard.time` is for one that says no time.
    pub(super) fn tell(&self, heard: &Heard<'_>, out: &mut dyn Out) {
        let mut argv = Vec::new();
        for argument in &self.runargv {
            argv.extend_from_slice(argument.as_bytes());
            argv.push(0);
        }
        let path = self
            .command
            .as_deref()
            .filter(|path| !matches!(*path, "list" | "validate"));
        let Some(path) = path.filter(|path| !base_name(path.as_bytes()).is_empty()) else {
            return;
        };
        if argv.is_empty() {
            argv.extend_from_slice(path.as_bytes());
            argv.push(0);
        }
        let moment = self.server_time.as_ref().and_then(Moment::time);
        let mut exec = Exec::new(moment.unwrap_or(heard.time), Argv::whole(&argv));
        exec.path = Some(path.as_bytes());
        let directory = known(&self.runcwd).or(known(&self.submitcwd));
        exec.directory = directory.map(|path| FilePath::Plain(path.as_bytes()));
        exec.tty = known(&self.ttyname).map(|tty| entry::terminal(tty.as_bytes()));
        exec.uid = self.runuid;
        exec.gid = self.rungid;
        exec.login_uid = heard.login_uid;
        exec.session_id = heard.session_id;
        let details = |report: &mut Report| {
            report.login_account = known(&self.submituser).map(str::to_owned);
            report.account = known(&self.runuser).map(|name| name.strip_prefix('#').unwrap_or(name).to_owned());
            report.systemd_unit = heard.unit.map(str::to_owned);
        };
        let mut recorded = Recorded::new(&exec, heard.place);
        recorded.device = known(&self.submithost).map(str::as_bytes).or(heard.host);
        recorded.details = &details;
        out.exec(&recorded);
    }
}

fn known(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

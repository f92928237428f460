//! An rsyslogd of the test's own.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{eventually, find_program, sys, temp::Temp};

/// The running rsyslogd. It ends when this is dropped.
pub(crate) struct Rsyslogd {
    program: PathBuf,
    child: Option<Child>,
    temp: Temp,
    /// There once it runs.
    sign: Sign,
}

/// What shows that it runs.
#[derive(Clone, Copy)]
enum Sign {
    Socket,
    Port(u16),
}

impl Rsyslogd {
    /// With one of the configurations that users are given, changed in these places; none where this host has no rsyslogd.
    pub(crate) fn prepare(config: &str, changes: &[(&str, &str)], port: Option<u16>) -> Option<Self> {
        let program = find_program("rsyslogd")?;
        let temp = Temp::new();
        let mut config = config.to_owned();
        for (from, to) in changes {
            assert!(config.contains(from), "the configuration has {from}");
            config = config.replace(from, to);
        }
        let folder = temp.path().display();
        let config = format!("global(workDirectory=\"{folder}\")\n{config}");
        let config = config.replace("/run/cert-recon.syslog", &temp.join("socket").display().to_string());
        let config = config.replace(
            "/var/log/cert-recon-hosts.ndjson",
            &temp.join("out").display().to_string(),
        );
        fs::write(temp.join("conf"), config).expect("its configuration");
        Some(Self {
            program,
            child: None,
            temp,
            sign: port.map_or(Sign::Socket, Sign::Port),
        })
    }

    #[track_caller]
    pub(crate) fn start(&mut self) {
        let child = Command::new(&self.program)
            .arg("-n")
            .arg("-f")
            .arg(self.temp.join("conf"))
            .arg("-i")
            .arg(self.temp.join("pid"))
            .stdin(Stdio::null())
            .spawn()
            .expect("starting rsyslogd");
        self.child = Some(child);
        let sign = self.sign;
        let runs = || match sign {
            Sign::Socket => self.path().exists(),
            // A port that can't be had is one that somebody listens on.
            Sign::Port(port) => TcpListener::bind(("127.0.0.1", port)).is_err(),
        };
        assert!(eventually(runs), "rsyslogd runs");
    }

    /// Ends it, which writes what it has, and waits until it has ended.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        sys::kill(child.id(), libc::SIGTERM).expect("a signal to rsyslogd");
        child.wait().expect("its end");
    }

    /// Its socket.
    pub(crate) fn path(&self) -> PathBuf {
        self.temp.join("socket")
    }

    /// Lines of the file that it writes.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = fs::read(self.out()).unwrap_or_default();
        let text = String::from_utf8(text).expect("what it wrote is text");
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// That file.
    pub(crate) fn out(&self) -> PathBuf {
        self.temp.join("out")
    }
}

/// Writes each message to a file: header, structured data, message.
pub(crate) const TO_FILE: &str = r#"
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/run/cert-recon.syslog" UseSpecialParser="off" ParseHostname="on" RateLimit.Interval="0")
template(name="all" type="string" string="%syslogfacility-text%.%syslogseverity-text% %hostname% %app-name% %msgid% %structured-data% %msg%\n")
action(type="omfile" file="/var/log/cert-recon-hosts.ndjson" template="all")
"#;

/// The configuration of this name that users are given.
pub(crate) fn given(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../contrib/rsyslog")
        .join(name);
    fs::read_to_string(path).expect("a configuration")
}

/// A port of the loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("its number").port()
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

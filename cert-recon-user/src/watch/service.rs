//! What the monitor tells the service manager (systemd's notify protocol): that it is ready, what it does, that it lives.
//!
//! Owns the socket and the decision when something is said. Never waits: when the manager does not take a message at once,
//! the message is dropped, because the thread that sends it is the one that drains the ring buffer. The crates for this protocol
//! wait, and know no abstract addresses.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use crate::{pipeline::Sums, source::live::Totals};

/// The line of sums is sent so often at most.
const STATUS_PAUSE: Duration = Duration::from_secs(3);
/// Longest text of a reason in the status line, characters.
const MOST_REASON: usize = 200;

/// The service manager, when there is one.
#[derive(Debug, Default)]
pub struct Service {
    socket: Option<UnixDatagram>,
    watchdog: Option<Watchdog>,
    ready: bool,
    reloading: bool,
    stopping: bool,
    /// Why the last reading of the settings failed.
    reload_failure: Option<String>,
    pulse: Pulse,
    status: Status,
}

/// What the monitor knows about itself at a tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Condition {
    /// A canary came back, ever.
    pub(super) seen: bool,
    /// A canary is overdue.
    pub(super) blind: bool,
    /// What the kernel side counts.
    pub(super) totals: Totals,
    /// What became of what was delivered.
    pub(super) sums: Sums,
}

impl Service {
    /// The manager that the environment names. Without one nothing is said to anybody; one that can't be reached is told in the
    /// log.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |name: &str| env::var(name).ok();
        let Some(address) = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Self::default();
        };
        match connect(&address) {
            Ok(socket) => Self {
                socket: Some(socket),
                watchdog: Watchdog::wanted(
                    variable("WATCHDOG_USEC").as_deref(),
                    variable("WATCHDOG_PID").as_deref(),
                    std::process::id(),
                ),
                ..Self::default()
            },
            Err(error) => {
                log::warn!(
                    "the service manager's socket {} (NOTIFY_SOCKET) can't be reached: {error}; it will not be told that \
                     the monitor is ready",
                    address.display()
                );
                Self::default()
            }
        }
    }

    /// The hooks are attached and a canary came back.
    pub(super) fn ready(&mut self, now: Instant, condition: &Condition) {
        self.ready = true;
        let status = self.line(condition);
        self.status.told(now, &status);
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// The hooks are attached, but no canary came back in time.
    pub(super) fn not_ready(&mut self, reason: &str) {
        self.send(&format!("STATUS=Not ready: {}", one_line(reason)));
    }

    /// Settings are being read anew.
    pub(super) fn reloading(&mut self) {
        // Before it is ready, the end of a reload would say that it is.
        if self.ready && !self.stopping {
            self.reloading = true;
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()));
        }
    }

    /// They were read, or why they could not be used.
    pub(super) fn reloaded(&mut self, failure: Option<&str>, now: Instant, condition: &Condition) {
        self.reload_failure = failure.map(one_line);
        if std::mem::take(&mut self.reloading) {
            self.ready(now, condition);
        }
    }

    /// The monitor ends.
    pub(super) fn stopping(&mut self) {
        self.stopping = true;
        self.send("STOPPING=1\nSTATUS=Draining what is on its way");
    }

    /// Feeds the watchdog and refreshes the status line, when it is time for either. To be called by the loop that drains the
    /// ring buffer: that it is called is half of the proof of life.
    pub(super) fn tick(&mut self, now: Instant, condition: &Condition) {
        if self.socket.is_none() {
            return;
        }
        let alive = self.pulse.look(condition);
        if self.watchdog.as_mut().is_some_and(|watchdog| watchdog.due(now, alive)) {
            self.send("WATCHDOG=1");
        }
        if self.ready {
            let status = self.line(condition);
            if self.status.is_due(now, &status) {
                self.status.told(now, &status);
                self.send(&format!("STATUS={status}"));
            }
        }
    }

    fn line(&self, condition: &Condition) -> String {
        let Condition {
            blind, totals, sums, ..
        } = condition;
        let state = if *blind {
            "Blind: the monitor's own exec did not come back through the kernel"
        } else {
            "Watching"
        };
        let mut line = format!(
            "{state}; execs {}, findings {}, suppressed {}, folded {}, lost {}",
            totals.execs, sums.findings, sums.suppressed, sums.folded, totals.lost
        );
        if let Some(failure) = &self.reload_failure {
            line.push_str(&format!(
                "; reload failed, the settings from before are at work: {failure}"
            ));
        }
        line
    }

    fn send(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            log::debug!("the service manager was not told {message:?}: {error}");
        }
    }
}

/// Nothing that is put into a message begins a new line of it.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_REASON)
        .collect()
}

fn connect(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    match address.as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
        [b'/', ..] => socket.connect(address)?,
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it begins with neither / nor @",
            ));
        }
    }
    Ok(socket)
}

/// The kernel's monotonic clock, microseconds, as the manager compares it.
fn monotonic_micros() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

/// Whether the monitor sees anything.
#[derive(Debug, Default)]
struct Pulse {
    delivered: u64,
    lost: u64,
}

impl Pulse {
    /// A canary that is overdue is the sign of a blind monitor, with one exception: when execs arrive and others are lost, it may
    /// be one of those. A restart would lose more of them, and the sums as well.
    fn look(&mut self, condition: &Condition) -> bool {
        let Totals { delivered, lost, .. } = condition.totals;
        let overloaded = delivered > self.delivered && lost > self.lost;
        (self.delivered, self.lost) = (delivered, lost);
        condition.seen && (!condition.blind || overloaded)
    }
}

/// When the watchdog is fed.
#[derive(Debug)]
struct Watchdog {
    pause: Duration,
    next: Option<Instant>,
}

impl Watchdog {
    /// What the environment asks of this process.
    fn wanted(micros: Option<&str>, for_pid: Option<&str>, pid: u32) -> Option<Self> {
        if for_pid.is_some_and(|wanted| wanted.parse() != Ok(pid)) {
            return None;
        }
        let micros: u64 = micros?.parse().ok().filter(|micros| *micros > 0)?;
        Some(Self {
            // A third: one that comes late, for the host is busy, does not end the monitor.
            pause: Duration::from_micros(micros) / 3,
            next: None,
        })
    }

    fn due(&mut self, now: Instant, alive: bool) -> bool {
        let due = alive && self.next.is_none_or(|next| now >= next);
        if due {
            self.next = Some(now + self.pause);
        }
        due
    }
}

/// The status line that was sent last.
#[derive(Debug, Default)]
struct Status {
    line: String,
    told: Option<Instant>,
}

impl Status {
    fn is_due(&self, now: Instant, line: &str) -> bool {
        line != self.line
            && self
                .told
                .is_none_or(|told| now.saturating_duration_since(told) >= STATUS_PAUSE)
    }

    fn told(&mut self, now: Instant, line: &str) {
        line.clone_into(&mut self.line);
        self.told = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service whose manager is the test, and the other end.
    fn service(watchdog: Option<Watchdog>) -> (Service, UnixDatagram) {
        let (ours, managers) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        managers.set_nonblocking(true).unwrap();
        let service = Service {
            socket: Some(ours),
            watchdog,
            ..Service::default()
        };
        (service, managers)
    }

    fn messages(managers: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 4096];
        std::iter::from_fn(|| {
            let size = managers.recv(&mut buffer).ok()?;
            Some(String::from_utf8(buffer[..size].to_vec()).unwrap())
        })
        .collect()
    }

    fn condition(execs: u64, lost: u64) -> Condition {
        Condition {
            seen: true,
            totals: Totals {
                execs,
                delivered: execs - lost,
                lost,
                ..Totals::default()
            },
            ..Condition::default()
        }
    }

    fn watchdog(seconds: u64) -> Watchdog {
        Watchdog::wanted(Some(&(seconds * 1_000_000).to_string()), None, 1).unwrap()
    }

    /// How often it is fed in so many seconds of ticks.
    fn fed(
        service: &mut Service,
        managers: &UnixDatagram,
        start: Instant,
        seconds: u64,
        condition: &Condition,
    ) -> usize {
        messages(managers);
        for second in 0..seconds {
            service.tick(start + Duration::from_secs(second), condition);
        }
        messages(managers)
            .iter()
            .filter(|message| *message == "WATCHDOG=1")
            .count()
    }

    #[test]
    fn the_watchdog_is_fed_three_times_in_its_time_while_canaries_come_back() {
        let (mut service, managers) = service(Some(watchdog(30)));
        let start = Instant::now();
        assert_eq!(fed(&mut service, &managers, start, 60, &condition(1, 0)), 6);
    }

    #[test]
    fn it_is_not_fed_before_the_first_canary_nor_when_one_is_overdue_and_is_when_one_is_back() {
        let (mut service, managers) = service(Some(watchdog(30)));
        let start = Instant::now();
        let before = Condition::default();
        assert_eq!(fed(&mut service, &managers, start, 60, &before), 0);
        let blind = Condition {
            blind: true,
            ..condition(5, 0)
        };
        assert_eq!(fed(&mut service, &managers, start, 60, &blind), 0);
        let later = start + Duration::from_secs(60);
        assert_eq!(fed(&mut service, &managers, later, 1, &condition(5, 0)), 1);
    }

    #[test]
    fn a_monitor_that_is_overrun_but_drains_is_alive_one_whose_ring_is_stuck_is_not() {
        let (mut service, managers) = service(Some(watchdog(3)));
        let start = Instant::now();
        let mut pings = |execs: u64, lost: u64, second: u64| {
            let blind = Condition {
                blind: true,
                ..condition(execs, lost)
            };
            fed(&mut service, &managers, start + Duration::from_secs(second), 1, &blind)
        };
        assert_eq!(pings(10, 2, 0), 1);
        assert_eq!(pings(30, 9, 5), 1);
        // Nothing arrives, all is lost.
        assert_eq!(pings(40, 19, 10), 0);
        // Arrives, and none is lost, but the canary does not.
        assert_eq!(pings(50, 19, 15), 0);
    }

    #[test]
    fn the_environment_says_whose_watchdog_it_is() {
        assert!(Watchdog::wanted(None, None, 7).is_none());
        assert!(Watchdog::wanted(Some("0"), None, 7).is_none());
        assert!(Watchdog::wanted(Some("many"), None, 7).is_none());
        assert!(Watchdog::wanted(Some("3000000"), Some("8"), 7).is_none());
        assert!(Watchdog::wanted(Some("3000000"), Some("7"), 7).is_some_and(|dog| dog.pause == Duration::from_secs(1)));
    }

    #[test]
    fn ready_carries_the_sums_and_they_are_sent_again_when_they_changed_but_not_often() {
        let (mut service, managers) = service(None);
        let start = Instant::now();
        service.tick(start, &condition(1, 0));
        assert_eq!(messages(&managers), [""; 0], "nothing before it is ready");
        service.ready(start, &condition(1, 0));
        assert_eq!(
            messages(&managers),
            ["READY=1\nSTATUS=Watching; execs 1, findings 0, suppressed 0, folded 0, lost 0"]
        );
        for second in 1..=10 {
            service.tick(start + Duration::from_secs(second), &condition(1 + second, second));
        }
        let sent = messages(&managers);
        assert_eq!(sent.len(), 3, "{sent:?}");
        assert_eq!(
            sent[2],
            "STATUS=Watching; execs 10, findings 0, suppressed 0, folded 0, lost 9"
        );
        for second in 11..=20 {
            service.tick(start + Duration::from_secs(second), &condition(10, 9));
        }
        assert_eq!(messages(&managers), [""; 0], "nothing changed");
    }

    #[test]
    fn a_reload_has_a_beginning_with_a_time_and_an_end_with_what_came_of_it() {
        let (mut service, managers) = service(None);
        let now = Instant::now();
        service.reloading();
        service.reloaded(None, now, &condition(1, 0));
        assert_eq!(
            messages(&managers),
            [""; 0],
            "it is not ready, and this must not say that it is"
        );
        service.ready(now, &condition(1, 0));
        messages(&managers);
        let before = monotonic_micros();
        service.reloading();
        let said = messages(&managers);
        let time = said[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!((before..=monotonic_micros()).contains(&time.parse().unwrap()), "{time}");
        service.reloaded(Some("c:1: no\nREADY=1"), now, &condition(1, 0));
        let said = messages(&managers);
        assert!(said[0].starts_with("READY=1\nSTATUS=Watching; "), "{said:?}");
        assert!(said[0].ends_with("are at work: c:1: no READY=1"), "{said:?}");
        assert_eq!(said[0].lines().count(), 2, "{said:?}");
        service.reloading();
        service.reloaded(None, now, &condition(1, 0));
        assert!(!messages(&managers)[1].contains("reload failed"));
    }

    #[test]
    fn a_manager_that_reads_nothing_holds_nobody_up() {
        let (mut service, _managers) = service(Some(watchdog(3)));
        let start = Instant::now();
        for second in 0..10_000 {
            service.tick(start + Duration::from_secs(second), &condition(second, 0));
        }
    }

    #[test]
    fn addresses_are_paths_or_abstract_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        connect(path.as_os_str()).unwrap().send(b"a").unwrap();
        let name = format!("cert-recon-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        connect(OsStr::new(&format!("@{name}"))).unwrap().send(b"b").unwrap();
        let mut buffer = [0; 2];
        assert_eq!(by_path.recv(&mut buffer).unwrap(), 1);
        assert_eq!(by_name.recv(&mut buffer).unwrap(), 1);
        assert!(connect(OsStr::new("vsock:2:1234")).is_err());
    }
}

//! Names of users: asked of the C library's name service (NSS) on a thread of its own, remembered for a while, and never
//! waited for longer than a limit, so that a directory server that does not answer holds up nothing.
//!
//! A statically linked C library can't load the name service's modules: there, names come from `/etc/passwd` only.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Where names come from. May take its time, even for ever.
pub trait Resolver: Send {
    /// The user's name; none when the number has none.
    ///
    /// # Errors
    /// When that could not be found out.
    fn find(&mut self, uid: u32) -> io::Result<Option<String>>;
}

/// This host's name service.
#[must_use]
pub fn system() -> Box<dyn Resolver> {
    #[cfg(target_feature = "crt-static")]
    {
        log::info!("this build is static: names of users come from /etc/passwd, not from the name service (NSS)");
        Box::new(Accounts::new("/etc/passwd"))
    }
    #[cfg(not(target_feature = "crt-static"))]
    Box::new(NameService)
}

#[cfg(not(target_feature = "crt-static"))]
struct NameService;

#[cfg(not(target_feature = "crt-static"))]
impl Resolver for NameService {
    fn find(&mut self, uid: u32) -> io::Result<Option<String>> {
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid))?;
        Ok(user.map(|user| user.name).filter(|name| !name.is_empty()))
    }
}

/// The users in a file. Read when a name is first asked for, and again when the file has changed.
#[derive(Debug)]
pub struct Accounts {
    file: PathBuf,
    /// Modification time and inode-independent length of what was read.
    read: Option<(SystemTime, u64)>,
    names: HashMap<u32, String>,
}

impl Accounts {
    /// The users in `file`, which has the form of `/etc/passwd`.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            read: None,
            names: HashMap::new(),
        }
    }

    /// The user's name; the number when there is no name.
    pub fn name(&mut self, uid: u32) -> String {
        self.look_up(uid).map_or_else(|| uid.to_string(), str::to_owned)
    }

    fn look_up(&mut self, uid: u32) -> Option<&str> {
        let state = fs::metadata(&self.file)
            .ok()
            .and_then(|m| Some((m.modified().ok()?, m.len())));
        if state.is_some() && state != self.read {
            // A file that can't be read leaves the names that were known.
            if let Ok(bytes) = fs::read(&self.file) {
                self.names = parse(&bytes);
                self.read = state;
            }
        }
        self.names.get(&uid).map(String::as_str)
    }
}

impl Resolver for Accounts {
    fn find(&mut self, uid: u32) -> io::Result<Option<String>> {
        Ok(self.look_up(uid).map(str::to_owned))
    }
}

/// Names by number; of several names of one number the first, as `getpwuid` gives it. Lines of another form are passed
/// over, as the C library does.
fn parse(bytes: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(Ok(uid))) = (fields.next(), fields.next(), fields.next().map(str::parse))
            && !name.is_empty()
            && !name.starts_with('#')
        {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// How long names are waited for and remembered, and how many.
#[derive(Clone, Copy, Debug)]
pub struct NameLimits {
    /// An answer is waited for so long, from when the number was first asked for.
    pub wait: Duration,
    /// A name is asked for again after this.
    pub keep_known: Duration,
    /// A number without a name is asked for again after this.
    pub keep_unknown: Duration,
    /// Numbers remembered.
    pub entries: usize,
    /// Numbers that wait to be asked for; further ones are not asked for.
    pub waiting: usize,
}

impl Default for NameLimits {
    fn default() -> Self {
        Self {
            wait: Duration::from_millis(500),
            keep_known: Duration::from_secs(300),
            keep_unknown: Duration::from_secs(60),
            entries: 4096,
            waiting: 256,
        }
    }
}

/// What there is to say of a user at once.
#[derive(Clone, Debug)]
pub enum Name {
    /// The name, or the number when there is no name (or no hope of learning it in time).
    Now(String),
    /// It may come.
    Later(NamePending),
}

/// A name that is being looked up.
#[derive(Clone, Debug)]
pub struct NamePending {
    uid: u32,
    answer: Arc<OnceLock<Option<String>>>,
    until: Instant,
    /// The last name that was known.
    before: Option<String>,
}

impl NamePending {
    /// Whether the answer is there.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.answer.get().is_some()
    }

    /// It is not worth waiting for longer than this.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }

    /// The name if it has come, else what is used without it: the last name that was known, or the number.
    #[must_use]
    pub fn take(self) -> String {
        let name = match self.answer.get() {
            Some(name) => name.clone(),
            None => self.before,
        };
        name.unwrap_or_else(|| self.uid.to_string())
    }
}

struct Known {
    name: Option<String>,
    until: Instant,
}

struct Asked {
    answer: Arc<OnceLock<Option<String>>>,
    at: Instant,
}

#[derive(Default)]
struct State {
    known: HashMap<u32, Known>,
    /// Being asked for: those in `queue` and the one in hand.
    asked: HashMap<u32, Asked>,
    queue: VecDeque<u32>,
    /// When the look-up in hand began.
    busy_since: Option<Instant>,
    stop: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    limits: NameLimits,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names of users, looked up on a thread of their own.
pub struct Names {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Starts the thread. `wake` is called after each answer that came.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(
        mut resolver: Box<dyn Resolver>,
        limits: NameLimits,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            limits,
        });
        let work = Arc::clone(&shared);
        thread::Builder::new().name("names".to_owned()).spawn(move || {
            while let Some(uid) = next(&work) {
                keep(&work, uid, resolver.find(uid));
                wake();
            }
        })?;
        Ok(Self { shared })
    }

    /// The name of a user as far as it is known `now`. Never waits.
    #[must_use]
    pub fn ask(&self, uid: u32, now: Instant) -> Name {
        let limits = &self.shared.limits;
        let mut state = self.shared.lock();
        let known = state.known.get(&uid);
        // A name that is too old is still better than the number while nobody answers.
        let before = known.and_then(|known| known.name.clone());
        let at_once = |before: Option<String>| Name::Now(before.unwrap_or_else(|| uid.to_string()));
        if known.is_some_and(|known| now < known.until) {
            return at_once(before);
        }
        // A look-up that has taken all of the limit will not end in time for another.
        let stuck = state.busy_since.is_some_and(|since| now >= since + limits.wait);
        let (answer, until) = if let Some(asked) = state.asked.get(&uid) {
            (Arc::clone(&asked.answer), asked.at + limits.wait)
        } else {
            if state.queue.len() >= limits.waiting {
                return at_once(before);
            }
            let answer = Arc::new(OnceLock::new());
            state.asked.insert(
                uid,
                Asked {
                    answer: Arc::clone(&answer),
                    at: now,
                },
            );
            state.queue.push_back(uid);
            drop(state);
            self.shared.changed.notify_all();
            (answer, now + limits.wait)
        };
        if stuck || now >= until {
            return at_once(before);
        }
        Name::Later(NamePending {
            uid,
            answer,
            until,
            before,
        })
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_all();
    }
}

fn next(shared: &Shared) -> Option<u32> {
    let mut state = shared.lock();
    loop {
        if state.stop {
            return None;
        }
        if let Some(uid) = state.queue.pop_front() {
            state.busy_since = Some(Instant::now());
            return Some(uid);
        }
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Remembers an answer, also one that nobody waits for any more.
fn keep(shared: &Shared, uid: u32, answer: io::Result<Option<String>>) {
    let mut state = shared.lock();
    state.busy_since = None;
    let Some(asked) = state.asked.remove(&uid) else { return };
    let (name, lifetime) = match answer {
        Ok(Some(name)) => (Some(name), shared.limits.keep_known),
        Ok(None) => (None, shared.limits.keep_unknown),
        Err(error) => {
            log::debug!("looking up the name of user {uid}: {error}");
            let before = state.known.remove(&uid).and_then(|known| known.name);
            (before, shared.limits.keep_unknown)
        }
    };
    if !state.known.contains_key(&uid) && state.known.len() >= shared.limits.entries {
        let oldest = state
            .known
            .iter()
            .min_by_key(|(_, known)| known.until)
            .map(|(&uid, _)| uid);
        if let Some(oldest) = oldest {
            state.known.remove(&oldest);
        }
    }
    // From now on, not from the question: a slow answer is no older than a quick one.
    let until = asked.at.max(Instant::now()) + lifetime;
    state.known.insert(
        uid,
        Known {
            name: name.clone(),
            until,
        },
    );
    // Set before the lock is given back: who asks now finds it in one place or the other.
    let _ = asked.answer.set(name);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts_and_odd_lines_are_passed_over() {
        let names =
            parse(b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\n# x:y:5\nbad\na:x:nan:1\nalice:x:1000:1000\n");
        assert_eq!(names.get(&0).map(String::as_str), Some("root"));
        assert_eq!(names.get(&1000).map(String::as_str), Some("alice"));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn a_number_without_a_name_is_its_own_name() {
        assert_eq!(Accounts::new("/nonexistent").name(4242), "4242");
    }

    #[test]
    fn the_name_service_knows_root_and_not_a_number_that_nobody_has() {
        let mut names = system();
        assert_eq!(names.find(0).unwrap().as_deref(), Some("root"));
        assert_eq!(names.find(3_999_999_999).unwrap(), None);
    }

    /// Answers what it is told to, when it is told to; says what it was asked.
    struct Told {
        asked: Sender<u32>,
        answers: Receiver<Option<&'static str>>,
    }

    impl Resolver for Told {
        fn find(&mut self, uid: u32) -> io::Result<Option<String>> {
            let _ = self.asked.send(uid);
            let answer = self.answers.recv().map_err(io::Error::other)?;
            Ok(answer.map(str::to_owned))
        }
    }

    struct Service {
        names: Names,
        asked: Receiver<u32>,
        answers: Sender<Option<&'static str>>,
        woken: Receiver<()>,
    }

    fn service(limits: NameLimits) -> Service {
        let (asked_in, asked) = channel();
        let (answers, answers_out) = channel();
        let (wake, woken) = channel();
        let told = Told {
            asked: asked_in,
            answers: answers_out,
        };
        let wake = move || {
            let _ = wake.send(());
        };
        Service {
            names: Names::start(Box::new(told), limits, wake).unwrap(),
            asked,
            answers,
            woken,
        }
    }

    fn now(name: Name) -> String {
        match name {
            Name::Now(name) => name,
            Name::Later(pending) => panic!("{pending:?}"),
        }
    }

    fn later(name: Name) -> NamePending {
        match name {
            Name::Later(pending) => pending,
            Name::Now(name) => panic!("{name}"),
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_name_is_asked_for_once_and_again_after_its_lifetime() {
        let s = service(NameLimits::default());
        let start = Instant::now();
        let first = later(s.names.ask(7, start));
        let second = later(s.names.ask(7, start));
        s.answers.send(Some("alice")).unwrap();
        s.woken.recv().unwrap();
        assert_eq!((first.take(), second.take()), ("alice".to_owned(), "alice".to_owned()));
        assert_eq!(now(s.names.ask(7, start + 299 * SECOND)), "alice");
        assert_eq!(s.asked.try_iter().collect::<Vec<_>>(), [7]);
        let again = later(s.names.ask(7, start + 400 * SECOND));
        s.answers.send(Some("alicia")).unwrap();
        s.woken.recv().unwrap();
        assert_eq!(again.take(), "alicia");
    }

    #[test]
    fn a_number_without_a_name_is_asked_for_again_sooner() {
        let s = service(NameLimits::default());
        let start = Instant::now();
        let first = later(s.names.ask(7, start));
        s.answers.send(None).unwrap();
        s.woken.recv().unwrap();
        assert_eq!(first.take(), "7");
        assert_eq!(now(s.names.ask(7, start + 59 * SECOND)), "7");
        assert!(!later(s.names.ask(7, start + 120 * SECOND)).is_ready());
    }

    #[test]
    fn when_nobody_answers_the_limit_counts_from_the_first_question_and_then_nothing_waits() {
        let s = service(NameLimits::default());
        let start = Instant::now();
        let first = later(s.names.ask(7, start));
        assert_eq!(s.asked.recv().unwrap(), 7, "it is in hand");
        let half = Duration::from_millis(250);
        assert_eq!(later(s.names.ask(7, start + half)).until(), first.until());
        let late = start + 60 * SECOND;
        assert_eq!(now(s.names.ask(7, late)), "7");
        // Another number, behind a look-up that is stuck.
        assert_eq!(now(s.names.ask(8, late)), "8");
        assert_eq!(first.clone().take(), "7");
        // The answers come late, and are used from then on.
        s.answers.send(Some("alice")).unwrap();
        s.answers.send(Some("bob")).unwrap();
        s.woken.recv().unwrap();
        s.woken.recv().unwrap();
        assert_eq!(now(s.names.ask(7, late)), "alice");
        assert_eq!(now(s.names.ask(8, late)), "bob");
    }

    #[test]
    fn the_last_name_known_is_used_while_nobody_answers_and_not_when_the_answer_is_that_there_is_none() {
        let s = service(NameLimits::default());
        let start = Instant::now();
        let first = later(s.names.ask(7, start));
        s.answers.send(Some("alice")).unwrap();
        s.woken.recv().unwrap();
        assert_eq!(first.take(), "alice");
        let again = later(s.names.ask(7, start + 400 * SECOND));
        assert_eq!(again.clone().take(), "alice");
        assert_eq!(now(s.names.ask(7, start + 401 * SECOND)), "alice");
        s.answers.send(None).unwrap();
        s.woken.recv().unwrap();
        assert_eq!(again.take(), "7");
    }

    #[test]
    fn what_waits_and_what_is_remembered_is_bounded() {
        let s = service(NameLimits {
            entries: 2,
            waiting: 2,
            ..NameLimits::default()
        });
        let start = Instant::now();
        let _first = later(s.names.ask(0, start));
        s.asked.recv().unwrap();
        for uid in [1, 2] {
            assert!(!later(s.names.ask(uid, start)).is_ready());
        }
        assert_eq!(now(s.names.ask(3, start)), "3");
        for _ in 0..3 {
            s.answers.send(Some("x")).unwrap();
            s.woken.recv().unwrap();
        }
        assert_eq!(s.names.shared.lock().known.len(), 2);
        assert_eq!(s.names.shared.lock().asked.len(), 0);
    }
}

//! Chromium without a window.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Runs Chromium on pages in a folder.
pub(crate) struct Browser {
    program: PathBuf,
    folder: PathBuf,
    /// Where a page may try to connect to, which must stay in vain.
    listener: TcpListener,
}

impl Browser {
    /// `folder` is emptied. The pages in it stay behind, to be looked at.
    pub(crate) fn new(folder: PathBuf) -> Self {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for pages");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of its own");
        listener.set_nonblocking(true).expect("asking without waiting");
        Self {
            program: program(),
            folder,
            listener,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The address that nobody must ask.
    pub(crate) fn address(&self) -> String {
        self.listener.local_addr().expect("an address").to_string()
    }

    /// Connections that were made to it since the last time.
    pub(crate) fn connections(&self) -> usize {
        std::iter::from_fn(|| self.listener.accept().ok()).count()
    }

    /// The page's elements as they are once it has loaded, and every address that it asked for meanwhile; files
    /// are none.
    pub(crate) fn dom(&self, page: &Path) -> (String, Vec<String>) {
        let log = page.with_extension("net.json");
        let dom = self.run(page, &["--dump-dom", &format!("--log-net-log={}", log.display())]);
        (dom, requests(&log))
    }

    pub(crate) fn pdf(&self, page: &Path) -> PathBuf {
        let pdf = page.with_extension("pdf");
        self.run(
            page,
            &["--no-pdf-header-footer", &format!("--print-to-pdf={}", pdf.display())],
        );
        pdf
    }

    fn run(&self, page: &Path, arguments: &[&str]) -> String {
        let profile = tempfile::tempdir().expect("a folder for a profile");
        // It is ended when it hangs, and everything that it started with it.
        let output = Command::new("timeout")
            .args(["--kill-after=5", "120"])
            .arg(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-extensions",
                // What the browser wants to know for itself, it does not learn: no name has an address.
                "--no-proxy-server",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--timeout=20000",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(arguments)
            .arg(format!("file://{}", page.display()))
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .output()
            .expect("starting Chromium");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "Chromium on {}: {}\n{}",
            page.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }
}

fn program() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("no Chromium in PATH (looked for {names:?}): install it, or run `cargo xtask test`, which does")
    })
}

/// Addresses that the browser's log of the network says were asked for, but for what the browser wants to know for itself
/// (updates, the time).
fn requests(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).expect("Chromium's log of the network");
    // A browser that is ended may leave the last line without its end.
    let log: Value = serde_json::from_str(&text)
        .or_else(|_| serde_json::from_str(&format!("{}]}}", text.trim_end().trim_end_matches(','))))
        .expect("the log is JSON");
    let kind = &log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"];
    assert!(kind.is_number(), "the log knows requests");
    let events = log["events"].as_array().expect("events");
    events
        .iter()
        .filter(|event| event["type"] == *kind)
        .map(|event| &event["params"])
        .filter_map(|request| Some((request["url"].as_str()?.to_owned(), &request["initiator"])))
        .filter(|(_, initiator)| *initiator != "not an origin")
        .map(|(url, _)| url)
        .collect()
}

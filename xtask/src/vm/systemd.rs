//! `cargo xtask vm --systemd`: the Debian package under a real service manager.
//!
//! A whole Debian with systemd boots from memory. Steps in the guest (`systemd.sh`) install the package, make it fail in the ways
//! that it must survive, upgrade and purge it; each step is one verdict.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::cpio::Archive;
use super::kernels::{Image, Kernel};
use super::rootfs;

const STEPS: &str = include_str!("systemd.sh");
/// All of it. A boot takes half a minute, the watchdog's patience another half.
const LIMIT: Duration = Duration::from_secs(900);
/// Copies the archive's files to a file system that can be a root: from the first one, mount namespaces can't move away.
const INIT: &str = "#!/bin/sh
mkdir /new
mount -t tmpfs -o size=90%,mode=755 root /new
for name in bin etc home lib lib32 lib64 libx32 opt root sbin srv usr var vm; do
    if [ -e /$name ] || [ -L /$name ]; then cp -a /$name /new/; fi
done
cd /new && mkdir -p proc sys dev run tmp && chmod 1777 tmp
exec switch_root /new /lib/systemd/systemd
";
const UNIT: &str = "[Unit]
Description=The steps of the test

[Service]
ExecStart=/bin/bash /vm/steps.sh
";

/// Boots and runs the steps; prints one line for each.
pub(super) fn run(kernel: &Kernel, image: &Image, debs: [&Path; 2], folder: &Path) -> Result<()> {
    let root = rootfs::folder()?;
    let file = folder.join(format!("systemd-{}.cpio", kernel.name));
    rootfs::archive(&root, &file)?;
    File::options()
        .append(true)
        .open(&file)
        .and_then(|mut archive| archive.write_all(&ours(kernel, debs)?))
        .with_context(|| format!("writing {}", file.display()))?;
    let log = folder.join(format!("systemd-{}.log", kernel.name));
    let result = boot(kernel, image, &file, &log);
    // It is large, and made in a moment.
    let _ = fs::remove_file(&file);
    result.with_context(|| format!("all that the guest said is in {}", log.display()))
}

fn ours(kernel: &Kernel, debs: [&Path; 2]) -> std::io::Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file(Path::new("/init"), 0o755, INIT.as_bytes());
    // Before Linux 5.19 CAP_BPF is kept, to read the counters.
    let capabilities = if kernel.name == "5.10" { "8000080004" } else { "80004" };
    let steps = STEPS.replacen("exec 3>", &format!("CAPABILITIES={capabilities}\nexec 3>"), 1);
    archive.file(Path::new("/vm/steps.sh"), 0o755, steps.as_bytes());
    for (name, deb) in ["first.deb", "second.deb"].into_iter().zip(debs) {
        archive.file(&Path::new("/vm").join(name), 0o644, &fs::read(deb)?);
    }
    archive.file(
        Path::new("/etc/systemd/system/vm-steps.service"),
        0o644,
        UNIT.as_bytes(),
    );
    archive.link(
        Path::new("/etc/systemd/system/multi-user.target.wants/vm-steps.service"),
        Path::new("/etc/systemd/system/vm-steps.service"),
    );
    Ok(archive.finish())
}

fn boot(kernel: &Kernel, image: &Image, root: &Path, log: &Path) -> Result<()> {
    let mut log = File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let started = Instant::now();
    let mut qemu = Command::new(kernel.machine.emulator().program)
        .args(["-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "3072"])
        .arg("-kernel")
        .arg(&image.file)
        .arg("-initrd")
        .arg(root)
        .args([
            "-append",
            "console=ttyS0 panic=-1 quiet mitigations=off cryptomgr.notests rdinit=/init",
        ])
        .args([
            "-no-reboot",
            "-net",
            "none",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "stdio",
        ])
        .args([
            "-chardev",
            "file,id=report,path=/dev/stderr",
            "-serial",
            "chardev:report",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("running QEMU")?;
    let (sender, lines) = mpsc::channel();
    let streams: [Box<dyn Read + Send>; 2] = [
        Box::new(qemu.stdout.take().context("it is piped")?),
        Box::new(qemu.stderr.take().context("it is piped")?),
    ];
    for stream in streams {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let text: String = String::from_utf8_lossy(&line)
                    .trim_end()
                    .chars()
                    .map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c })
                    .collect();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let mut verdicts = Verdicts::default();
    let mut last = started;
    let end = loop {
        match lines.recv_timeout(LIMIT.saturating_sub(started.elapsed())) {
            Ok(line) => {
                let _ = writeln!(log, "{:9.3} {line}", started.elapsed().as_secs_f64());
                if let Some(shown) = verdicts.line(&line) {
                    println!(
                        "{:10}  systemd::{shown} ({:.1} s)",
                        kernel.name,
                        last.elapsed().as_secs_f64()
                    );
                    last = Instant::now();
                }
            }
            Err(RecvTimeoutError::Timeout) => break "it took too long",
            Err(RecvTimeoutError::Disconnected) => break "the machine is gone",
        }
    };
    // It may have ended by itself.
    let _ = qemu.kill();
    let _ = qemu.wait();
    println!(
        "{:10}  systemd: {} passed, {} failed, {:.1} s in all",
        kernel.name,
        verdicts.passed,
        verdicts.failed,
        started.elapsed().as_secs_f64()
    );
    ensure!(verdicts.done, "the steps were not run to their end: {end}");
    if verdicts.failed > 0 || verdicts.passed == 0 {
        bail!("{} steps failed", verdicts.failed);
    }
    Ok(())
}

/// What the guest has told.
#[derive(Debug, Default, PartialEq)]
struct Verdicts {
    passed: u32,
    failed: u32,
    done: bool,
    context: Vec<String>,
}

impl Verdicts {
    /// Takes a line; what to show, when it is a verdict.
    fn line(&mut self, line: &str) -> Option<String> {
        let (kind, rest) = match line.strip_prefix("@step ")?.split_once(' ') {
            Some(words) => words,
            None => {
                self.done |= line == "@step done";
                return None;
            }
        };
        match kind {
            "ok" => {
                self.passed += 1;
                self.context.clear();
                Some(format!("{rest} ... ok"))
            }
            "failed" => {
                self.failed += 1;
                let (name, why) = rest.split_once(": ").unwrap_or((rest, ""));
                let context: String = self.context.drain(..).map(|line| format!("\n    | {line}")).collect();
                Some(format!("{name} ... FAILED: {why}{context}\n   "))
            }
            _ => {
                self.context.push(rest.to_owned());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_counted_and_what_led_to_one_is_shown_with_it() {
        let mut verdicts = Verdicts::default();
        assert_eq!(verdicts.line("systemd[1]: @step ok"), None);
        assert_eq!(verdicts.line("@step ok a-b").as_deref(), Some("a-b ... ok"));
        assert_eq!(verdicts.line("@step | context: x"), None);
        let shown = verdicts.line("@step failed c: no: why").unwrap();
        assert!(shown.contains("c ... FAILED: no: why\n    | context: x"), "{shown}");
        assert_eq!((verdicts.passed, verdicts.failed, verdicts.done), (1, 1, false));
        assert_eq!(verdicts.line("@step done"), None);
        assert!(verdicts.done);
    }

    #[test]
    fn each_step_of_the_script_is_a_function_of_it() {
        let steps = STEPS.split("for name in").nth(1).unwrap();
        let names: Vec<_> = steps
            .lines()
            .map(|line| line.trim().trim_end_matches(['\\', ' ']).trim_end_matches("; do"))
            .take_while(|line| !line.starts_with("step "))
            .filter(|line| line.contains('-'))
            .collect();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(STEPS.contains(&format!("\n{}() {{", name.replace('-', "_"))), "{name}");
        }
    }
}

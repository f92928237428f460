//! Other programs: finding them, starting them, and saying clearly what went wrong.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{cache, workspace};

/// The program's path, looked up as the shell does, and where root's shell would look.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Runs to the end with the caller's terminal; an error if it can't start or fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs to the end and returns what it printed; its stderr becomes part of the error if it fails.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting `{}`", shown(command)))?;
    if !output.status.success() {
        bail!(
            "`{}` failed ({}): {}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("reading what `{}` printed", shown(command)))
}

/// How this process can do what only root may.
pub(crate) enum Root {
    /// It is root.
    Already,
    /// Through this program.
    Sudo(PathBuf),
}

impl Root {
    /// Finds a way, or says why there is none. `what` completes "only root may ...".
    pub(crate) fn find(what: &str) -> Result<Self> {
        // The kernel gives a process's folder to its effective user.
        let uid = fs::metadata("/proc/self")
            .context("asking /proc/self for this process's user")?
            .uid();
        if uid == 0 {
            return Ok(Self::Already);
        }
        match find("sudo") {
            Some(sudo) => Ok(Self::Sudo(sudo)),
            None => {
                bail!(
                    "only root may {what}: this is user {uid}, and there is no sudo: run this as root or install sudo"
                )
            }
        }
    }

    /// The program, started as root, with these variables set.
    pub(crate) fn command(&self, program: &Path, env: &[(String, OsString)]) -> Command {
        match self {
            Self::Already => {
                let mut command = Command::new(program);
                command.envs(env.iter().map(|(name, value)| (name, value)));
                command
            }
            Self::Sudo(sudo) => {
                let mut command = Command::new(sudo);
                command.arg("--");
                if !env.is_empty() {
                    // sudo clears the environment; what it may keep is the administrator's choice.
                    command.arg("env");
                    for (name, value) in env {
                        let mut setting = OsString::from(name);
                        setting.push("=");
                        setting.push(value);
                        command.arg(setting);
                    }
                }
                command.arg(program);
                command
            }
        }
    }
}

/// Something that must be installed: the command that shows that it is, Debian's package, and the reason.
pub(crate) struct Need {
    pub(crate) command: &'static str,
    pub(crate) package: &'static str,
    pub(crate) reason: &'static str,
}

impl Need {
    /// A library is named by a file of it.
    fn is_there(&self) -> bool {
        find(self.command).is_some() || (self.command.starts_with('/') && Path::new(self.command).is_file())
    }
}

/// Installs what is missing, after saying what and why; on a system without apt-get it only says so and fails.
pub(crate) fn install_missing(needs: &[Need]) -> Result<()> {
    install_by(needs, |missing| {
        let list: String = missing
            .iter()
            .map(|need| format!("  {} (Debian: {}): {}\n", need.command, need.package, need.reason))
            .collect();
        if find("apt-get").is_none() {
            bail!("these programs are missing, and there is no apt-get to install them; please do:\n{list}");
        }
        let root = Root::find("install packages").with_context(|| format!("these programs are missing:\n{list}"))?;
        eprint!("xtask: installing with apt-get:\n{list}");
        let apt_get = |args: &[&str]| {
            let env = [("DEBIAN_FRONTEND".to_owned(), OsString::from("noninteractive"))];
            run(root.command(Path::new("apt-get"), &env).args(args).stdout(io::stderr()))
        };
        let mut install = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
        install.extend(missing.iter().map(|need| need.package));
        if apt_get(&install).is_err() {
            eprintln!("xtask: trying again with fresh package lists");
            apt_get(&["update", "--quiet"])?;
            apt_get(&install)?;
        }
        Ok(())
    })
}

fn install_by(needs: &[Need], install: impl FnOnce(&[&Need]) -> Result<()>) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)?;
    match missing.iter().find(|need| !need.is_there()) {
        None => Ok(()),
        Some(need) => bail!(
            "package {} was installed, but there is still no {}",
            need.package,
            need.command
        ),
    }
}

/// A program of crates.io, of exactly this version: from the cache, or installed there. `why` is said when that fails.
pub(crate) fn from_crates(name: &str, version: &str, why: &str) -> Result<PathBuf> {
    let root = cache::dir()?.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.is_file() {
        eprintln!(
            "xtask: installing {name} {version} into {} (some minutes)",
            root.display()
        );
        let mut install = workspace::cargo();
        install.args(["install", name, "--version", version, "--locked", "--root"]);
        // Not the workspace's: a program for the developer has nothing to do with its settings or its target folder.
        install
            .arg(&root)
            .current_dir(cache::dir()?)
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("CARGO_BUILD_TARGET");
        run(&mut install).with_context(|| why.to_owned())?;
    }
    Ok(program)
}

/// The command as a person would type it, for messages only.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args().map(OsStr::to_string_lossy) {
        // Writing to a String can't fail.
        let _ = if arg.contains(' ') {
            write!(text, " '{arg}'")
        } else {
            write!(text, " {arg}")
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of a library: nothing that can be run.
    fn need(name: &str) -> Need {
        let file = env::temp_dir().join(format!("cert-recon-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&file);
        Need {
            command: file.display().to_string().leak(),
            package: "a-package",
            reason: "a reason",
        }
    }

    #[test]
    fn a_file_of_a_library_that_was_missing_is_there_once_it_is_installed() {
        let needs = [need("installed")];
        let put = |missing: &[&Need]| fs::write(missing[0].command, "").context("writing");
        install_by(&needs, put).unwrap();
        install_by(&needs, |_| bail!("nothing is missing any more")).unwrap();
        fs::remove_file(needs[0].command).unwrap();
    }

    #[test]
    fn what_its_package_does_not_bring_is_named() {
        let needs = [need("absent")];
        let error = install_by(&needs, |_| Ok(())).unwrap_err().to_string();
        assert!(
            error.contains("a-package") && error.ends_with(needs[0].command),
            "{error}"
        );
    }
}

//! What the guest is made of: our binaries and the host's own programs that tests run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cpio::Archive;
use super::kernels::{Image, Policy};
use super::machine::Machine;
use super::tools::{Tool, output_of, require};
use super::userland::Userland;
use crate::toolchain::Toolchain;
use crate::tools::{Need, install_missing};
use crate::{cache, test, workspace};

/// Programs that the guest gets, with the libraries that they need. One line for each reason.
const PROGRAMS: [Tool; 29] = [
    // /sbin/ip for the loopback device, and every command of daily life that is not below.
    Tool {
        program: "busybox",
        package: "busybox-static",
    },
    // Shells: `sh -c`, scripts with a `#!` line, `exec -a`, builtins that exec nothing.
    Tool {
        program: "sh",
        package: "dash",
    },
    Tool {
        program: "bash",
        package: "bash",
    },
    // What cert-recon looks for: clients and certificate tools. They fail quickly, as there is no network.
    Tool {
        program: "curl",
        package: "curl",
    },
    Tool {
        program: "wget",
        package: "wget",
    },
    Tool {
        program: "openssl",
        package: "openssl",
    },
    // An interpreter whose name is a link (`python3` -> `python3.N`).
    Tool {
        program: "python3",
        package: "python3-minimal",
    },
    // Programs that exec another one: cert-recon looks through them.
    Tool {
        program: "env",
        package: "coreutils",
    },
    Tool {
        program: "nice",
        package: "coreutils",
    },
    Tool {
        program: "nohup",
        package: "coreutils",
    },
    Tool {
        program: "stdbuf",
        package: "coreutils",
    },
    Tool {
        program: "timeout",
        package: "coreutils",
    },
    Tool {
        program: "chroot",
        package: "coreutils",
    },
    Tool {
        program: "setsid",
        package: "util-linux",
    },
    Tool {
        program: "xargs",
        package: "findutils",
    },
    Tool {
        program: "strace",
        package: "strace",
    },
    // Other users, capabilities and namespaces.
    Tool {
        program: "setpriv",
        package: "util-linux",
    },
    Tool {
        program: "unshare",
        package: "util-linux",
    },
    Tool {
        program: "nsenter",
        package: "util-linux",
    },
    // Harmless programs with an executable of their own (busybox's are all the same file).
    Tool {
        program: "cat",
        package: "coreutils",
    },
    Tool {
        program: "cp",
        package: "coreutils",
    },
    Tool {
        program: "echo",
        package: "coreutils",
    },
    Tool {
        program: "false",
        package: "coreutils",
    },
    Tool {
        program: "id",
        package: "coreutils",
    },
    Tool {
        program: "ls",
        package: "coreutils",
    },
    Tool {
        program: "mkdir",
        package: "coreutils",
    },
    Tool {
        program: "printf",
        package: "coreutils",
    },
    Tool {
        program: "sleep",
        package: "coreutils",
    },
    Tool {
        program: "true",
        package: "coreutils",
    },
];

/// Files that those programs open by name; left out where the host has none.
const FILES: [&str; 3] = [
    // openssl complains without its configuration.
    "/etc/ssl/openssl.cnf",
    "/usr/lib/ssl/openssl.cnf",
    // stdbuf preloads it.
    "/usr/libexec/coreutils/libstdbuf.so",
];

/// Prints the modules of Python that it loads at its start, those for `-m`, and what they were compiled to.
const PYTHON_MODULES: &str = "\
import runpy, importlib.util, pkgutil, sys
for module in list(sys.modules.values()):
    for name in '__file__', '__cached__':
        print(getattr(module, name, None) or '')
";

/// Kernel modules that the guest loads. overlay: the file system of containers.
const MODULES: [&str; 1] = ["overlay"];

const ETC: [(&str, &str); 6] = [
    (
        "passwd",
        "root:x:0:0:root:/tmp:/bin/bash\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\ntester:x:1000:1000:Tester:/tmp:/bin/bash\n",
    ),
    ("group", "root:x:0:\nnogroup:x:65534:\ntester:x:1000:\n"),
    ("hostname", "cert-recon-vm\n"),
    ("hosts", "127.0.0.1 localhost cert-recon-vm\n::1 localhost\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    (
        "os-release",
        "ID=cert-recon-vm\nPRETTY_NAME=\"cert-recon test guest\"\n",
    ),
];

const INIT: &str = "cert-recon-guest-init";
const MONITOR: &str = "cert-recon";

/// Our binaries.
pub(super) struct Binaries {
    /// Where archives and logs go.
    pub(super) folder: PathBuf,
    init: PathBuf,
    monitor: PathBuf,
    /// Name and file of each live test binary.
    pub(super) tests: Vec<(String, PathBuf)>,
    /// Of a folder that all checkouts share: while this exists, the files are this checkout's.
    _lock: Option<File>,
}

/// Builds init, `cert-recon` and those `live_*` tests for a machine whose names are `wanted`.
///
/// For this host's own architecture they are those of `cargo xtask test`, linked with the host's C library, which the guest has too.
/// With `artefact`, `cert-recon` is the static program of `cargo xtask dist`.
pub(super) fn build(machine: Machine, artefact: bool, wanted: impl Fn(&str) -> bool) -> Result<Binaries> {
    let metadata = output_of(cargo().args(["metadata", "--no-deps", "--format-version=1", "--offline"]))?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo metadata printed no JSON")?;
    let mut names = live_tests(&metadata);
    names.retain(|name| wanted(name));
    let mut binaries = match Cross::to(machine)? {
        None => native(&metadata, &names)?,
        Some(cross) => foreign(machine, &cross, &metadata, &names, artefact)?,
    };
    if artefact {
        binaries.monitor = crate::dist::program(machine.platform())?;
    }
    binaries.tests.retain(|(name, _)| names.contains(name));
    ensure!(
        binaries.tests.len() == names.len(),
        "cargo built only these tests: {:?}",
        binaries.tests
    );
    Ok(binaries)
}

/// What `cargo xtask test` builds, without its debugging information: the guest has to unpack it.
fn native(metadata: &Value, names: &[String]) -> Result<Binaries> {
    let target = Path::new(metadata["target_directory"].as_str().context("no target_directory")?);
    let folder = target.join("vm");
    let small = folder.join("small");
    fs::create_dir_all(&small).with_context(|| format!("creating {}", small.display()))?;
    let mut built = BTreeMap::new();
    // Cargo makes no program of a package that has no tests of a program.
    let init = workspace::artifacts(workspace::cargo().args(["build", "--locked", "--bin", INIT]))?;
    for artifact in init.iter().chain(&test::artifacts()?) {
        let (Some(name), Some(file)) = (artifact["target"]["name"].as_str(), artifact["executable"].as_str()) else {
            continue;
        };
        let wanted = if artifact["profile"]["test"] == true {
            names.iter().any(|test| test == name)
        } else {
            name == INIT || name == MONITOR
        };
        if wanted {
            let to = small.join(name);
            output_of(Command::new("strip").args(["--strip-debug", "-o"]).arg(&to).arg(file))?;
            built.insert(name.to_owned(), to);
        }
    }
    Binaries::of(folder, built, None)
}

/// Our binaries for another machine: static, and in a target folder of their own, for both are flags of the compiler.
fn foreign(machine: Machine, cross: &Cross, metadata: &Value, names: &[String], artefact: bool) -> Result<Binaries> {
    require(machine.cross_tools())?;
    let (folder, lock) = shared_folder(machine, metadata)?;
    let mut flags = std::env::var_os("RUSTFLAGS").unwrap_or_default();
    flags.push(" -C target-feature=+crt-static");
    let mut built = BTreeMap::new();
    let mut build = |arguments: &[String]| -> Result<()> {
        let mut command = cargo();
        command
            .args(arguments)
            .args(["--target", cross.target, "--message-format=json-render-diagnostics"]);
        command.arg("--target-dir").arg(&folder);
        command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", &flags);
        cross.prepare(&mut command);
        // The guest has to unpack it.
        command
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("CARGO_PROFILE_DEV_STRIP", "debuginfo");
        if artefact {
            // Only init and the tests themselves run, which have little to do: building them quickly is worth more.
            command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "0");
        }
        let done = command.stderr(Stdio::inherit()).output().context("running cargo")?;
        ensure!(done.status.success(), "cargo {}: {}", arguments.join(" "), done.status);
        built.extend(executables(&String::from_utf8_lossy(&done.stdout)));
        Ok(())
    };
    // One at a time: built together, each would get the union of all features of their dependencies.
    let program = |package: &str, name: &str| ["build", "--package", package, "--bin", name].map(str::to_owned);
    build(&program(INIT, INIT))?;
    if !artefact {
        build(&program("cert-recon-user", MONITOR))?;
    }
    if !names.is_empty() {
        let mut arguments = ["test", "--no-run", "--package=cert-recon-user"]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(names.iter().map(|name| format!("--test={name}")));
        // Tests bring the program along that they are for.
        build(&arguments)?;
    }
    Binaries::of(folder, built, Some(lock))
}

impl Binaries {
    fn of(folder: PathBuf, mut built: BTreeMap<String, PathBuf>, lock: Option<File>) -> Result<Self> {
        let init = built.remove(INIT).with_context(|| format!("cargo built no {INIT}"))?;
        Ok(Self {
            folder,
            init,
            monitor: built.remove(MONITOR).unwrap_or_default(),
            tests: built.into_iter().collect(),
            _lock: lock,
        })
    }
}

/// A target folder for another machine, outside of the tree: a fresh checkout finds the standard library and the dependencies
/// compiled, which take longer than everything else.
fn shared_folder(machine: Machine, metadata: &Value) -> Result<(PathBuf, File)> {
    let folder = cache::dir()?.join(format!("build-{}", machine.debian()));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock().with_context(|| format!("locking {}", folder.display()))?;
    // Cargo takes a crate for unchanged when its files are older than what was built, which those of another checkout may be.
    let owner = folder.join("checkout");
    let root = metadata["workspace_root"].as_str().context("no workspace_root")?;
    if fs::read_to_string(&owner).is_ok_and(|owner| owner != root) {
        let mut clean = cargo();
        let target = machine.foreign_target().context("this host's own machine")?;
        clean.args(["clean", "--offline", "--target", target, "--target-dir"]);
        clean.arg(&folder);
        for package in metadata["packages"].as_array().into_iter().flatten() {
            clean.arg("--package").arg(package["name"].as_str().unwrap_or_default());
        }
        output_of(&mut clean)?;
    }
    fs::write(&owner, root).with_context(|| format!("writing {}", owner.display()))?;
    Ok((folder, lock))
}

/// A build for another machine, for which no standard library has to be installed: it is compiled too.
struct Cross {
    target: &'static str,
    library: PathBuf,
    linker: &'static str,
    /// `CARGO_TARGET_..._LINKER`
    linker_variable: String,
}

impl Cross {
    fn to(machine: Machine) -> Result<Option<Self>> {
        let (Some(target), Some(linker)) = (machine.foreign_target(), machine.cross_tools().first()) else {
            return Ok(None);
        };
        let variable = target.to_uppercase().replace('-', "_");
        Ok(Some(Self {
            target,
            library: Toolchain::library()?,
            linker: linker.program,
            linker_variable: format!("CARGO_TARGET_{variable}_LINKER"),
        }))
    }

    fn prepare(&self, cargo: &mut Command) {
        cargo
            .args(["-Z", "build-std=std,panic_abort"])
            // As for the eBPF object: unstable for cargo's users, but compiler and library belong together.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("__CARGO_TESTS_ONLY_SRC_ROOT", &self.library)
            .env(&self.linker_variable, self.linker);
    }
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.current_dir(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("xtask is a folder of the workspace"),
    );
    command
}

/// The names of this checkout's live test binaries.
pub(super) fn live_tests_here() -> Result<Vec<String>> {
    let metadata = output_of(cargo().args(["metadata", "--no-deps", "--format-version=1", "--offline"]))?;
    Ok(live_tests(
        &serde_json::from_str(&metadata).context("cargo metadata printed no JSON")?,
    ))
}

fn live_tests(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let package = list(&metadata["packages"])
        .into_iter()
        .find(|package| package["name"] == "cert-recon-user");
    let targets = package.map(|package| list(&package["targets"])).unwrap_or_default();
    let live = targets
        .iter()
        .filter(|target| list(&target["kind"]).iter().any(|kind| kind == "test"));
    let names = live.filter_map(|target| target["name"].as_str());
    names
        .filter(|name| name.starts_with("live_"))
        .map(str::to_owned)
        .collect()
}

/// The executables in cargo's JSON messages, by the name of their target.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter_map(|message| {
            let executable = message["executable"].as_str()?;
            Some((
                message["target"]["name"].as_str()?.to_owned(),
                PathBuf::from(executable),
            ))
        })
        .collect()
}

/// The part of the first root file system that is the same for every kernel.
pub(super) fn root_file_system(machine: Machine, binaries: &Binaries) -> Result<Vec<u8>> {
    let userland = Userland::of(machine, &PROGRAMS)?;
    let mut archive = Archive::with_merged_usr();
    // The kernel opens it before init can mount anything.
    archive.device(Path::new("/dev/console"), 0o600, (5, 1));
    let folders = [
        ("/proc", 0o555),
        ("/sys", 0o555),
        ("/run", 0o755),
        ("/tmp", 0o1777),
        ("/root", 0o700),
        ("/var/log", 0o755),
    ];
    for (folder, mode) in folders {
        archive.folder(Path::new(folder), mode);
    }
    for (name, content) in ETC {
        archive.file(&Path::new("/etc").join(name), 0o644, content.as_bytes());
    }
    userland.bring(&mut archive, &binaries.init, Path::new("/init"))?;
    userland.bring(&mut archive, &binaries.monitor, Path::new("/bin/cert-recon"))?;
    for (name, file) in &binaries.tests {
        userland.bring(&mut archive, file, &Path::new("/tests").join(name))?;
    }
    for tool in &PROGRAMS {
        let path = userland
            .find(tool.program)
            .with_context(|| format!("{} is gone", tool.program))?;
        userland.copy(&mut archive, &path)?;
    }
    for file in FILES.iter().map(Path::new) {
        if userland.outside(file).exists() {
            userland.copy(&mut archive, file)?;
        }
    }
    for module in python_modules(&userland)? {
        userland.copy(&mut archive, &module)?;
    }
    for applet in applets()?.lines() {
        let (inside, in_sbin) = (Path::new("/bin").join(applet), Path::new("/sbin").join(applet));
        if !archive.contains(&in_sbin) {
            archive.link(&inside, Path::new("busybox"));
        }
    }
    Ok(archive.finish())
}

/// What Python loads at its start; of a Python that can't be run here, all that it has.
fn python_modules(userland: &Userland) -> Result<Vec<PathBuf>> {
    let python = userland.find("python3").context("python3 is gone")?;
    if !userland.is_the_host_s() {
        let named = fs::read_link(userland.outside(&python)).context("python3 is no link to a version")?;
        return Ok(vec![Path::new("/usr/lib").join(named)]);
    }
    let modules = output_of(Command::new(python).args(["-I", "-c", PYTHON_MODULES]))?;
    let paths = modules.lines().map(PathBuf::from);
    Ok(paths.filter(|path| path.is_absolute() && path.exists()).collect())
}

/// Busybox's commands. Debian builds the same for every machine.
fn applets() -> Result<String> {
    let busybox = Tool {
        program: "busybox",
        package: "busybox-static",
    };
    require(std::slice::from_ref(&busybox))?;
    output_of(Command::new(busybox.program).arg("--list"))
}

/// The part that belongs to one kernel.
pub(super) fn modules_of(image: &Image) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for (name, content) in image.modules(&MODULES)? {
        archive.file(&Path::new("/modules").join(name), 0o644, &content);
    }
    Ok(archive.finish())
}

/// The part that belongs to an odd host: the policy, compiled.
pub(super) fn policy_of(policy: Policy, scratch: &Path) -> Result<Vec<u8>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = scratch.join("policy");
    let mut archive = Archive::default();
    match policy {
        Policy::AppArmor => {
            install_missing(&[Need {
                command: "apparmor_parser",
                package: "apparmor",
                reason: "compiles the profile that a guest holds cert-recon to",
            }])?;
            // Nothing of this host's own kernel: neither what it knows nor what it has loaded.
            let done = Command::new("/usr/sbin/apparmor_parser")
                .args(["--skip-kernel-load", "--skip-cache", "--stdout", "--policy-features"])
                .arg("/usr/share/apparmor-features/features")
                .arg("--kernel-features")
                .arg("/usr/share/apparmor-features/features")
                .arg(source.join("../contrib/apparmor/cert-recon"))
                .output()
                .context("running apparmor_parser")?;
            ensure!(
                done.status.success() && !done.stdout.is_empty(),
                "apparmor_parser: {}: {}",
                done.status,
                String::from_utf8_lossy(&done.stderr)
            );
            fs::write(&compiled, done.stdout).with_context(|| format!("writing {}", compiled.display()))?;
        }
        Policy::SeLinux => {
            install_missing(&[Need {
                command: "checkpolicy",
                package: "checkpolicy",
                reason: "compiles the policy that a guest's SELinux enforces",
            }])?;
            let mut command = Command::new("checkpolicy");
            // A version that the oldest kernel reads.
            command.args(["-c", "30", "-U", "allow", "-o"]).arg(&compiled);
            output_of(command.arg(source.join("src/vm/policy/selinux.conf")))?;
        }
    }
    let content = fs::read(&compiled).with_context(|| format!("reading {}", compiled.display()))?;
    archive.file(Path::new("/policy"), 0o600, &content);
    Ok(archive.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{PathBuf, executables, live_tests};

    #[test]
    fn only_live_tests_of_the_user_crate() {
        let target = |name: &str, kind: &str| json!({"name": name, "kind": [kind]});
        let metadata = json!({"packages": [
            {"name": "xtask", "targets": [target("live_no", "test")]},
            {"name": "cert-recon-user", "targets": [target("cert_recon", "lib"), target("live_exec", "test"),
                target("rules", "test"), target("live_bench", "bench")]},
        ]});
        assert_eq!(live_tests(&metadata), ["live_exec"]);
    }

    #[test]
    fn executables_are_found_among_cargo_s_messages() {
        let text = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"libc\"},\"executable\":null}\n\
                    {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"live_a\"},\"executable\":\"/t/live_a-1\"}\n\
                    {\"reason\":\"build-finished\",\"success\":true}\n";
        let found = executables(text);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("live_a".to_owned(), PathBuf::from("/t/live_a-1"))]
        );
    }
}

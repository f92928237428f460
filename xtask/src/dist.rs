//! `cargo xtask dist`: what is given away.
//!
//! One static program, a package for Debian, one for Fedora and its relatives, an archive for everybody else, and their
//! checksums. The same source gives the same bytes, in whichever folder and whenever it is built: `--check-reproducible` builds a
//! second time, somewhere else, and compares.

mod install;
mod notices;
mod program;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};

use self::program::Release;
use crate::{
    tools::{self, Need},
    workspace,
};

/// The releases whose packages are known to be the same whenever they are made.
const CARGO_DEB_VERSION: &str = "3.8.0";
const CARGO_GENERATE_RPM_VERSION: &str = "0.21.1";
/// What the program may be at most, bytes.
const MOST_PROGRAM_BYTES: u64 = 6 << 20;

const NEEDS: &[Need] = &[
    Need {
        command: "musl-gcc",
        package: "musl-tools",
        reason: "the C library that a static program is linked with, and the compiler for zstd's C code",
    },
    Need {
        command: "gcc",
        package: "gcc",
        reason: "links the program",
    },
    Need {
        command: "tar",
        package: "tar",
        reason: "makes the archive",
    },
    Need {
        command: "gzip",
        package: "gzip",
        reason: "compresses the archive",
    },
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the files go [default: dist in cargo's target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Build once more, from a copy of the source in another folder, and fail if a single byte differs
    #[arg(long)]
    check_reproducible: bool,
    /// Install, upgrade, remove and purge the packages in a root file system of their own, with the real dpkg and rpm
    #[arg(long)]
    check_install: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = workspace::root();
    let target = workspace::Metadata::load()?.target_directory()?;
    let out = args.out.clone().unwrap_or_else(|| target.join("dist/out"));
    let epoch = epoch(&root)?;
    let files = make(&root, &target.join("dist"), &out, &epoch)?;
    for file in &files {
        let size = fs::metadata(file)
            .with_context(|| format!("reading {}", file.display()))?
            .len();
        println!("{:>9} bytes  {}", size, file.display());
    }
    if args.check_install {
        let test = target.join("dist/test");
        let packages = install::Packages {
            debs: two_debs(&root, &target.join("dist"), &epoch)?,
            rpms: [
                rpm(
                    &root,
                    &target.join("dist"),
                    &emptied(&test.join("rpm-first"))?,
                    &epoch,
                    None,
                )?,
                rpm(
                    &root,
                    &target.join("dist"),
                    &emptied(&test.join("rpm-second"))?,
                    &epoch,
                    Some("99"),
                )?,
            ],
        };
        install::check(&packages)?;
    }
    if args.check_reproducible {
        check(&root, &out, &files, &epoch)?;
    }
    Ok(())
}

/// Makes everything of one checkout and returns the files.
pub(crate) fn make(root: &Path, target: &Path, out: &Path, epoch: &str) -> Result<Vec<PathBuf>> {
    tools::install_missing(NEEDS)?;
    let release = program::build(root, target)?;
    let size = fs::metadata(&release.program)?.len();
    ensure!(
        size <= MOST_PROGRAM_BYTES,
        "the program has {size} bytes, {MOST_PROGRAM_BYTES} are the most: it is copied to hosts by hand"
    );
    stage(root, &release, epoch)?;
    emptied(out)?;
    let program = out.join("cert-recon");
    fs::copy(&release.program, &program).context("copying the program")?;
    let mut files = vec![
        program,
        deb(root, target, out, epoch, None)?,
        rpm(root, target, out, epoch, None)?,
        archive(root, &release, out, epoch)?,
    ];
    files.push(checksums(out, &files)?);
    Ok(files)
}

/// The time that files in packages have, seconds since 1970: the one that was asked for, else that of the last commit.
fn epoch(root: &Path) -> Result<String> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        ensure!(
            epoch.parse::<u64>().is_ok(),
            "SOURCE_DATE_EPOCH must be seconds since 1970, not {epoch:?}"
        );
        return Ok(epoch);
    }
    let time = tools::stdout_of(
        Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(root),
    )
    .context("the time of the files is that of the last commit; outside of a git checkout set SOURCE_DATE_EPOCH")?;
    Ok(time.trim().to_owned())
}

/// Puts what is made from the program beside it, where the packages' descriptions in `cert-recon-user/Cargo.toml` look for it.
fn stage(root: &Path, release: &Release, epoch: &str) -> Result<()> {
    let folder = emptied(&release.package())?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    };
    for (shell, name) in [
        ("bash", "cert-recon.bash"),
        ("zsh", "_cert-recon"),
        ("fish", "cert-recon.fish"),
    ] {
        write(
            name,
            &tools::stdout_of(Command::new(&release.program).args(["completions", shell]))?,
        )?;
    }
    tools::stdout_of(
        Command::new(&release.program)
            .args(["man", "--dir"])
            .arg(folder.join("man")),
    )?;
    write("THIRD-PARTY", &notices::third_party(root)?)?;
    // The other package's files come from here too, for it keeps the time of a file that is older than the commit.
    let copies = folder.join("files");
    for from in ["docs", "contrib/suppressions"] {
        let to = emptied(&copies.join(from))?;
        for entry in fs::read_dir(root.join(from)).with_context(|| format!("reading {from}"))? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name())).with_context(|| format!("copying {from}"))?;
        }
    }
    for name in [
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "dist/cert-recon.service",
        "dist/config.toml",
        "dist/logrotate",
    ] {
        let to = copies.join(Path::new(name).file_name().context("a file has a name")?);
        fs::copy(root.join(name), to).with_context(|| format!("copying {name}"))?;
    }
    fs::copy(&release.program, copies.join("cert-recon")).context("copying the program")?;
    let seconds = epoch.parse().context("the time of the files")?;
    date(&folder, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Gives every file below a folder this time.
fn date(folder: &Path, time: SystemTime) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            date(&path, time)?;
        } else {
            fs::File::options()
                .append(true)
                .open(&path)
                .and_then(|file| file.set_modified(time))
                .with_context(|| format!("setting the time of {}", path.display()))?;
        }
    }
    Ok(())
}

fn packager(root: &Path, target: &Path, program: &Path, subcommand: &str, epoch: &str) -> Command {
    let mut command = Command::new(program);
    command
        .arg(subcommand)
        // Both take paths as relative to the package's folder, and one of them first as relative to where it is started.
        .current_dir(root.join("cert-recon-user"))
        .env("SOURCE_DATE_EPOCH", epoch)
        .env("CARGO_TARGET_DIR", target)
        .env_remove("CARGO_BUILD_TARGET");
    command
}

/// Debian packages of this checkout: of its version, and of a later one with the same content, to upgrade to.
pub(crate) fn two_versions() -> Result<[PathBuf; 2]> {
    let root = workspace::root();
    let target = workspace::Metadata::load()?.target_directory()?.join("dist");
    tools::install_missing(NEEDS)?;
    let release = program::build(&root, &target)?;
    stage(&root, &release, &epoch(&root)?)?;
    two_debs(&root, &target, &epoch(&root)?)
}

fn two_debs(root: &Path, target: &Path, epoch: &str) -> Result<[PathBuf; 2]> {
    let make = |name: &str, version: Option<&str>| {
        let out = emptied(&target.join("test").join(name))?;
        deb(root, target, &out, epoch, version)
    };
    let later = concat!(env!("CARGO_PKG_VERSION"), "-99");
    Ok([make("deb-first", None)?, make("deb-second", Some(later))?])
}

/// The folder, made anew.
fn emptied(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("emptying {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder.to_owned())
}

fn deb(root: &Path, target: &Path, out: &Path, epoch: &str, version: Option<&str>) -> Result<PathBuf> {
    let why = "cargo-deb makes the package for Debian";
    let program = tools::from_crates("cargo-deb", CARGO_DEB_VERSION, why)?;
    let mut command = packager(root, target, &program, "deb", epoch);
    command
        .args(["--no-build", "--no-strip", "--locked", "--target"])
        .args([program::TARGET, "--output"])
        .arg(out);
    if let Some(version) = version {
        command.args(["--deb-version", version]);
    }
    tools::stdout_of(&mut command).context(why)?;
    made(out, "deb")
}

fn rpm(root: &Path, target: &Path, out: &Path, epoch: &str, release: Option<&str>) -> Result<PathBuf> {
    let why = "cargo-generate-rpm makes the package for Fedora";
    let program = tools::from_crates("cargo-generate-rpm", CARGO_GENERATE_RPM_VERSION, why)?;
    let mut command = packager(root, target, &program, "generate-rpm", epoch);
    command
        .args(["--target", program::TARGET, "--target-dir"])
        .arg(target)
        .arg("--output")
        .arg(out);
    if let Some(release) = release {
        command.arg(format!("--set-metadata=release = \"{release}\""));
    }
    tools::stdout_of(&mut command).context(why)?;
    made(out, "rpm")
}

fn made(out: &Path, extension: &str) -> Result<PathBuf> {
    fs::read_dir(out)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .with_context(|| format!("no .{extension} was made in {}", out.display()))
}

/// The archive: everything that the packages have, in a folder of its own.
fn archive(root: &Path, release: &Release, out: &Path, epoch: &str) -> Result<PathBuf> {
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("cert-recon-{version}-x86_64-linux");
    let scratch = emptied(&release.folder.join("archive"))?;
    let folder = scratch.join(&name);
    fs::create_dir_all(&folder)?;
    let copy = |from: &Path, to: &Path| {
        let to = folder.join(to);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(from, &to).with_context(|| format!("copying {}", from.display()))?;
        let mode = if from == release.program { 0o755 } else { 0o644 };
        fs::set_permissions(&to, fs::Permissions::from_mode(mode)).with_context(|| format!("{}", to.display()))
    };
    copy(&release.program, Path::new("cert-recon"))?;
    for name in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&root.join(name), Path::new(name))?;
    }
    for (from, to) in [
        (root.join("docs"), "docs"),
        (root.join("contrib/suppressions"), "contrib/suppressions"),
        (release.package().join("man"), "man"),
    ] {
        for entry in fs::read_dir(&from).with_context(|| format!("reading {}", from.display()))? {
            let entry = entry?;
            copy(&entry.path(), &Path::new(to).join(entry.file_name()))?;
        }
    }
    for name in ["cert-recon.service", "config.toml", "logrotate"] {
        copy(&root.join("dist").join(name), &Path::new("dist").join(name))?;
    }
    for name in ["cert-recon.bash", "_cert-recon", "cert-recon.fish"] {
        copy(&release.package().join(name), &Path::new("completions").join(name))?;
    }
    copy(&release.package().join("THIRD-PARTY"), Path::new("THIRD-PARTY"))?;
    let file = out.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args([
        "--format=gnu",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=go=rX",
    ])
    .arg(format!("--mtime=@{epoch}"))
    .args(["--use-compress-program=gzip -9 -n", "-cf"])
    .arg(&file)
    .arg("-C")
    .arg(&scratch)
    .arg(&name);
    tools::stdout_of(&mut tar)?;
    Ok(file)
}

/// As `sha256sum --check SHA256SUMS` reads them.
fn checksums(out: &Path, files: &[PathBuf]) -> Result<PathBuf> {
    let mut sum = Command::new("sha256sum");
    sum.arg("--").current_dir(out);
    for file in files {
        sum.arg(file.file_name().context("a file has a name")?);
    }
    let file = out.join("SHA256SUMS");
    fs::write(&file, tools::stdout_of(&mut sum)?).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

/// Builds a copy of the source in another folder and compares.
fn check(root: &Path, out: &Path, files: &[PathBuf], epoch: &str) -> Result<()> {
    let copy = env::temp_dir().join(format!("cert-recon-again-{}", std::process::id()));
    let done = check_in(root, out, files, epoch, &copy);
    // Only a left-over: failing to remove it changes nothing.
    let _ = fs::remove_dir_all(&copy);
    done
}

fn check_in(root: &Path, out: &Path, files: &[PathBuf], epoch: &str, copy: &Path) -> Result<()> {
    let source = copy.join("a/longer/way/source");
    fs::create_dir_all(&source).with_context(|| format!("making {}", source.display()))?;
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let names = tools::stdout_of(Command::new("git").args(list).current_dir(root))?;
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (root.join(name), source.join(name));
        if !from.exists() {
            continue;
        }
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
    }
    let again = copy.join("out");
    make(&source, &copy.join("target"), &again, epoch)?;
    let mut different = Vec::new();
    for file in files {
        let name = file.file_name().context("a file has a name")?;
        if fs::read(out.join(name))? != fs::read(again.join(name))? {
            different.push(name.to_string_lossy().into_owned());
        }
    }
    if !different.is_empty() {
        bail!(
            "the same source in another folder gives other bytes: {}. Something has a path, a time or an order in it",
            different.join(", ")
        );
    }
    println!(
        "The same source in another folder gives the same {} files.",
        files.len()
    );
    Ok(())
}

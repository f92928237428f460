//! `cargo xtask dist`: what is given away.
//!
//! For each machine one static program, a package for Debian, one for Fedora and its relatives, an archive for everybody else; and
//! their checksums. The same source gives the same bytes, in whichever folder and whenever it is built: `--check-reproducible` builds a
//! second time, somewhere else, and compares.

mod install;
mod notices;
pub(crate) mod platform;
mod program;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};

use self::{platform::Platform, program::Release};
use crate::{
    tools::{self, Need},
    workspace,
};

/// The releases whose packages are known to be the same whenever they are made.
const CARGO_DEB_VERSION: &str = "3.8.0";
const CARGO_GENERATE_RPM_VERSION: &str = "0.21.1";
/// Who makes packages that are not given away; as in `cert-recon-user/Cargo.toml`.
const NOBODY: &str = "The cert-recon maintainers <maintainers@cert-recon.invalid>";
/// What the program may be at most, bytes.
const MOST_PROGRAM_BYTES: u64 = 6 << 20;

const NEEDS: &[Need] = &[
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
    let files = make(&root, &target, &out, &epoch)?;
    for file in &files {
        let size = fs::metadata(file)
            .with_context(|| format!("reading {}", file.display()))?
            .len();
        println!("{:>9} bytes  {}", size, file.display());
    }
    if maintainer().is_none() {
        println!("The packages name nobody as their maker: for others' use set DEBFULLNAME and DEBEMAIL.");
    }
    if args.check_install {
        let target = folder(&target, Platform::X86_64);
        let release = program::build(&root, &target, Platform::X86_64)?;
        let test = target.join("test");
        let rpm = |name: &str, version| rpm(&root, &release, &emptied(&test.join(name))?, &epoch, version);
        let packages = install::Packages {
            debs: two_debs(&root, &release, &epoch)?,
            rpms: [rpm("rpm-first", None)?, rpm("rpm-second", Some("99"))?],
        };
        install::check(&packages)?;
    }
    if args.check_reproducible {
        check(&root, &out, &files, &epoch)?;
    }
    Ok(())
}

/// Makes everything of one checkout and returns the files.
fn make(root: &Path, target: &Path, out: &Path, epoch: &str) -> Result<Vec<PathBuf>> {
    tools::install_missing(NEEDS)?;
    let releases = all_built(root, target)?;
    let own = &releases[0];
    let mut files = Vec::new();
    emptied(out)?;
    for release in &releases {
        stage(root, release, own, epoch)?;
        let program = out.join(format!("cert-recon-{}", release.platform.name()));
        fs::copy(&release.program, &program).context("copying the program")?;
        // The packagers say what they have made by its ending only.
        let scratch = release.folder.join("packages");
        files.extend([
            program,
            moved(&deb(root, release, &emptied(&scratch)?, epoch, None)?, out)?,
            moved(&rpm(root, release, &emptied(&scratch)?, epoch, None)?, out)?,
            archive(root, release, out, epoch)?,
        ]);
    }
    files.push(checksums(out, &files)?);
    Ok(files)
}

/// The static program of this checkout for a machine, as it is given away.
///
/// # Errors
///
/// When it can't be built, or is larger than it may be.
pub(crate) fn program(platform: Platform) -> Result<PathBuf> {
    let target = workspace::Metadata::load()?.target_directory()?;
    Ok(built(&workspace::root(), &target, platform)?.program)
}

/// Builds the static programs for all machines at the same time, so that [`program()`] finds each made.
///
/// # Errors
///
/// As [`program()`].
pub(crate) fn programs() -> Result<()> {
    let target = workspace::Metadata::load()?.target_directory()?;
    all_built(&workspace::root(), &target).map(drop)
}

/// Cargo's target folder of a machine's release.
fn folder(target: &Path, platform: Platform) -> PathBuf {
    target.join("dist").join(platform.name())
}

fn built(root: &Path, target: &Path, platform: Platform) -> Result<Release> {
    let release = program::build(root, &folder(target, platform), platform)?;
    let size = fs::metadata(&release.program)?.len();
    ensure!(
        size <= MOST_PROGRAM_BYTES,
        "the program for {} has {size} bytes, {MOST_PROGRAM_BYTES} are the most: it is copied to hosts by hand",
        platform.name()
    );
    Ok(release)
}

/// This host's own first. At the same time: the longest part of each is one thread's work.
fn all_built(root: &Path, target: &Path) -> Result<Vec<Release>> {
    for platform in Platform::ALL {
        tools::install_missing(platform.needs())?;
    }
    thread::scope(|scope| {
        let threads = Platform::ALL.map(|platform| scope.spawn(move || built(root, target, platform)));
        let done = threads.map(|thread| thread.join().expect("a build doesn't panic"));
        done.into_iter().collect()
    })
}

fn moved(file: &Path, folder: &Path) -> Result<PathBuf> {
    let to = folder.join(file.file_name().context("a file has a name")?);
    fs::rename(file, &to).with_context(|| format!("moving {} to {}", file.display(), to.display()))?;
    Ok(to)
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

/// Puts what is made from the program (by this host's own one) beside it, where the packages' descriptions in `cert-recon-user/Cargo.toml` look for it.
fn stage(root: &Path, release: &Release, own: &Release, epoch: &str) -> Result<()> {
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
            &tools::stdout_of(Command::new(&own.program).args(["completions", shell]))?,
        )?;
    }
    tools::stdout_of(
        Command::new(&own.program)
            .args(["man", "--dir"])
            .arg(folder.join("man")),
    )?;
    let pages = emptied(&folder.join("man-gz"))?;
    for entry in fs::read_dir(folder.join("man")).context("reading the manual pages")? {
        let page = entry?.path();
        let name = page.file_name().context("a file has a name")?.to_string_lossy();
        compress(&page, &pages.join(format!("{name}.gz")))?;
    }
    compress(&root.join("CHANGELOG.md"), &folder.join("changelog.gz"))?;
    write("changelog.Debian", &debian_changelog(epoch)?)?;
    compress(&folder.join("changelog.Debian"), &folder.join("changelog.Debian.gz"))?;
    write("THIRD-PARTY", &notices::third_party(root, release.platform)?)?;
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

/// The same bytes each time: no name and no time in it.
fn compress(from: &Path, to: &Path) -> Result<()> {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "-n", "-c", "--"]).arg(from);
    let output = gzip
        .output()
        .with_context(|| format!("starting `{}`", tools::shown(&gzip)))?;
    ensure!(
        output.status.success(),
        "`{}` failed ({}): {}",
        tools::shown(&gzip),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    fs::write(to, output.stdout).with_context(|| format!("writing {}", to.display()))
}

/// What Debian wants to be told of the package itself; the program's own changes are in another file.
fn debian_changelog(epoch: &str) -> Result<String> {
    let time = tools::stdout_of(
        Command::new("date")
            .args(["--utc", "--rfc-email", "--date"])
            .arg(format!("@{epoch}"))
            .env("LC_ALL", "C"),
    )?;
    Ok(format!(
        "cert-recon ({}-1) unstable; urgency=medium\n\n  * This release; changelog.gz says what is new in it.\n\n -- {}  {time}",
        env!("CARGO_PKG_VERSION"),
        maintainer().unwrap_or_else(|| NOBODY.to_owned())
    ))
}

/// Who makes the packages, in the variables that Debian's own tools read.
fn maintainer() -> Option<String> {
    let [name, address] = ["DEBFULLNAME", "DEBEMAIL"].map(|name| env::var(name).ok().filter(|text| !text.is_empty()));
    Some(format!("{} <{}>", name?, address?))
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

fn packager(root: &Path, release: &Release, program: &Path, subcommand: &str, epoch: &str) -> Command {
    let mut command = Command::new(program);
    command
        .arg(subcommand)
        // Both take paths as relative to the package's folder, and one of them first as relative to where it is started.
        .current_dir(root.join("cert-recon-user"))
        .env("SOURCE_DATE_EPOCH", epoch)
        .env("CARGO_TARGET_DIR", release.target())
        .env_remove("CARGO_BUILD_TARGET");
    command
}

/// Debian packages of this checkout: of its version, and of a later one with the same content, to upgrade to.
pub(crate) fn two_versions() -> Result<[PathBuf; 2]> {
    let root = workspace::root();
    let target = workspace::Metadata::load()?.target_directory()?;
    tools::install_missing(NEEDS)?;
    let release = built(&root, &target, Platform::X86_64)?;
    stage(&root, &release, &release, &epoch(&root)?)?;
    two_debs(&root, &release, &epoch(&root)?)
}

fn two_debs(root: &Path, release: &Release, epoch: &str) -> Result<[PathBuf; 2]> {
    let make = |name: &str, version: Option<&str>| {
        let out = emptied(&release.target().join("test").join(name))?;
        deb(root, release, &out, epoch, version)
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

fn deb(root: &Path, release: &Release, out: &Path, epoch: &str, version: Option<&str>) -> Result<PathBuf> {
    let why = "cargo-deb makes the package for Debian";
    let program = tools::from_crates("cargo-deb", CARGO_DEB_VERSION, why)?;
    let mut command = packager(root, release, &program, "deb", epoch);
    command
        .args(["--no-build", "--no-strip", "--locked", "--target"])
        .args([release.platform.target(), "--output"])
        .arg(out);
    if let Some(version) = version {
        command.args(["--deb-version", version]);
    }
    if let Some(maintainer) = maintainer() {
        command.args(["--maintainer", &maintainer]);
    }
    tools::stdout_of(&mut command).context(why)?;
    made(out, "deb")
}

fn rpm(root: &Path, release: &Release, out: &Path, epoch: &str, version: Option<&str>) -> Result<PathBuf> {
    let why = "cargo-generate-rpm makes the package for Fedora";
    let program = tools::from_crates("cargo-generate-rpm", CARGO_GENERATE_RPM_VERSION, why)?;
    let mut command = packager(root, release, &program, "generate-rpm", epoch);
    command
        .args(["--target", release.platform.target(), "--target-dir"])
        .arg(release.target())
        .arg("--output")
        .arg(out);
    if let Some(maintainer) = maintainer() {
        let text = maintainer.replace(['\\', '"'], "");
        command.arg(format!("--set-metadata=vendor = \"{text}\""));
    }
    if let Some(version) = version {
        command.arg(format!("--set-metadata=release = \"{version}\""));
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
    let name = format!("cert-recon-{version}-{}-linux", release.platform.name());
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

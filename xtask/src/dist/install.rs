//! The packages in a root of their own: installed, upgraded, removed and purged by the real dpkg and rpm.
//!
//! A folder with a whole Debian stands for the host, so nothing of this host is touched. There is no service manager in it: what
//! becomes of the service, `cargo xtask vm --systemd` shows.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    tools::{self, Need},
    vm::rootfs,
};

const CONFIG: &str = "etc/cert-recon/config.toml";
const PROGRAM: &str = "usr/bin/cert-recon";
/// What both packages have, and where an administrator looks for it.
const FILES: [&str; 9] = [
    PROGRAM,
    CONFIG,
    "etc/logrotate.d/cert-recon",
    "usr/share/bash-completion/completions/cert-recon",
    "usr/share/fish/vendor_completions.d/cert-recon.fish",
    "usr/share/doc/cert-recon/THIRD-PARTY",
    "usr/share/doc/cert-recon/LICENSE-MIT",
    "usr/share/doc/cert-recon/operating.md",
    "usr/share/doc/cert-recon/examples/suppressions/acme-clients.toml",
];

/// The packages, each with a later version of it.
pub(super) struct Packages {
    pub(super) debs: [PathBuf; 2],
    pub(super) rpms: [PathBuf; 2],
}

/// Does all of it; an error says which step failed.
pub(super) fn check(packages: &Packages) -> Result<()> {
    tools::install_missing(&[
        Need {
            command: "rpm",
            package: "rpm",
            reason: "installs the package for Fedora into a folder",
        },
        Need {
            command: "lintian",
            package: "lintian",
            reason: "knows what Debian asks of a package",
        },
    ])?;
    // Not the second version of it: no changelog knows that one.
    tools::run(
        Command::new("lintian")
            .args(["--allow-root", "--fail-on", "error,warning"])
            .arg(&packages.debs[0]),
    )
    .context("the package for Debian is not as Debian asks; dist/debian/lintian-overrides is for what is wanted")?;
    println!("dist: lintian: nothing");
    let host = Host::new()?;
    host.dpkg(&packages.debs).context("the package for Debian")?;
    host.rpm(&packages.rpms).context("the package for Fedora")
}

/// A copy of the root file system, gone with this.
struct Host {
    root: PathBuf,
}

impl Host {
    fn new() -> Result<Self> {
        let root = env::temp_dir().join(format!("cert-recon-root-{}", std::process::id()));
        let host = Self { root };
        tools::run(Command::new("cp").arg("-a").arg(rootfs::folder()?).arg(&host.root))?;
        Ok(host)
    }

    /// Runs a command in it and returns what it said.
    fn run(&self, args: &[&str]) -> Result<String> {
        let mut command = Command::new("chroot");
        command
            .arg(&self.root)
            .args(args)
            .env("LC_ALL", "C")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        tools::stdout_of(&mut command)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn expect(&self, step: &str, names: &[&str]) -> Result<()> {
        for name in names {
            ensure!(self.path(name).exists(), "{step}: /{name} is not there");
        }
        Ok(())
    }

    fn expect_none(&self, step: &str, names: &[&str]) -> Result<()> {
        for name in names {
            ensure!(!self.path(name).exists(), "{step}: /{name} is still there");
        }
        Ok(())
    }

    /// What the administrator and the service write.
    fn use_it(&self) -> Result<()> {
        let config = fs::read_to_string(self.path(CONFIG))?;
        fs::write(self.path(CONFIG), config + "min_confidence = \"high\"\n")?;
        for folder in [
            "var/log/cert-recon",
            "var/lib/cert-recon/record",
            "etc/cert-recon/rules.d",
        ] {
            fs::create_dir_all(self.path(folder))?;
            fs::write(self.path(folder).join("kept"), "")?;
        }
        Ok(())
    }

    fn expect_changed(&self, step: &str) -> Result<()> {
        let config = fs::read_to_string(self.path(CONFIG)).with_context(|| format!("{step}: the configuration"))?;
        ensure!(
            config.ends_with("min_confidence = \"high\"\n"),
            "{step}: the administrator's change of the configuration is gone"
        );
        Ok(())
    }

    fn works(&self, step: &str) -> Result<()> {
        let said = self.run(&["/usr/bin/cert-recon", "--version"])?;
        ensure!(
            said.starts_with("cert-recon "),
            "{step}: `cert-recon --version` says {said:?}"
        );
        let said = self.run(&["/usr/bin/cert-recon", "rules", "list"])?;
        ensure!(
            !said.is_empty(),
            "{step}: `cert-recon rules list`, which reads the installed configuration"
        );
        Ok(())
    }

    fn bring(&self, file: &Path) -> Result<String> {
        let name = format!("/{}", file.file_name().unwrap_or_default().to_string_lossy());
        fs::copy(file, self.path(&name[1..])).with_context(|| format!("copying {}", file.display()))?;
        Ok(name)
    }

    fn dpkg(&self, [first, second]: &[PathBuf; 2]) -> Result<()> {
        let (first, second) = (self.bring(first)?, self.bring(second)?);
        self.run(&["dpkg", "-i", &first])?;
        self.expect("install", &FILES)?;
        self.expect("install", &["usr/share/man/man1/cert-recon-watch.1.gz"])?;
        let enabled = "etc/systemd/system/multi-user.target.wants/cert-recon.service";
        ensure!(
            self.path(enabled).symlink_metadata().is_ok(),
            "install: the unit is not enabled"
        );
        self.works("install")?;
        let said = self.run(&["dpkg", "--verify", "cert-recon"])?;
        ensure!(said.is_empty(), "install: dpkg --verify: {said}");
        println!("dist: dpkg: installed");
        self.use_it()?;
        self.run(&["dpkg", "--force-confdef", "-i", &second])?;
        self.expect_changed("upgrade")?;
        self.expect("upgrade", &["var/log/cert-recon/kept"])?;
        self.works("upgrade")?;
        println!("dist: dpkg: upgraded, the changed configuration is kept");
        self.run(&["dpkg", "-r", "cert-recon"])?;
        self.expect_none("remove", &[PROGRAM])?;
        self.expect_changed("remove")?;
        self.expect("remove", &["var/log/cert-recon/kept", "var/lib/cert-recon/record/kept"])?;
        println!("dist: dpkg: removed, configuration and logs are kept");
        self.run(&["dpkg", "-P", "cert-recon"])?;
        for deb in [first, second] {
            fs::remove_file(self.path(&deb[1..]))?;
        }
        self.expect_nothing("purge")?;
        println!("dist: dpkg: purged, nothing is left");
        Ok(())
    }

    fn expect_nothing(&self, step: &str) -> Result<()> {
        let left = self.run(&["find", "/", "-xdev", "-name", "*cert-recon*"])?;
        if !left.is_empty() {
            bail!("{step} leaves: {}", left.trim().replace('\n', ", "));
        }
        Ok(())
    }

    fn rpm(&self, [first, second]: &[PathBuf; 2]) -> Result<()> {
        let rpm = |args: &[&str], file: Option<&Path>| {
            let mut command = Command::new("rpm");
            // This Debian has no database of what it provides.
            command.arg("--root").arg(&self.root).args(args).args(file);
            tools::stdout_of(&mut command)
        };
        rpm(&["--nodeps", "--install"], Some(first))?;
        self.expect("install", &FILES)?;
        self.expect(
            "install",
            &[
                "usr/share/man/man1/cert-recon-watch.1.gz",
                "usr/lib/systemd/system/cert-recon.service",
            ],
        )?;
        self.works("install")?;
        let said = rpm(&["--verify", "--nodeps", "cert-recon"], None)?;
        ensure!(said.trim().is_empty(), "install: rpm --verify: {said}");
        println!("dist: rpm: installed");
        self.use_it()?;
        rpm(&["--nodeps", "--upgrade"], Some(second))?;
        self.expect_changed("upgrade")?;
        self.works("upgrade")?;
        println!("dist: rpm: upgraded, the changed configuration is kept");
        rpm(&["--nodeps", "--erase", "cert-recon"], None)?;
        self.expect_none(
            "erase",
            &[
                PROGRAM,
                CONFIG,
                "usr/lib/systemd/system/cert-recon.service",
                "usr/share/doc/cert-recon",
            ],
        )?;
        self.expect(
            "erase",
            &["etc/cert-recon/config.toml.rpmsave", "var/log/cert-recon/kept"],
        )?;
        println!("dist: rpm: erased, the changed configuration and logs are kept");
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Only a left-over: failing to remove it changes nothing.
        let _ = fs::remove_dir_all(&self.root);
    }
}

//! Debian packages without touching the system: apt with a state of its own, and the mirrors that the machine's own
//! configuration names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::tools::stdout_of;

/// Where Debian's packages come from, when the machine's configuration doesn't say.
pub(crate) const MIRROR_VARIABLE: &str = "CERT_RECON_DEBIAN_MIRROR";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One archive of the machine's apt configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<PathBuf>,
}

/// Debian's archives as this machine reaches them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirrors {
    main: Source,
    security: Option<Source>,
}

impl Mirrors {
    /// Reads the machine's apt configuration.
    pub(crate) fn of_this_machine() -> Result<Self> {
        if let Ok(uri) = std::env::var(MIRROR_VARIABLE) {
            let main = Source {
                uri,
                suites: Vec::new(),
                components: vec!["main".into()],
                signed_by: None,
            };
            return Ok(Self { main, security: None });
        }
        let mut sources = Vec::new();
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
        files.extend(parts.map(|entry| entry.path()));
        files.sort();
        for file in files {
            let parse = match file.extension().and_then(|extension| extension.to_str()) {
                Some("list") => parse_list,
                Some("sources") => parse_deb822,
                _ => continue,
            };
            // A file that isn't there or isn't ours to read has no sources.
            sources.extend(parse(&fs::read_to_string(&file).unwrap_or_default()));
        }
        Self::choose(&sources).with_context(|| {
            format!(
                "no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d: the kernels are Debian packages. \
                 Name a mirror: {MIRROR_VARIABLE}=http://MIRROR/debian"
            )
        })
    }

    /// Where Debian's main archive is.
    pub(crate) fn debian(&self) -> &str {
        &self.main.uri
    }

    fn choose(sources: &[Source]) -> Option<Self> {
        let path = |source: &Source| {
            source
                .uri
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let usable = || {
            sources
                .iter()
                .filter(|source| source.components.iter().any(|component| component == "main"))
        };
        let main = usable().find(|source| path(source) == "debian")?.clone();
        let security = usable().find(|source| {
            path(source).ends_with("security") && source.suites.iter().any(|suite| suite.contains("security"))
        });
        Some(Self {
            main,
            security: security.cloned(),
        })
    }

    /// A deb822 sources file with these suites of the main archive and of the security archive.
    fn sources_file(&self, suite: &Suite) -> String {
        let mut text = stanza(&self.main, suite.main);
        if let (Some(security), Some(name)) = (&self.security, suite.security) {
            text.push('\n');
            text.push_str(&stanza(security, name));
        }
        text
    }
}

fn stanza(source: &Source, suite: &str) -> String {
    let keyring = source.signed_by.as_deref().unwrap_or(Path::new(KEYRING));
    format!(
        "Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\nSigned-By: {}\n",
        source.uri,
        keyring.display()
    )
}

/// `deb [options] URI suite component...`, one a line.
fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_list_line).collect()
}

fn parse_list_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let mut rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let mut signed_by = None;
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (options, after) = bracketed.split_once(']')?;
        signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(PathBuf::from);
        rest = after;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uri: words.next()?,
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by,
    })
}

/// Paragraphs of `Field: value`, continued by lines that start with a space (apt's `.sources` files).
fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for paragraph in paragraphs(text) {
        let field = |name: &str| -> Vec<String> {
            let found = paragraph.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
            found
                .map(|(_, value)| value.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default()
        };
        if field("Enabled")
            .first()
            .is_some_and(|value| value.eq_ignore_ascii_case("no"))
            || !field("Types").iter().any(|kind| kind == "deb")
        {
            continue;
        }
        // A key may be written out in place of a file's name.
        let signed_by = match field("Signed-By").as_slice() {
            [file] if file.starts_with('/') => Some(PathBuf::from(file)),
            _ => None,
        };
        sources.extend(field("URIs").into_iter().map(|uri| Source {
            uri,
            suites: field("Suites"),
            components: field("Components"),
            signed_by: signed_by.clone(),
        }));
    }
    sources
}

/// The paragraphs of a deb822 text as lists of (field, value).
fn paragraphs(text: &str) -> Vec<Vec<(String, String)>> {
    let mut all: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let current = all.last_mut().expect("there is always one");
        if line.trim().is_empty() {
            all.push(Vec::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = current.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((field, value)) = line.split_once(':') {
            current.push((field.trim().to_owned(), value.trim().to_owned()));
        }
    }
    all.retain(|paragraph| !paragraph.is_empty());
    all
}

/// The names of one release in the two archives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) main: &'static str,
    pub(crate) security: Option<&'static str>,
}

/// Debian 12: whose programs guests of other machines get, and whose musl their programs are linked with.
pub(crate) const BOOKWORM: Suite = Suite {
    main: "bookworm",
    security: Some("bookworm-security"),
};

/// What apt knows of one package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Names only: the first choice of each dependency.
    pub(crate) depends: Vec<String>,
}

/// apt that reads one suite, with its state in a folder of its own.
pub(crate) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Fetches the suite's package lists into `folder`.
    ///
    /// # Errors
    ///
    /// When the mirror can't be reached, lacks the suite, or its signature is not good.
    pub(crate) fn update(folder: &Path, mirrors: &Mirrors, suite: &Suite, architecture: &str) -> Result<Self> {
        for sub in ["lists/partial", "cache/archives/partial"] {
            let path = folder.join(sub);
            fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        }
        let at = folder.display();
        // No sandbox user: the cache may be in a folder that only its owner can read. The system's hooks are for the
        // system's own state. Error-Mode: otherwise a mirror that can't be reached is no error.
        let configuration = format!(
            "Dir::State \"{at}\";\nDir::State::lists \"{at}/lists\";\nDir::State::status \"{at}/status\";\n\
             Dir::Cache \"{at}/cache\";\nDir::Etc::SourceList \"{at}/debian.sources\";\n\
             Dir::Etc::SourceParts \"/dev/null\";\nDir::Etc::Preferences \"/dev/null\";\n\
             Dir::Etc::PreferencesParts \"/dev/null\";\n\
             APT::Architecture \"{architecture}\";\n#clear APT::Architectures;\nAPT::Architectures {{ \"{architecture}\"; }};\n\
             APT::Sandbox::User \"\";\n\
             #clear APT::Update;\nAPT::Update::Error-Mode \"any\";\n#clear DPkg;\n#clear Acquire::IndexTargets::deb::DEP-11;\n\
             #clear Acquire::IndexTargets::deb::DEP-11-icons;\n#clear Acquire::IndexTargets::deb::DEP-11-icons-small;\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"3\";\n"
        );
        for (name, text) in [
            ("apt.conf", configuration),
            ("debian.sources", mirrors.sources_file(suite)),
            ("status", String::new()),
        ] {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        let apt = Self {
            folder: folder.to_owned(),
        };
        stdout_of(apt.command("apt-get").args(["--quiet", "update"]))
            .with_context(|| format!("reading the package lists of {} from {}", suite.main, mirrors.main.uri))?;
        Ok(apt)
    }

    /// The newest version of a package.
    pub(crate) fn package(&self, name: &str) -> Result<Package> {
        let text = stdout_of(self.command("apt-cache").args(["show", "--no-all-versions", name]))?;
        parse_package(&text).with_context(|| format!("apt-cache show {name} printed no package:\n{text}"))
    }

    /// Downloads packages and unpacks them, one over the other, into `target`.
    pub(crate) fn unpack(&self, packages: &[&str], target: &Path) -> Result<()> {
        let downloads = self.folder.join("downloads");
        fs::create_dir_all(&downloads)?;
        stdout_of(
            self.command("apt-get")
                .args(["--quiet", "download"])
                .args(packages)
                .current_dir(&downloads),
        )?;
        let mut unpacked = 0;
        for entry in fs::read_dir(&downloads)? {
            let file = entry?.path();
            stdout_of(Command::new("dpkg").arg("-x").arg(&file).arg(target))?;
            fs::remove_file(&file)?;
            unpacked += 1;
        }
        ensure!(
            unpacked == packages.len(),
            "apt-get downloaded {unpacked} packages instead of {}",
            packages.len()
        );
        Ok(())
    }

    /// Downloads packages with all that they depend on, and unpacks them, one over the other, into `target`.
    pub(crate) fn unpack_with_dependencies(&self, packages: &[&str], target: &Path) -> Result<()> {
        // `install` is what resolves; nothing is installed, and the system's lock is not asked for.
        stdout_of(
            self.command("apt-get")
                .args(["--quiet", "--yes", "--download-only", "--no-install-recommends"])
                .args(["-o", "Debug::NoLocking=1", "install"])
                .args(packages),
        )?;
        for entry in fs::read_dir(self.folder.join("cache/archives"))? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                stdout_of(Command::new("dpkg").arg("-x").arg(&file).arg(target))?;
                fs::remove_file(&file)?;
            }
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("LC_ALL", "C.UTF-8")
            .arg("--config-file")
            .arg(self.folder.join("apt.conf"));
        command
    }
}

fn parse_package(text: &str) -> Result<Package> {
    let paragraphs = paragraphs(text);
    let Some(paragraph) = paragraphs.first() else {
        bail!("nothing")
    };
    let field = |name: &str| {
        paragraph
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.clone())
    };
    let depends = field("Depends").unwrap_or_default();
    let depends = depends.split(',').filter_map(|choice| {
        let name = choice.split(['|', '(']).next()?.trim();
        // `name:any` is a package of whatever architecture.
        (!name.is_empty()).then(|| name.split(':').next().unwrap_or(name).to_owned())
    });
    Ok(Package {
        name: field("Package").context("no name")?,
        version: field("Version").context("no version")?,
        depends: depends.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Mirrors, Package, Path, PathBuf, Suite, parse_deb822, parse_list, parse_package};

    const DEB822: &str = "\
Types: deb deb-src
# a comment in between
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/one.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://off.example/debian
Suites: sid
Components: main
Enabled: no
";

    #[test]
    fn deb822_sources_with_continued_fields_and_disabled_ones() {
        let sources = parse_deb822(DEB822);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(
            sources[0].signed_by.as_deref(),
            Some(Path::new("/usr/share/keyrings/one.gpg"))
        );
        assert_eq!(sources[1].uri, "http://mirror.example/debian-security/");
        assert_eq!(sources[1].signed_by, None, "a key in place is no file");
    }

    #[test]
    fn one_line_sources_with_options_and_comments() {
        let sources = parse_list(
            "# deb http://commented.example/debian stable main\n\
             deb-src http://mirror.example/debian stable main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian stable main non-free # why\n\
             debris\n",
        );
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].uri, "http://mirror.example/debian");
        assert_eq!(sources[0].components, ["main", "non-free"]);
        assert_eq!(sources[0].signed_by, Some(PathBuf::from("/k.gpg")));
    }

    #[test]
    fn the_sources_file_names_the_wanted_suites_on_the_machine_s_mirrors() {
        let mirrors = Mirrors::choose(&parse_deb822(DEB822)).unwrap();
        let text = mirrors.sources_file(&Suite {
            main: "bullseye",
            security: Some("bullseye-security"),
        });
        let again = parse_deb822(&text);
        assert_eq!(again.len(), 2);
        assert_eq!(
            (again[0].uri.as_str(), again[0].suites.as_slice()),
            ("http://mirror.example/debian", ["bullseye".into()].as_slice())
        );
        assert_eq!(again[1].suites, ["bullseye-security"]);
        let only_main = mirrors.sources_file(&Suite {
            main: "trixie-backports",
            security: None,
        });
        assert_eq!(parse_deb822(&only_main).len(), 1);
    }

    #[test]
    fn other_archives_are_not_taken_for_debian_s() {
        let sources =
            parse_list("deb http://archive.example/ubuntu noble main\ndeb http://x.example/node_20.x nodistro main\n");
        assert_eq!(Mirrors::choose(&sources), None);
    }

    #[test]
    fn the_first_choice_of_each_dependency() {
        let text = "Package: linux-image-7\nVersion: 7.3.4-1~bpo13+1\nDepends: dracut | initramfs-tools (>= 0.120), \
                    linux-binary-7 (= 7.3.4-1~bpo13+1), python3:any\nDescription: a\n b\n";
        assert_eq!(
            parse_package(text).unwrap(),
            Package {
                name: "linux-image-7".into(),
                version: "7.3.4-1~bpo13+1".into(),
                depends: vec!["dracut".into(), "linux-binary-7".into(), "python3".into()],
            }
        );
    }
}

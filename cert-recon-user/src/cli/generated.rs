//! `cert-recon completions` and `cert-recon man`: what can be told from the definition of the command line alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{CommandFactory as _, ValueEnum};
use clap_complete::Shell as Generator;
use clap_mangen::Man;

use super::Status;
use crate::config::{DEFAULT_FILE, DEFAULT_RULES_DIR};

/// clap_complete 4.6 takes the hyphen in the program's name for a level of commands in half of the places that name a command,
/// so that nothing is completed after the first word.
const TWO_LEVELS: &str = "cert__subcmd__recon";
const ONE_LEVEL: &str = "cert__recon";

/// Shells whose completion is tested with the shell itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// For /usr/share/bash-completion/completions/cert-recon.
    Bash,
    /// For a file _cert-recon in a folder of $fpath.
    Zsh,
    /// For /usr/share/fish/vendor_completions.d/cert-recon.fish.
    Fish,
}

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write this page and that of each command into this folder (made when it is missing), not to standard output.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Status> {
    let mut text = Vec::new();
    let generator = match args.shell {
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
    };
    clap_complete::generate(generator, &mut super::Args::command(), "cert-recon", &mut text);
    if args.shell == Shell::Bash {
        text = String::from_utf8(text)
            .context("the completion is text")?
            .replace(TWO_LEVELS, ONE_LEVEL)
            .into_bytes();
    }
    super::print(&text)?;
    Ok(Status::Clean)
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<Status> {
    let pages = pages();
    match &args.dir {
        None => super::print(&pages.last().context("there is no page")?.text)?,
        Some(dir) => write(&pages, dir)?,
    }
    Ok(Status::Clean)
}

/// A page of the manual.
struct Page {
    file: String,
    text: Vec<u8>,
}

fn write(pages: &[Page], dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
    for page in pages {
        let file = dir.join(&page.file);
        fs::write(&file, &page.text).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// The pages of all commands, the main one last.
fn pages() -> Vec<Page> {
    let mut command = super::Args::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, &mut pages);
    if let Some(main) = pages.last_mut() {
        main.text.extend(more().bytes());
    }
    pages
}

fn add_pages(command: &clap::Command, pages: &mut Vec<Page>) {
    for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
        add_pages(part, pages);
    }
    let man = Man::new(command.clone())
        .source(concat!("cert-recon ", env!("CARGO_PKG_VERSION")))
        .manual("cert-recon");
    let mut text = Vec::new();
    // Writing to memory can't fail.
    let _ = man.render(&mut text);
    // An empty date is left out, and what follows would be taken for one.
    let text = String::from_utf8_lossy(&text)
        .replacen(" 1  \"cert-recon", " 1 \"\" \"cert-recon", 1)
        .into_bytes();
    pages.push(Page {
        file: man.get_filename(),
        text,
    });
}

/// What the definition of the command line does not know.
fn more() -> String {
    let items = |title: &str, items: &[(&str, &str)]| {
        let mut text = format!(".SH \"{title}\"\n");
        for (name, meaning) in items {
            text.push_str(&format!(
                ".TP\n{}\n{}\n",
                name.replace('-', "\\-"),
                meaning.replace('-', "\\-")
            ));
        }
        text
    };
    [
        items(
            "EXIT STATUS",
            &[
                ("0", "Nothing was found; watch: it ended as it was asked to."),
                ("1", "There are findings (check, hunt)."),
                (
                    "2",
                    "The command line or the configuration is wrong, or this host can't be watched.",
                ),
                ("3", "Something that hunt was to read could not be read, or not all of it."),
            ],
        ),
        items(
            "SIGNALS",
            &[
                (
                    "SIGHUP",
                    "watch opens its output file anew and reads configuration and rules anew. When these can't be used, those from \
                     before stay at work, and a health record says so.",
                ),
                ("SIGUSR1", "watch makes a health record."),
                ("SIGINT, SIGTERM", "watch drains what is on its way, prints its sums and ends."),
            ],
        ),
        items(
            "FILES",
            &[
                (DEFAULT_FILE, "Settings and suppressions."),
                (DEFAULT_RULES_DIR, "Rule files of this host."),
            ],
        ),
        items(
            "ENVIRONMENT",
            &[
                ("NO_COLOR", "When it is set and not empty, nothing is coloured."),
                (
                    "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
                    "The service manager, to which watch says that it is ready, what it does and that it is alive.",
                ),
            ],
        ),
    ]
    .concat()
}

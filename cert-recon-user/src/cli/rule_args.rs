//! Which rules are used: those of the command line, of the configuration, and of this host's rule files.

use std::path::{Path, PathBuf};

use crate::{
    config::{self, Config, DEFAULT_FILE, DEFAULT_RULES_DIR},
    rules::{BUILTIN_PACKS, DEFAULT_PACKS, Engine, Pack},
};

/// Flags of every command that judges.
#[derive(Debug, clap::Args)]
pub(super) struct RuleArgs {
    /// Read settings and suppressions from this file, which only you or root can write to. Flags win over it.
    /// [default: /etc/cert-recon/config.toml, when it exists]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Rule packs to use, separated by commas. [default: kql,extended]
    #[arg(long, value_name = "PACK,...", value_delimiter = ',', value_parser = known_pack)]
    pub(super) rules: Option<Vec<String>>,
    /// Where rule files of this host are; each `*.toml` in it is one more pack. [default: /etc/cert-recon/rules.d]
    #[arg(long, value_name = "DIR")]
    pub(super) rules_dir: Option<PathBuf>,
}

/// A pack and where it is from.
pub(super) struct Loaded {
    pub(super) pack: Pack,
    pub(super) origin: String,
}

fn known_pack(name: &str) -> Result<String, String> {
    let known: Vec<&str> = BUILTIN_PACKS.iter().map(|pack| pack.name).collect();
    if known.contains(&name) {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "there is no rule pack of that name; there are: {}",
            known.join(", ")
        ))
    }
}

impl RuleArgs {
    /// Reads the configuration: of the file that was named, else of the usual one, when there is one.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        let default = match &self.config {
            Some(path) => return Ok(Config::load(path)?),
            None => Config::load(Path::new(DEFAULT_FILE)),
        };
        match default {
            Err(config::LoadError::File(error)) if error.is_not_found() => Ok(Config::default()),
            config => Ok(config?),
        }
    }

    /// The names of the built-in packs: those of the command line, else those of the configuration, else the usual ones.
    pub(super) fn names(&self, config: &Config) -> Vec<String> {
        match self.rules.as_ref().or(config.rules.as_ref()) {
            Some(names) => names.clone(),
            None => DEFAULT_PACKS.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// The packs asked for, then those of this host, in the order of the files' names.
    pub(super) fn packs(&self, config: &Config) -> anyhow::Result<Vec<Loaded>> {
        let names = self.names(config);
        let mut packs = Vec::new();
        for builtin in BUILTIN_PACKS
            .iter()
            .filter(|pack| names.iter().any(|name| name == pack.name))
        {
            packs.push(Loaded {
                pack: builtin.parse()?,
                origin: "built in".to_owned(),
            });
        }
        // A folder that somebody named has to be there.
        let files = match self.rules_dir.as_ref().or(config.rules_dir.as_ref()) {
            Some(folder) => config::read_folder(folder)?,
            None => match config::read_folder(Path::new(DEFAULT_RULES_DIR)) {
                Err(error) if error.is_not_found() => Vec::new(),
                files => files?,
            },
        };
        for (origin, text) in files {
            let mut pack = Pack::parse(&origin, &text)?;
            // A pack of this program that is not switched on is no reason to refuse what adds to it.
            pack.extend
                .retain(|name, _| names.contains(name) || BUILTIN_PACKS.iter().all(|pack| pack.name != name));
            packs.push(Loaded { pack, origin });
        }
        Ok(packs)
    }

    /// All of them at work.
    pub(super) fn engine(&self) -> anyhow::Result<Engine> {
        let packs: Vec<Pack> = self
            .packs(&self.config()?)?
            .into_iter()
            .map(|loaded| loaded.pack)
            .collect();
        Ok(Engine::new(&packs)?)
    }
}

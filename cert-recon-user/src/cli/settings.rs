//! What the flags of `watch` and the configuration come to together. Flags win.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{RuleArgs, load};
use crate::{
    config::{self, Config, DEFAULT_FILE, DEFAULT_RULES_DIR},
    rules::{Confidence, Engine, Pack},
    suppress::{Condition, Suppression},
    watch::{Reload, Settings},
};

/// Findings that are the same are folded within this time.
const FOLD_INTERVAL: Duration = Duration::from_secs(60);

/// What is asked for on the command line, of what can change while the monitor runs.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) config: Option<PathBuf>,
    pub(super) rules: RuleArgs,
    pub(super) min_confidence: Option<Confidence>,
    pub(super) fold_interval: Option<Duration>,
}

impl Asked {
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

    /// The names of the packs.
    pub(super) fn packs(&self, config: &Config) -> Vec<String> {
        self.rules.packs(config.rules.as_deref())
    }

    /// Reads the rules and puts all together.
    pub(super) fn settings(&self, config: Config) -> anyhow::Result<Settings> {
        let files = match &config.rules_dir {
            Some(folder) => config::read_folder(folder)?,
            None => match config::read_folder(Path::new(DEFAULT_RULES_DIR)) {
                Err(error) if error.is_not_found() => Vec::new(),
                files => files?,
            },
        };
        let packs = load(&self.packs(&config), &files)?;
        let engine = Engine::new(&packs)?;
        warn_of_strays(&config.suppressions, &packs);
        Ok(Settings {
            engine,
            min_confidence: self.min_confidence.or(config.min_confidence).unwrap_or(Confidence::Low),
            fold_interval: self
                .fold_interval
                .or(config.watch.fold_interval)
                .unwrap_or(FOLD_INTERVAL),
            suppressions: config.suppressions,
        })
    }

    /// Does all of it again when the monitor is asked to. `started` is the configuration that it was started with.
    pub(super) fn reload(self, started: config::Watch) -> Reload {
        Reload(Arc::new(move || {
            let read = || {
                let config = self.config()?;
                let late = fixed(&config.watch) != fixed(&started);
                let settings = self.settings(config)?;
                anyhow::Ok((settings, late))
            };
            let (settings, late) = read().map_err(|error| super::message(&error))?;
            if late {
                log::warn!(
                    "of [watch] only fold_interval changes while the monitor runs: the rest waits for its next start"
                );
            }
            Ok(settings)
        }))
    }
}

/// What does not change while the monitor runs.
fn fixed(watch: &config::Watch) -> config::Watch {
    config::Watch {
        fold_interval: None,
        ..watch.clone()
    }
}

/// Says which suppressions name rules or categories that there are not. That is no error: the rule may be in a pack that is
/// switched on another day.
fn warn_of_strays(suppressions: &[Suppression], packs: &[Pack]) {
    let rules: Vec<&str> = packs
        .iter()
        .flat_map(|pack| &pack.rules)
        .map(|rule| rule.id.as_str())
        .collect();
    let of_rules = packs
        .iter()
        .flat_map(|pack| &pack.rules)
        .filter_map(|rule| rule.category.as_deref());
    let of_cases = packs
        .iter()
        .flat_map(|pack| &pack.cases)
        .map(|case| case.category.as_str());
    let categories: Vec<&str> = of_rules.chain(of_cases).collect();
    for suppression in suppressions {
        for (condition, known) in [(Condition::Rule, &rules), (Condition::Category, &categories)] {
            for stray in suppression.strays(condition, known) {
                log::warn!(
                    "suppression {}: no {condition} of the loaded packs fits \"{stray}\"",
                    suppression.name
                );
            }
        }
    }
}

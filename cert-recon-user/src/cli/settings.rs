//! What the flags of `watch` and the configuration come to together. Flags win.

use std::{sync::Arc, time::Duration};

use super::rule_args::RuleArgs;
use crate::{
    config::{self, Config},
    rules::{Confidence, Pack},
    suppress::{Condition, Suppression},
    watch::{Draft, Reload, Settings},
};

/// Findings that are the same are folded within this time.
pub(super) const FOLD_INTERVAL: Duration = Duration::from_secs(60);

/// What is asked for on the command line, of what can change while the monitor runs.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) rules: RuleArgs,
    pub(super) min_confidence: Option<Confidence>,
    pub(super) fold_interval: Option<Duration>,
}

impl Asked {
    /// Reads the rules and puts all together.
    pub(super) fn settings(&self, config: Config) -> anyhow::Result<Settings> {
        Ok(self.draft(config)?.compile()?)
    }

    /// The same but for what needs no file any more.
    pub(super) fn draft(&self, config: Config) -> anyhow::Result<Draft> {
        let packs: Vec<Pack> = self
            .rules
            .packs(&config)?
            .into_iter()
            .map(|loaded| loaded.pack)
            .collect();
        warn_of_strays(&config.suppressions, &packs);
        Ok(Draft {
            rules: packs,
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
                let config = self.rules.config()?;
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
pub(super) fn warn_of_strays(suppressions: &[Suppression], packs: &[Pack]) {
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

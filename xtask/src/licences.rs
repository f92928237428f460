//! The licences of everything that is compiled in or into the tools: permissive ones only.
//!
//! cert-recon is given away under `MIT OR Apache-2.0`; a dependency must not ask more of its users than that.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};

use crate::workspace::Metadata;

/// What a dependency may be under, and why that is fine. A new entry needs a reason of its own.
const ALLOWED: &[(&str, &str)] = &[
    ("MIT", "cert-recon's own; asks for the notice"),
    ("Apache-2.0", "cert-recon's own; asks for the notice, grants patents"),
    ("Apache-2.0 WITH LLVM-exception", "asks less than Apache-2.0"),
    ("BSD-2-Clause", "asks for the notice"),
    (
        "BSD-3-Clause",
        "asks for the notice, and not to advertise with the authors' names",
    ),
    ("ISC", "MIT in fewer words"),
    ("MIT-0", "MIT that does not even ask for the notice"),
    ("Unicode-3.0", "for data tables (unicode-ident); asks for the notice"),
    ("Unlicense", "asks for nothing"),
    ("Zlib", "asks for no notice in binaries"),
];

/// Evaluates every package's licence; returns how many there are.
pub(crate) fn check() -> Result<usize> {
    let allowed = allowed()?;
    let metadata = Metadata::load()?;
    let bad: Vec<String> = metadata
        .packages()
        .filter_map(|package| refusal(package, &allowed))
        .collect();
    if !bad.is_empty() {
        bail!(
            "{}\nUse another crate, or, if the licence is permissive, add it with its reason to ALLOWED in \
             xtask/src/licences.rs",
            bad.join("\n")
        );
    }
    Ok(metadata.packages().count())
}

fn allowed() -> Result<Vec<Licensee>> {
    ALLOWED
        .iter()
        .map(|(name, _)| Licensee::parse(name).with_context(|| format!("ALLOWED has {name}, which SPDX does not know")))
        .collect()
}

/// Why this package, as `cargo metadata` describes it, may not be used.
fn refusal(package: &Value, allowed: &[Licensee]) -> Option<String> {
    let name = format!(
        "{} {}",
        package["name"].as_str().unwrap_or("?"),
        package["version"].as_str().unwrap_or("?")
    );
    let Some(licence) = package["license"].as_str() else {
        return Some(format!("{name} names no licence"));
    };
    // LAX: old crates write `MIT/Apache-2.0`.
    let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => {
            return Some(format!(
                "{name} has the licence {licence:?}, which can't be read: {}",
                error.reason
            ));
        }
    };
    let fine = expression.evaluate(|wanted| allowed.iter().any(|licensee| licensee.satisfies(wanted)));
    (!fine).then(|| format!("{name} is under {licence}, which is not allowed"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_fine(licence: &str) -> bool {
        refusal(
            &json!({"name": "a", "version": "1.0.0", "license": licence}),
            &allowed().unwrap(),
        )
        .is_none()
    }

    #[test]
    fn expressions_are_evaluated() {
        for licence in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-2.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(is_fine(licence), "{licence}");
        }
        for licence in [
            "GPL-2.0-only",
            "MIT AND GPL-3.0-or-later",
            "MPL-2.0",
            "Proprietary",
            "",
            "MIT AND",
        ] {
            assert!(!is_fine(licence), "{licence}");
        }
    }

    #[test]
    fn no_licence_is_a_refusal_with_the_name() {
        let text = refusal(
            &json!({"name": "a", "version": "1.0.0", "license": null}),
            &allowed().unwrap(),
        );
        assert_eq!(text.as_deref(), Some("a 1.0.0 names no licence"));
    }

    #[test]
    fn every_allowed_licence_has_a_reason() {
        assert!(ALLOWED.iter().all(|(_, reason)| !reason.is_empty()));
    }
}

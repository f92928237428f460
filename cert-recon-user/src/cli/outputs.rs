//! The flags of `watch` that say where results go, and in which form.

use std::{iter, path::PathBuf};

use super::Format;
use crate::{
    config,
    sink::{
        form::Form,
        output::{self, Target},
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct OutputArgs {
    /// Form of the results on standard output.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Append each result as a line of JSON to this file (mode 0600, never through a symbolic link, opened anew on SIGHUP).
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl OutputArgs {
    /// What flags and configuration come to together. Flags win.
    pub(super) fn targets(self, fixed: &config::Watch) -> Vec<(Target, Form)> {
        let form = match self.format {
            Format::Text => Form::Text {
                colour: output::colour(),
            },
            Format::Json => Form::Json,
        };
        let file = self.output.or_else(|| fixed.output.clone());
        iter::once((Target::Stdout, form))
            .chain(file.map(|path| (Target::File(path), Form::Json)))
            .collect()
    }
}

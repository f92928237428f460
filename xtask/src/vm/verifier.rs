//! How much each kernel's verifier walks for each program, compared with the table that the repository keeps.
//!
//! A verifier gives up at a million instructions, and small changes of the source can multiply what it walks: a rise is seen here
//! before a kernel refuses the program. The numbers are those that `cert-recon watch --verbose` prints, with the program's own
//! messages compiled in, which is the most that it comes to. Kernels before 5.16 do not tell.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::table::Column;

/// Relative to the checkout.
const TABLE: &str = "cert-recon-ebpf/verifier.tsv";
const HEADER: &str = "# Instructions that a kernel's verifier walks for a program (messages on); a rise over 20 % fails.\n\
                      # `cargo xtask vm --test live_start --record-verifier` writes it.\n\
                      kernel\tprogram\tinstructions\n";
/// What a count may rise by, in percent of the recorded one.
const MOST_RISE: u64 = 20;

/// Instructions by (kernel, program).
type Counts = BTreeMap<(String, String), u64>;

/// Compares what the tests printed with the table of the repository. Returns what is wrong, one line each.
///
/// # Errors
///
/// When the table can't be read.
pub(super) fn compare(columns: &[Column]) -> Result<Vec<String>> {
    Ok(differences(&read()?, &measured(columns)))
}

/// Writes what the tests printed into the table; kernels and programs that were not measured keep their rows, but for programs
/// that a measured kernel no longer has.
///
/// # Errors
///
/// When nothing was measured, or the table can't be read or written.
pub(super) fn record(columns: &[Column]) -> Result<()> {
    let new = measured(columns);
    anyhow::ensure!(
        !new.is_empty(),
        "no test printed a count: kernels before 5.16 have none, and it is live_start that prints them"
    );
    let mut all = read().unwrap_or_default();
    all.retain(|(kernel, _), _| !new.keys().any(|(measured, _)| measured == kernel));
    all.extend(new);
    let file = file();
    fs::write(&file, render(&all)).with_context(|| format!("writing {}", file.display()))?;
    println!("vm: {TABLE} written");
    Ok(())
}

fn file() -> PathBuf {
    crate::workspace::root().join(TABLE)
}

fn read() -> Result<Counts> {
    let file = file();
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    parse(&text).with_context(|| format!("{TABLE}: not a line of kernel, program and instructions"))
}

fn parse(text: &str) -> Option<Counts> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("kernel\t"));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            let key = (fields.next()?.to_owned(), fields.next()?.to_owned());
            Some((key, fields.next()?.parse().ok()?))
        })
        .collect()
}

fn render(counts: &Counts) -> String {
    let mut text = HEADER.to_owned();
    for ((kernel, program), count) in counts {
        let _ = writeln!(text, "{kernel}\t{program}\t{count}");
    }
    text
}

/// The counts in what the tests printed.
fn measured(columns: &[Column]) -> Counts {
    let mut counts = Counts::new();
    for column in columns {
        for line in column.outcomes.iter().flat_map(|outcome| &outcome.output) {
            if let Some((program, count)) = count_in(line) {
                let key = (column.kernel.clone(), program.to_owned());
                // Several tests may print it; with messages it is more than without.
                let most = counts.entry(key).or_default();
                *most = count.max(*most);
            }
        }
    }
    counts
}

/// `... eBPF program NAME: N instructions verified`
fn count_in(line: &str) -> Option<(&str, u64)> {
    let (program, rest) = line.split_once("eBPF program ")?.1.split_once(": ")?;
    let count = rest.strip_suffix(" instructions verified")?;
    Some((program, count.parse().ok()?))
}

fn differences(recorded: &Counts, measured: &Counts) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((kernel, program), &now) in measured {
        match recorded.get(&(kernel.clone(), program.clone())) {
            Some(&before) if now * 100 > before * (100 + MOST_RISE) => wrong.push(format!(
                "the verifier of {kernel} walks {now} instructions of {program}, {before} are recorded"
            )),
            Some(_) => {}
            None => wrong.push(format!(
                "the verifier of {kernel} walks {now} instructions of {program}, none are recorded"
            )),
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::{Counts, count_in, differences, parse, render};

    fn counts(rows: &[(&str, &str, u64)]) -> Counts {
        rows.iter()
            .map(|(kernel, program, count)| (((*kernel).to_owned(), (*program).to_owned()), *count))
            .collect()
    }

    #[test]
    fn a_count_is_found_in_a_message() {
        let line = "cert-recon: eBPF program walk_paths: 9876 instructions verified";
        assert_eq!(count_in(line), Some(("walk_paths", 9876)));
        assert_eq!(count_in("cert-recon: eBPF program x: refused"), None);
    }

    #[test]
    fn the_table_is_read_as_it_was_written() {
        let table = counts(&[("6.1", "a", 10), ("newest", "b", 2)]);
        assert_eq!(parse(&render(&table)), Some(table));
        assert_eq!(parse("6.1\ta\n"), None);
    }

    #[test]
    fn a_fifth_more_passes_and_one_more_than_that_does_not() {
        let recorded = counts(&[("6.1", "a", 1000), ("6.1", "b", 1000)]);
        let now = counts(&[("6.1", "a", 1200), ("6.1", "b", 1201)]);
        let wrong = differences(&recorded, &now);
        assert_eq!(wrong.len(), 1);
        assert!(wrong[0].contains("1201") && wrong[0].contains("1000"), "{wrong:?}");
    }

    #[test]
    fn a_program_that_nobody_recorded_is_named_and_one_that_was_not_measured_is_not() {
        let recorded = counts(&[("6.1", "a", 1000)]);
        assert_eq!(differences(&recorded, &counts(&[("6.1", "new", 1)])).len(), 1);
        assert!(differences(&recorded, &Counts::new()).is_empty());
    }

    #[test]
    fn the_repository_s_table_can_be_read() {
        assert!(!super::read().unwrap().is_empty());
    }
}

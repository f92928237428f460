//! What was read, and what was not, on the page.

use std::io::{self, Write};

use bytesize::ByteSize;

use super::{
    html::{Cut, Text, number},
    tables::time,
};
use crate::{
    hunt::coverage::{Coverage, InputCoverage, counted},
    text::lossless,
};

/// Inputs that are listed: those with problems first.
const MOST_INPUTS: usize = 1000;

pub(super) fn write(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    let sums = coverage.sums();
    writeln!(
        out,
        "<section id=\"read\"><h2>What was read</h2>\n<p>Inputs: {}, {}. Records: {}. Executions: {}. Findings: {}. Malformed \
         records, which were skipped: {}. Inputs that could not be read to the end: {}.</p>",
        number(coverage.inputs.len() as u64),
        ByteSize(sums.bytes),
        number(sums.records),
        number(sums.execs),
        number(sums.findings),
        number(sums.bad),
        number(sums.failed)
    )?;
    if coverage.others > 0 {
        writeln!(
            out,
            "<p>{} in folders are like no record that is known, and were left alone.</p>",
            counted(coverage.others, "file")
        )?;
    }
    if let Some(why) = &coverage.ended_early {
        writeln!(out, "<p class=\"problem\">The hunt was ended early: {}</p>", Cut(why))?;
    }
    inputs(out, &coverage.inputs)?;
    gaps(out, coverage)?;
    writeln!(out, "</section>")
}

fn inputs(out: &mut impl Write, inputs: &[InputCoverage]) -> io::Result<()> {
    if inputs.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<table class=\"wide\"><thead><tr><th scope=\"col\">Input</th><th scope=\"col\">Format</th>\
         <th scope=\"col\" class=\"n\">Records</th><th scope=\"col\" class=\"n\">Execs</th>\
         <th scope=\"col\" class=\"n\">Findings</th><th scope=\"col\" class=\"n\">Malformed</th>\
         <th scope=\"col\">First</th><th scope=\"col\">Last</th></tr></thead><tbody>"
    )?;
    let has_problem = |input: &&InputCoverage| input.bad > 0 || !input.errors.is_empty();
    let (bad, good): (Vec<_>, Vec<_>) = inputs.iter().partition(has_problem);
    for input in bad.iter().chain(&good).take(MOST_INPUTS) {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}{}</th><td class=\"whole\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            Cut(&lossless(&input.name).0),
            problems(input),
            input.format.unwrap_or("not known"),
            number(input.records),
            number(input.execs),
            number(input.findings),
            number(input.bad),
            time(input.first),
            time(input.last)
        )?;
    }
    let more = inputs.len().saturating_sub(MOST_INPUTS);
    if more > 0 {
        writeln!(
            out,
            "<tr><td colspan=\"8\" class=\"quiet\">and {more} more inputs</td></tr>"
        )?;
    }
    writeln!(out, "</tbody></table>")
}

fn problems(input: &InputCoverage) -> String {
    let errors = input.errors.iter();
    let errors = errors.map(|error| format!("<p class=\"problem\">Not read to the end: {}</p>", Cut(error)));
    let samples = input.bad_samples.iter().map(|(line, why)| match line {
        0 => format!("<p class=\"quiet\">{}</p>", Cut(why)),
        line => format!("<p class=\"quiet\">Line {line}: {}</p>", Cut(why)),
    });
    errors.chain(samples).collect()
}

fn gaps(out: &mut impl Write, coverage: &Coverage) -> io::Result<()> {
    if coverage.gaps.is_empty() && coverage.more_gaps == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "<h3>What the records themselves say is missing</h3>\n<table class=\"wide\"><thead><tr><th scope=\"col\">Input</th>\
         <th scope=\"col\">Missing</th><th scope=\"col\" class=\"n\">Execs</th><th scope=\"col\">Not before</th>\
         <th scope=\"col\">Not after</th></tr></thead><tbody>"
    )?;
    for gap in coverage.gaps.iter().take(MOST_INPUTS) {
        let line = match gap.line {
            0 => String::new(),
            line => format!(", line {line}"),
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}{line}</th><td>{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            Text(&lossless(&gap.input).0),
            Cut(&gap.what),
            gap.count
                .map_or_else(|| "not known".to_owned(), |count| count.to_string()),
            time(gap.from),
            time(gap.until)
        )?;
    }
    let more = coverage.more_gaps + coverage.gaps.len().saturating_sub(MOST_INPUTS) as u64;
    if more > 0 {
        writeln!(out, "<tr><td colspan=\"5\" class=\"quiet\">and {more} more</td></tr>")?;
    }
    writeln!(out, "</tbody></table>")
}

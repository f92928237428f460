//! The tables of the page.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use super::html::{self, Text, number};
use crate::hunt::summary::{By, MOST_ROWS, Summary, Tally};

/// Rows of a table.
const SHOWN: usize = 100;

/// The order on the page: people and places first.
const ORDER: [By; 8] = [
    By::Account,
    By::Host,
    By::Target,
    By::Service,
    By::Category,
    By::Rule,
    By::Confidence,
    By::Source,
];

pub(super) fn write(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    if summary.total().count == 0 {
        return writeln!(out, "<p>No findings.</p>");
    }
    writeln!(out, "<div class=\"tables\">")?;
    for by in ORDER {
        let table = summary.rows(by);
        if table.rows.is_empty() {
            continue;
        }
        writeln!(
            out,
            "<table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">Findings</th>\
             <th scope=\"col\">First</th><th scope=\"col\">Last</th></tr></thead><tbody>",
            by.title()
        )?;
        for row in table.rows.iter().take(SHOWN) {
            line(out, row.name, &row.tally)?;
        }
        if let Some(others) = &table.others {
            line(out, &format!("(others, beyond the first {MOST_ROWS} names)"), others)?;
        }
        let more = table.rows.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(
                out,
                "<tr><td colspan=\"4\" class=\"quiet\">and {more} more names</td></tr>"
            )?;
        }
        writeln!(out, "</tbody></table>")?;
    }
    writeln!(out, "</div>")
}

fn line(out: &mut impl Write, name: &str, tally: &Tally) -> io::Result<()> {
    writeln!(
        out,
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
        Text(name),
        number(tally.count),
        time(tally.first),
        time(tally.last)
    )
}

/// Date and time, which may be broken apart but not within; a dash where there is none.
pub(super) fn time(time: Option<SystemTime>) -> String {
    let Some(time) = time else {
        return "–".to_owned();
    };
    match html::time(time).split_once(' ') {
        Some((date, time)) => format!("<time><span>{date}</span> <span>{time}</span></time>"),
        None => String::new(),
    }
}

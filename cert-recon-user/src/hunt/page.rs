//! The page for the case file: one HTML file with everything in it.
//!
//! Owns its form. It loads nothing, runs nothing and links nowhere; its content security policy says so to the browser. All
//! foreign text goes through `html::Text`, which leaves nothing of markup, control characters or changes of direction. It
//! is bounded: texts are cut where they are very long, and findings beyond a number are counted and left out, which it says.

mod chart;
mod coverage;
mod finding;
mod html;
mod tables;

use std::{
    io::{self, Write},
    time::SystemTime,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

use self::html::Text;
use super::{
    Range,
    coverage::{Coverage, counted},
    summary::{By, Summary},
};
use crate::{
    rules::Confidence,
    sink::json::{Fields, timestamp},
};

/// Findings that are shown in full.
pub const MOST_FINDINGS: u64 = 10_000;

/// Bytes of HTML after which no more findings are shown in full: browsers give up on much longer pages.
pub const MOST_BYTES: u64 = 256 << 20;

const STYLE: &str = include_str!("page/page.css");

/// What the page says about itself.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The heading.
    pub title: String,
    /// When it is made.
    pub made: SystemTime,
    /// Version of the program that makes it.
    pub version: &'static str,
    /// The host that it is made on.
    pub host: &'a str,
    /// What was asked for: names and values, like the command line, since and until, rule packs.
    pub asked: Vec<(&'static str, String)>,
    /// What was read, and what could not be.
    pub coverage: &'a Coverage,
}

impl<'a> Head<'a> {
    /// Of a hunt on this host, by this program.
    #[must_use]
    pub fn new(host: &'a str, made: SystemTime, coverage: &'a Coverage, range: Range) -> Self {
        let mut asked = Vec::new();
        for (name, time) in [("Since", range.since), ("Until", range.until)] {
            asked.extend(time.map(|time| (name, timestamp(time))));
        }
        Self {
            title: "Hunt for certificate reconnaissance".to_owned(),
            made,
            version: env!("CARGO_PKG_VERSION"),
            host,
            asked,
            coverage,
        }
    }
}

/// Writes the page. Findings are lines of JSON as [`crate::sink::json::report`] makes them, and come in the order given. All
/// of them are taken, also those that are more than the page shows.
///
/// # Errors
///
/// Writing failed, a finding could not be had, or it is not what [`crate::sink::json::report`] makes.
pub fn write(
    out: &mut impl Write,
    head: &Head<'_>,
    summary: &Summary,
    findings: impl Iterator<Item = io::Result<Vec<u8>>>,
) -> io::Result<()> {
    let mut out = Counted { out, bytes: 0 };
    let out = &mut out;
    begin(out, head)?;
    figures(out, summary)?;
    warnings(out, head, summary)?;
    writeln!(out, "<section id=\"time\"><h2>When</h2>")?;
    chart::write(out, summary)?;
    writeln!(out, "</section>\n<section id=\"who\"><h2>Who, where, what</h2>")?;
    tables::write(out, summary)?;
    writeln!(out, "</section>")?;
    list(out, summary, findings, MOST_FINDINGS, MOST_BYTES)?;
    coverage::write(out, head.coverage)?;
    about(out, head)?;
    out.write_all(b"</main>\n</body>\n</html>\n")?;
    out.flush()
}

fn begin(out: &mut impl Write, head: &Head<'_>) -> io::Result<()> {
    // The style is named by its hash: no other style holds, whatever a text might bring along.
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header class=\"page\"><h1>{title}</h1>\n\
         <p class=\"quiet\">Certificate reconnaissance (ATT&amp;CK T1596.003) in recorded process executions. \
         Made {made} on {host} by cert-recon {version}. All times are UTC.</p>\n\
         <nav><a href=\"#time\">When</a> <a href=\"#who\">Who, where, what</a> <a href=\"#findings\">Findings</a> \
         <a href=\"#read\">What was read</a> <a href=\"#about\">About this page</a></nav></header>\n",
        title = Text(&head.title),
        made = html::time(head.made),
        host = Text(head.host),
        version = Text(head.version),
    )
}

fn figures(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let total = summary.total();
    let figure = |out: &mut dyn Write, name: &str, value: &str| {
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>", value = Text(value))
    };
    writeln!(out, "<dl class=\"figures\">")?;
    figure(out, "Findings", &html::number(total.count))?;
    for confidence in Confidence::ALL.into_iter().rev() {
        let name = format!("of {confidence} confidence");
        figure(out, &name, &html::number(summary.of(confidence)))?;
    }
    for (name, by) in [("Accounts", By::Account), ("Hosts", By::Host), ("Targets", By::Target)] {
        let (count, is_more) = summary.names(by);
        figure(
            out,
            name,
            &format!("{}{}", html::number(count as u64), if is_more { "+" } else { "" }),
        )?;
    }
    writeln!(out, "</dl>")?;
    if let (Some(first), Some(last)) = (total.first, total.last) {
        writeln!(
            out,
            "<p>First <b>{}</b>, last <b>{}</b>.</p>",
            html::time(first),
            html::time(last)
        )?;
    }
    Ok(())
}

/// What the reader must know before anything else.
fn warnings(out: &mut impl Write, head: &Head<'_>, summary: &Summary) -> io::Result<()> {
    let coverage = head.coverage;
    let sums = coverage.sums();
    let mut warnings = Vec::new();
    if let Some(why) = &coverage.ended_early {
        warnings.push(format!(
            "This hunt was ended early ({why}): there may be more findings."
        ));
    }
    if sums.failed > 0 {
        warnings.push(format!(
            "{} could not be read to the end: there may be more findings.",
            counted(sums.failed, "input")
        ));
    }
    if sums.bad > 0 {
        warnings.push(format!("{} skipped.", counted(sums.bad, "malformed record")));
    }
    let gaps = coverage.gaps.len() as u64 + coverage.more_gaps;
    if gaps > 0 {
        warnings.push(format!(
            "The records themselves say {} that execs are missing from them.",
            if gaps == 1 {
                "once".to_owned()
            } else {
                format!("{gaps} times")
            }
        ));
    }
    let untimed = summary.total().untimed;
    if untimed > 0 {
        warnings.push(format!(
            "{} without a time of their own: shown last, with the latest time that they can have happened; not in the chart.",
            counted(untimed, "finding")
        ));
    }
    if warnings.is_empty() {
        return Ok(());
    }
    writeln!(out, "<ul class=\"warnings\">")?;
    for warning in warnings {
        writeln!(out, "<li>{}</li>", Text(&warning))?;
    }
    writeln!(
        out,
        "</ul>\n<p class=\"quiet jump\"><a href=\"#read\">What was read, and what was not</a></p>"
    )
}

/// The findings in full, up to a number of them and of bytes.
fn list<W: Write>(
    out: &mut Counted<'_, W>,
    summary: &Summary,
    findings: impl Iterator<Item = io::Result<Vec<u8>>>,
    most: u64,
    most_bytes: u64,
) -> io::Result<()> {
    writeln!(out, "<section id=\"findings\"><h2>Findings</h2>")?;
    if summary.total().count == 0 {
        writeln!(out, "<p>Nothing was found in what was read.</p>")?;
    } else {
        filter(out, summary)?;
    }
    let (mut shown, mut left_out) = (0, 0);
    for finding in findings {
        let finding = finding?;
        if shown < most && out.bytes < most_bytes {
            shown += 1;
            let fields = Fields::parse(&finding).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("making the page: finding {shown} is not as it was written: {error}"),
                )
            })?;
            finding::write(out, shown, &fields)?;
        } else {
            left_out += 1;
        }
    }
    if left_out > 0 {
        writeln!(
            out,
            "<p class=\"more\"><b>{} more</b> are counted above but not shown here, which would make the page too \
             large to read. Hunt with <code>--format json</code> to have all of them.</p>",
            html::number(left_out)
        )?;
    }
    writeln!(out, "</section>")
}

/// Boxes that hide findings of a confidence: by style alone, on a screen only.
fn filter(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    writeln!(out, "<fieldset class=\"filter\"><legend>Show</legend>")?;
    for confidence in Confidence::ALL.into_iter().rev() {
        writeln!(
            out,
            "<label><input type=\"checkbox\" id=\"show-{confidence}\" checked autocomplete=\"off\"> {confidence} ({})</label>",
            summary.of(confidence)
        )?;
    }
    writeln!(
        out,
        "<span class=\"hidden-now\">Some findings are hidden on the screen; print shows all.</span></fieldset>"
    )
}

fn about(out: &mut impl Write, head: &Head<'_>) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"about\"><h2>About this page</h2>\n<dl class=\"fields\">"
    )?;
    let made = timestamp(head.made);
    let own = [
        ("Made", made.as_str()),
        ("On", head.host),
        ("By cert-recon", head.version),
    ];
    for (name, value) in own {
        writeln!(out, "<dt>{name}</dt><dd>{}</dd>", Text(value))?;
    }
    for (name, value) in &head.asked {
        writeln!(out, "<dt>{}</dt><dd><code>{}</code></dd>", Text(name), Text(value))?;
    }
    writeln!(
        out,
        "</dl>\n<p><b>Confidence</b> says how much is known. High: a tool for certificate reconnaissance ran, or a client \
         asked a certificate or CT service. Medium: the certificate of a remote host was actively inspected. Low: the words \
         only occur in the command line.</p>\n\
         <p>A finding is what a record says of an execution; nothing was looked up on the host that made this page. What a \
         record does not say is left out. Characters that could mislead the eye (control characters, changes of direction) are \
         shown by their number: <code>\\x1b</code>, <code>\\u{{202e}}</code>; bytes that are no text as <code>\\xff</code>. The \
         names of fields are described in docs/events.md of cert-recon.</p></section>"
    )
}

/// Counts what is written.
struct Counted<'a, W> {
    out: &'a mut W,
    bytes: u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::summary::tests::finding, *};
    use crate::{finding::Report, sink::json, text::is_harmful};

    fn head(coverage: &Coverage) -> Head<'_> {
        Head {
            title: "Hunt <b>\u{202e}".to_owned(),
            ..Head::new("here", SystemTime::UNIX_EPOCH, coverage, Range::default())
        }
    }

    fn page(reports: &[Report], most: u64, most_bytes: u64) -> String {
        let mut summary = Summary::default();
        reports.iter().for_each(|report| summary.add(report, "here"));
        let findings = reports.iter().map(|report| Ok(json::report(report, "here")));
        let mut bytes = Vec::new();
        let coverage = Coverage::default();
        if (most, most_bytes) == (MOST_FINDINGS, MOST_BYTES) {
            write(&mut bytes, &head(&coverage), &summary, findings).unwrap();
        } else {
            let mut out = Counted {
                out: &mut bytes,
                bytes: 0,
            };
            list(&mut out, &summary, findings, most, most_bytes).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn hostile_text_is_text() {
        const HOSTILE: &str =
            "</script><script>x()</script>\"><img src=x onerror='x()'>&amp;\x1b[2J\u{202e}`${x}`\u{feff}";
        let bytes = || Some(HOSTILE.as_bytes().to_vec());
        let text = || Some(HOSTILE.to_owned());
        let mut report = finding(1);
        report.argv = [HOSTILE.as_bytes(), b"\0\xff\xfe\0"].concat();
        report.account = text();
        report.container_id = text();
        report.folder_path = bytes();
        report.directory = bytes();
        report.tty = bytes();
        let verdict = report.verdict.as_mut().unwrap();
        verdict.targets = vec![HOSTILE.to_owned()];
        verdict.services = vec![HOSTILE.to_owned()];
        verdict.category = HOSTILE.to_owned();
        let page = page(&[report], MOST_FINDINGS, MOST_BYTES);
        let body = page.split_once("</head>").unwrap().1;
        assert!(
            body.contains("&lt;/script&gt;&lt;script&gt;x()") && body.contains("\\x1b[2J\\u{202e}"),
            "{body}"
        );
        for markup in ["<script", "<img", "onerror='", "style="] {
            assert!(!body.contains(markup), "{markup}");
        }
        assert!(!page.replace('\n', "").contains(is_harmful));
        assert!(page.contains("<title>Hunt &lt;b&gt;\\u{202e}</title>"));
    }

    #[test]
    fn no_finding_is_said() {
        let page = page(&[], MOST_FINDINGS, MOST_BYTES);
        assert!(page.contains("Nothing was found in what was read."));
    }

    #[test]
    fn findings_beyond_the_limits_are_counted() {
        let reports: Vec<_> = (0..9).map(finding).collect();
        let by_number = page(&reports, 4, MOST_BYTES);
        assert_eq!(by_number.matches("<article").count(), 4);
        assert!(by_number.contains("<b>5 more</b>"), "{by_number}");
        let by_size = page(&reports, 100, 4000);
        assert!(by_size.matches("<article").count() < 9 && by_size.contains(" more</b>"));
        assert!(!page(&reports, 9, MOST_BYTES).contains(" more</b>"));
    }

    #[test]
    fn a_huge_command_line_is_cut_and_that_is_said() {
        let mut report = finding(1);
        report.argv = b"x\0".repeat(1 << 20);
        report.argv_total = report.argv.len() as u64;
        let page = page(&[report], MOST_FINDINGS, MOST_BYTES);
        assert!(page.len() < 100_000, "{}", page.len());
        assert!(page.contains("more characters") && page.contains(" more, which the JSON has"));
    }

    #[test]
    fn what_can_not_be_had_is_an_error() {
        let coverage = Coverage::default();
        let write = |finding| {
            let findings = [finding].into_iter();
            write(&mut Vec::new(), &head(&coverage), &Summary::default(), findings)
        };
        assert!(write(Err(io::Error::other("gone"))).is_err());
        let error = write(Ok(b"{".to_vec())).unwrap_err();
        assert!(error.to_string().contains("finding 1"), "{error}");
    }
}

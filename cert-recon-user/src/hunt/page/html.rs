//! Text in HTML.

use std::{
    fmt::{self, Display, Write as _},
    time::SystemTime,
};

use crate::{sink::json::timestamp, text::for_terminal};

/// Characters of a text that are shown.
const MOST_CHARACTERS: usize = 4096;

/// Any text, as text of an element or of a quoted attribute: it is never markup.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(&for_terminal(self.0.as_bytes()), f)
    }
}

/// Such a text, cut where it is very long, which it says.
pub(super) struct Cut<'a>(pub(super) &'a str);

impl Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((end, _)) = self.0.char_indices().nth(MOST_CHARACTERS) else {
            return Text(self.0).fmt(f);
        };
        let (shown, rest) = self.0.split_at(end);
        Text(shown).fmt(f)?;
        let more = rest.chars().count();
        write!(f, "<i class=\"cut\">… {more} more characters, which the JSON has</i>")
    }
}

fn escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for c in text.chars() {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\'' => f.write_str("&#39;")?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time to the second, as people read it.
pub(super) fn time(time: SystemTime) -> String {
    short(&timestamp(time))
}

/// The same of a timestamp as it is written in JSON; any other text stays as it is.
pub(super) fn short(timestamp: &str) -> String {
    match (timestamp.get(..10), timestamp.get(10..11), timestamp.get(11..19)) {
        (Some(date), Some("T"), Some(time)) => format!("{date} {time}"),
        _ => timestamp.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_no_markup_in_an_element_nor_in_an_attribute() {
        assert_eq!(
            Text("<a href='x' id=\"y\">&\u{1b}\u{202e}").to_string(),
            "&lt;a href=&#39;x&#39; id=&quot;y&quot;&gt;&amp;\\x1b\\u{202e}"
        );
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(Cut("é").to_string(), "é");
        let cut = Cut(&"é".repeat(MOST_CHARACTERS + 3)).to_string();
        assert!(cut.contains("… 3 more characters"), "{cut}");
    }

    #[test]
    fn thousands_are_apart() {
        let numbers = [0, 999, 1000, 12_345, u64::MAX].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn a_time_is_shown_to_the_second() {
        assert_eq!(short("2026-11-23T00:00:58.081885Z"), "2026-11-23 00:00:58");
        assert_eq!(short("yesterday"), "yesterday");
    }
}

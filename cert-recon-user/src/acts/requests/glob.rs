//! curl's URL globs: `{crt,foo}.sh`, `[a-z]`, `[1-10:2]`, `[001-100]`. Owns the expansion; each URL made is paid for.

use super::found::Found;
use crate::acts::Limit;

/// URLs made from one pattern; more are not looked at, and the budget says so.
const MOST: usize = 4096;

/// Parts of one pattern; a URL with more stays as it is, and the budget says so.
const MOST_PARTS: usize = 64;

/// Whether a URL has anything to expand.
pub(super) fn is_in(url: &[u8]) -> bool {
    url.iter().any(|b| matches!(b, b'{' | b'['))
}

enum Part {
    Text(Vec<u8>),
    Choice(Vec<Vec<u8>>),
}

/// Hands each URL that a pattern stands for to `ask`. A pattern that curl would refuse is handed on as it is.
pub(super) fn expand(url: &[u8], found: &mut Found<'_>, ask: &mut dyn FnMut(&[u8], &mut Found<'_>)) {
    if !found.budget.pay(url.len()) {
        return;
    }
    let Some(parts) = parse(url, found) else {
        ask(url, found);
        return;
    };
    if parts.len() > MOST_PARTS {
        found.budget.note(Limit::Bytes);
        ask(url, found);
        return;
    }
    let mut chosen = vec![0_usize; parts.len()];
    for _ in 0..MOST {
        let mut made = Vec::with_capacity(url.len());
        for (part, &index) in parts.iter().zip(&chosen) {
            match part {
                Part::Text(text) => made.extend_from_slice(text),
                Part::Choice(choice) => made.extend_from_slice(choice.get(index).map_or(&[][..], |text| text)),
            }
        }
        if !found.budget.pay(made.len() + parts.len()) {
            return;
        }
        ask(&made, found);
        if !advance(&parts, &mut chosen) {
            return;
        }
    }
    found.budget.note(Limit::Bytes);
}

/// The next combination, the last part fastest; false after the last one.
fn advance(parts: &[Part], chosen: &mut [usize]) -> bool {
    for (part, index) in parts.iter().zip(chosen).rev() {
        if let Part::Choice(choice) = part {
            if *index + 1 < choice.len() {
                *index += 1;
                return true;
            }
            *index = 0;
        }
    }
    false
}

fn parse(url: &[u8], found: &mut Found<'_>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut at = 0;
    while let Some(&byte) = url.get(at) {
        match byte {
            b'\\' if matches!(url.get(at + 1), Some(b'{' | b'}' | b'[' | b']')) => {
                text.push(url[at + 1]);
                at += 2;
            }
            b'{' => {
                let end = at + url[at..].iter().position(|&b| b == b'}')?;
                let choice: Vec<Vec<u8>> = url[at + 1..end].split(|&b| b == b',').map(<[u8]>::to_vec).collect();
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::Choice(choice));
                at = end + 1;
            }
            b'[' => {
                let end = at + url[at..].iter().position(|&b| b == b']')?;
                let inside = &url[at + 1..end];
                if inside.contains(&b':') && inside.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) {
                    // An IPv6 address.
                    text.extend_from_slice(&url[at..=end]);
                } else {
                    let choice = range(inside, found)?;
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Choice(choice));
                }
                at = end + 1;
            }
            _ => {
                text.push(byte);
                at += 1;
            }
        }
    }
    parts.push(Part::Text(text));
    Some(parts)
}

/// `a-z`, `1-10`, `01-10`, each with `:step`.
fn range(text: &[u8], found: &mut Found<'_>) -> Option<Vec<Vec<u8>>> {
    let text = std::str::from_utf8(text).ok()?;
    let (bounds, step) = text.split_once(':').unwrap_or((text, "1"));
    let step: usize = step.parse().ok().filter(|&step| step > 0)?;
    let (from, to) = bounds.split_once('-')?;
    if let (&[from], &[to]) = (from.as_bytes(), to.as_bytes())
        && from.is_ascii_alphabetic()
        && to.is_ascii_alphabetic()
    {
        return (from <= to).then(|| (from..=to).step_by(step).map(|letter| vec![letter]).collect());
    }
    let width = from.len();
    let padded = from.len() > 1 && from.starts_with('0');
    let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
    if from > to {
        return None;
    }
    let mut numbers = Vec::new();
    for number in (from..=to).step_by(step).take(MOST) {
        let number = if padded {
            format!("{number:0width$}")
        } else {
            number.to_string()
        };
        if !found.budget.pay(number.len()) {
            break;
        }
        numbers.push(number.into_bytes());
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts::Budget;

    fn urls(pattern: &str) -> Vec<String> {
        let mut budget = Budget::new(1 << 20);
        let mut found = Found::new(&mut budget);
        let mut urls = Vec::new();
        expand(pattern.as_bytes(), &mut found, &mut |url, _| {
            urls.push(String::from_utf8_lossy(url).into_owned())
        });
        urls
    }

    #[test]
    fn patterns_stand_for_what_curl_makes_of_them() {
        for (pattern, expected) in [
            ("{crt,foo}.sh", &["crt.sh", "foo.sh"][..]),
            ("[b-d]rt.sh", &["brt.sh", "crt.sh", "drt.sh"]),
            ("h[08-10].example", &["h08.example", "h09.example", "h10.example"]),
            ("h[1-5:2]/{a,b}", &["h1/a", "h1/b", "h3/a", "h3/b", "h5/a", "h5/b"]),
            ("[::1]/x", &["[::1]/x"]),
            ("a\\{b", &["a{b"]),
            ("{a", &["{a"]),
            ("[z-a]", &["[z-a]"]),
            ("[1-x]", &["[1-x]"]),
            ("{}", &[""]),
        ] {
            assert_eq!(urls(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn a_huge_pattern_is_cut_short_and_the_budget_says_so() {
        let mut budget = Budget::new(1 << 20);
        let mut made = 0;
        expand(b"[1-999999].example", &mut Found::new(&mut budget), &mut |_, _| {
            made += 1
        });
        assert!((1..=MOST).contains(&made));
        let mut budget = Budget::new(1 << 20);
        expand(
            b"[a-z][a-z][a-z][a-z].example",
            &mut Found::new(&mut budget),
            &mut |_, _| (),
        );
        assert!(budget.hit().is_some());
    }
}

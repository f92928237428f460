//! A Windows command line, which is one text, as the arguments that its program sees.
//!
//! Owns the rules of the C runtime for quotes and backslashes; never knows programs. Records of Windows hosts are judged,
//! too, and a shell's rules would eat the backslashes of their paths.

use crate::acts::Budget;

/// Whether a command line looks like one of Windows: it is for a program whose name says so, or begins with a drive.
pub(super) fn is_windows(file_names: &[&[u8]], line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let drive = matches!(line, [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    let ends = |name: &&[u8]| name.len() > 4 && name[name.len() - 4..].eq_ignore_ascii_case(b".exe");
    drive || line.starts_with(b"\\\\") || file_names.iter().any(ends)
}

/// The arguments. A backslash is itself, but for those before a quote: two stand for one, and one that is left over makes the
/// quote an ordinary character. Inside quotes, two quotes stand for one.
pub(super) fn split(line: &[u8], budget: &mut Budget) -> Vec<Vec<u8>> {
    let mut arguments = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut at = 0;
    if !budget.pay(line.len()) {
        return arguments;
    }
    while let Some(&byte) = line.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' if !quoted => {
                arguments.extend(word.take());
                at += 1;
            }
            b'"' => {
                let inner = word.get_or_insert_default();
                if quoted && line.get(at + 1) == Some(&b'"') {
                    inner.push(b'"');
                    at += 1;
                } else {
                    quoted = !quoted;
                }
                at += 1;
            }
            b'\\' => {
                let count = line[at..].iter().take_while(|byte| **byte == b'\\').count();
                at += count;
                let before_quote = line.get(at) == Some(&b'"');
                let kept = if before_quote { count / 2 } else { count };
                let inner = word.get_or_insert_default();
                inner.resize(inner.len() + kept, b'\\');
                if before_quote && count % 2 == 1 {
                    inner.push(b'"');
                    at += 1;
                }
            }
            _ => {
                word.get_or_insert_default().push(byte);
                at += 1;
            }
        }
    }
    arguments.extend(word);
    arguments
}

#[cfg(test)]
mod tests {
    use super::{is_windows, split};
    use crate::acts::Budget;

    #[test]
    fn quotes_and_backslashes_are_read_as_the_c_runtime_does() {
        for (line, expected) in [
            (r#""C:\Program Files\a.exe" -x"#, vec![r"C:\Program Files\a.exe", "-x"]),
            (r#"a.exe "b c" d"#, vec!["a.exe", "b c", "d"]),
            (r#"a "b""c" d"#, vec!["a", "b\"c", "d"]),
            (r#"a \"b\" \\"c d""#, vec!["a", "\"b\"", r"\c d"]),
            (r"a C:\x\ b", vec!["a", r"C:\x\", "b"]),
            (r#"a "" b"#, vec!["a", "", "b"]),
            ("", vec![]),
            (" \t ", vec![]),
            (r#"a "open"#, vec!["a", "open"]),
        ] {
            let words = split(line.as_bytes(), &mut Budget::new(line.len()));
            let words: Vec<_> = words.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
            assert_eq!(words, expected, "{line}");
        }
    }

    #[test]
    fn a_line_of_windows_is_told_by_its_program_or_its_drive() {
        assert!(is_windows(&[b"powershell.exe"], b"powershell -c x"));
        assert!(is_windows(&[b"PWSH.EXE"], b""));
        assert!(is_windows(&[], br#""C:\Windows\curl" x"#));
        assert!(is_windows(&[], br"\\server\share\x.exe"));
        assert!(!is_windows(&[b"curl"], b"curl http://x/"));
        assert!(!is_windows(&[b".exe"], b"x"));
    }
}

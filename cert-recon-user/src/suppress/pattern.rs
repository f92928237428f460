//! Patterns of suppressions: `*` for any bytes, `?` for one, everything else for itself.
//!
//! Owns how a pattern is read and what it matches; never knows which fact it is held against.

use std::net::IpAddr;

use globset::{GlobBuilder, GlobMatcher};
use ipnet::IpNet;

/// Longest pattern, bytes. Bounds the work per byte of a command line.
pub const MOST_PATTERN_BYTES: usize = 1024;

/// Whether `A` and `a` are the same letter. Of ASCII only, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// They are not: names that the kernel and systemd keep.
    Exact,
    /// They are: names of rules and of the net.
    AnyCase,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing could match it.
    #[error("is empty and would match nothing")]
    Empty,
    /// Longer than [`MOST_PATTERN_BYTES`].
    #[error("is longer than {MOST_PATTERN_BYTES} bytes")]
    TooLong,
    /// A NUL, which no fact has.
    #[error("holds a NUL, which nothing that it is compared with can hold")]
    Nul,
    /// Only asterisks.
    #[error("matches everything, which is no condition: leave it out")]
    Everything,
    /// A slash in a target that is no network.
    #[error("is neither a host name nor a network (10.0.0.0/8, 2001:db8::/32)")]
    Network,
    /// An address with an asterisk would also match names: `10.*` matches `10.example`.
    #[error("could also match a host name that begins so: write addresses as a network (10.0.0.0/8)")]
    AddressGlob,
    /// The library refused it.
    #[error("can't be used: {0}")]
    Glob(String),
}

/// A pattern.
///
/// The matching is `globset`'s, which is kept with ripgrep: it makes a regular expression of a glob that takes time linear in
/// the text whatever the text is, and it matches bytes, so that an argument that is not UTF-8 hides nothing. Its other
/// notations (`[...]`, `{...}`, `**`, `\`) are switched off by escapes: brackets are frequent in URLs, backslashes in the
/// names of units, and a pattern that means more than it says suppresses more than it should.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When nothing, or everything, would match it.
    pub fn new(text: &str, letters: Letters) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MOST_PATTERN_BYTES {
            return Err(PatternError::TooLong);
        }
        if text.contains('\0') {
            return Err(PatternError::Nul);
        }
        if text.bytes().all(|byte| byte == b'*') {
            return Err(PatternError::Everything);
        }
        let glob = GlobBuilder::new(&escaped(text))
            .case_insensitive(letters == Letters::AnyCase)
            .literal_separator(false)
            .backslash_escape(true)
            .build()
            .map_err(|error| PatternError::Glob(error.to_string()))?;
        Ok(Self {
            text: text.to_owned(),
            matcher: glob.compile_matcher(),
        })
    }

    /// Whether all of `bytes` fits the pattern.
    #[must_use]
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
        self.matcher.is_match(OsStr::from_bytes(bytes))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The pattern in globset's notation. Neighbouring asterisks are one: together they would mean folders.
fn escaped(text: &str) -> String {
    let mut glob = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '*' if glob.ends_with('*') && !glob.ends_with("\\*") => continue,
            '[' | ']' | '{' | '}' | '\\' | '!' | ',' => glob.push('\\'),
            _ => {}
        }
        glob.push(c);
    }
    glob
}

/// A pattern of whom a command asks about: a name, or a network of addresses.
#[derive(Clone, Debug)]
pub enum TargetPattern {
    /// A name with `*` and `?`.
    Name(Pattern),
    /// `*.corp.example`: the domain, and every name in it.
    Domain(String),
    /// `10.0.0.0/8`, or a single address.
    Network(IpNet),
}

impl TargetPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it would match nothing, everything, or more than it seems to.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if let Ok(network) = text.parse::<IpNet>() {
            return if network.prefix_len() == 0 {
                Err(PatternError::Everything)
            } else {
                Ok(Self::Network(network))
            };
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        if text.contains('/') {
            return Err(PatternError::Network);
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        let pattern = Pattern::new(text, Letters::AnyCase)?;
        if text.contains(['*', '?']) && text.bytes().all(|byte| byte.is_ascii_digit() || b".*?".contains(&byte)) {
            return Err(PatternError::AddressGlob);
        }
        Ok(match text.strip_prefix("*.") {
            Some(domain) if !domain.is_empty() && !domain.contains(['*', '?']) => {
                Self::Domain(domain.to_ascii_lowercase())
            }
            _ => Self::Name(pattern),
        })
    }

    /// Whether the target fits. One of which a part is not known (a NUL stands for it) never does: that part could end the
    /// host's name, and the rest be the path of another's URL.
    #[must_use]
    pub fn is_match(&self, target: &str) -> bool {
        if target.contains('\0') {
            return false;
        }
        let target = target.strip_suffix('.').unwrap_or(target);
        match self {
            Self::Name(pattern) => pattern.is_match(target.as_bytes()),
            Self::Domain(domain) => {
                let (bytes, domain) = (target.as_bytes(), domain.as_bytes());
                bytes
                    .len()
                    .checked_sub(domain.len())
                    .and_then(|start| bytes.split_at_checked(start))
                    .is_some_and(|(before, end)| {
                        end.eq_ignore_ascii_case(domain) && (before.is_empty() || before.ends_with(b"."))
                    })
            }
            Self::Network(network) => {
                let Ok(address) = target.parse::<IpAddr>() else {
                    // A target that is itself a network: all of it must be in this one.
                    return target.parse::<IpNet>().is_ok_and(|target| network.contains(&target));
                };
                network.contains(&address.to_canonical())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern, Letters::Exact).unwrap().is_match(text.as_bytes())
    }

    fn target(pattern: &str, target: &str) -> bool {
        TargetPattern::new(pattern).unwrap().is_match(target)
    }

    #[test]
    fn an_asterisk_is_any_bytes_a_question_mark_one_and_all_else_itself() {
        for (pattern, text, expected) in [
            ("openssl x509 *", "openssl x509 -in a.pem", true),
            ("openssl x509 *", "openssl x509", false),
            ("openssl*", "/usr/bin/openssl", false),
            ("*/openssl", "/usr/bin/openssl", true),
            ("a*c", "a/b\nb/c", true),
            ("a?c", "a/c", true),
            ("a?c", "ac", false),
            ("a**c", "abc", true),
            ("/a/**/c", "/a/c", false),
            ("/a/**/c", "/a/b/b/c", true),
            ("[ab]", "a", false),
            ("[ab]", "[ab]", true),
            ("{a,b}", "a", false),
            ("{a,b}", "{a,b}", true),
            (r"dev-disk\x2da.swap", r"dev-disk\x2da.swap", true),
            (r"\*", r"\anything", true),
            (r"\*", "anything", false),
            ("a!b,c]", "a!b,c]", true),
            ("A", "a", false),
            (".x", ".x", true),
        ] {
            assert_eq!(exact(pattern, text), expected, "{pattern} {text:?}");
        }
        assert!(
            Pattern::new("CTLogQuery", Letters::AnyCase)
                .unwrap()
                .is_match(b"ctlogquery")
        );
        let any = Pattern::new("a*z", Letters::Exact).unwrap();
        assert!(any.is_match(b"a\xff\xfe\0\nz"), "bytes, not characters");
    }

    #[test]
    fn what_matches_nothing_or_everything_is_refused() {
        let refused = |text: &str| Pattern::new(text, Letters::Exact).unwrap_err();
        assert_eq!(refused(""), PatternError::Empty);
        assert_eq!(refused("*"), PatternError::Everything);
        assert_eq!(refused("***"), PatternError::Everything);
        assert_eq!(refused("a\0"), PatternError::Nul);
        assert_eq!(refused(&"a".repeat(1025)), PatternError::TooLong);
        let refused = |text: &str| TargetPattern::new(text).unwrap_err();
        assert_eq!(refused("0.0.0.0/0"), PatternError::Everything);
        assert_eq!(refused("corp.example/8"), PatternError::Network);
        assert_eq!(refused("10.*"), PatternError::AddressGlob);
        assert_eq!(refused("*"), PatternError::Everything);
    }

    #[test]
    fn a_domain_is_itself_and_what_is_in_it_and_never_a_name_that_ends_alike() {
        for (pattern, name, expected) in [
            ("*.corp.example", "corp.example", true),
            ("*.corp.example", "A.B.Corp.Example.", true),
            ("*.corp.example", "evilcorp.example", false),
            ("*.corp.example", "corp.example.evil", false),
            ("*.corp.example", "\0.corp.example", false),
            ("*.corp.example", "", false),
            ("corp.example", "corp.example", true),
            ("corp.example", "a.corp.example", false),
            ("build-?.corp.example", "build-7.corp.example", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "10.2.0.0/16", true),
            ("10.0.0.0/8", "10.0.0.0/7", false),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/8", "10.evil.example", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.77", false),
            ("2001:db8::/32", "2001:db8:1::2", true),
            ("2001:db8::/32", "2001:db9::2", false),
        ] {
            assert_eq!(target(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_long_text_made_to_be_tried_again_and_again_takes_one_pass() {
        let pattern = Pattern::new(&("*a".repeat(400) + "*b"), Letters::Exact).unwrap();
        let mut text = vec![b'a'; 128 << 10];
        let started = std::time::Instant::now();
        assert!(!pattern.is_match(&text));
        text.push(b'b');
        assert!(pattern.is_match(&text));
        // Far more than one pass takes, far less than a pass for each byte.
        assert!(started.elapsed() < std::time::Duration::from_secs(20));
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_means_what_a_plain_reading_of_it_says(pattern in "[ab*?/.\\\\\\[\\]{},!^-]{1,8}", text in "[ab/.\\\\\\[\\]{},!^-]{0,10}") {
            if let Ok(compiled) = Pattern::new(&pattern, Letters::Exact) {
                proptest::prop_assert_eq!(compiled.is_match(text.as_bytes()), plain(pattern.as_bytes(), text.as_bytes()));
            }
        }

        #[test]
        fn no_text_is_a_panic(pattern in "(?s).{0,40}", text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
            if let Ok(pattern) = Pattern::new(&pattern, Letters::AnyCase) {
                let _ = pattern.is_match(&text);
            }
            if let Ok(pattern) = TargetPattern::new(&pattern) {
                let _ = pattern.is_match(&String::from_utf8_lossy(&text));
            }
        }
    }

    /// The slow reading.
    fn plain(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if plain(rest, text) => true,
            (Some((b'*', _)), Some((_, text))) => plain(pattern, text),
            (Some((b'?', rest)), Some((_, text))) => plain(rest, text),
            (Some((byte, rest)), Some((other, text))) => byte == other && plain(rest, text),
            _ => false,
        }
    }
}

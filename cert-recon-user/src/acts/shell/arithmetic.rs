//! Arithmetic on what is known: `$((1 + 2))`, the numbers of `${x:1:2}`.
//!
//! Owns a small part of the operators; everything else has no known value.

use super::super::Budget;

/// The value of an expression; `variable` gives those of names.
pub(super) fn evaluate(text: &[u8], budget: &mut Budget, variable: &dyn Fn(&[u8]) -> Option<i64>) -> Option<i64> {
    if !budget.pay(text.len()) {
        return None;
    }
    let mut reader = Reader {
        text,
        at: 0,
        budget,
        variable,
    };
    let value = reader.sum()?;
    reader.blanks();
    (reader.at == text.len()).then_some(value)
}

struct Reader<'t, 'b> {
    text: &'t [u8],
    at: usize,
    budget: &'b mut Budget,
    variable: &'b dyn Fn(&[u8]) -> Option<i64>,
}

impl Reader<'_, '_> {
    fn blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n')) {
            self.at += 1;
        }
    }

    fn sign(&mut self, signs: &[u8]) -> Option<u8> {
        self.blanks();
        let sign = self.text.get(self.at).copied().filter(|sign| signs.contains(sign))?;
        self.at += 1;
        Some(sign)
    }

    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        while let Some(sign) = self.sign(b"+-") {
            let other = self.product()?;
            value = if sign == b'+' {
                value.wrapping_add(other)
            } else {
                value.wrapping_sub(other)
            };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<i64> {
        let mut value = self.term()?;
        while let Some(sign) = self.sign(b"*/%") {
            let other = self.term()?;
            value = match sign {
                b'*' => value.wrapping_mul(other),
                b'/' => value.checked_div(other)?,
                _ => value.checked_rem(other)?,
            };
        }
        Some(value)
    }

    fn term(&mut self) -> Option<i64> {
        let mut negative = false;
        while let Some(sign) = self.sign(b"+-") {
            negative ^= sign == b'-';
        }
        let value = if self.sign(b"(").is_some() {
            if !self.budget.enter() {
                return None;
            }
            let value = self.sum();
            self.budget.leave();
            self.sign(b")")?;
            value?
        } else {
            self.operand()?
        };
        Some(if negative { value.wrapping_neg() } else { value })
    }

    fn operand(&mut self) -> Option<i64> {
        self.blanks();
        let rest = self.text.get(self.at..)?;
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#'))
            .count();
        let word = rest.get(..length)?;
        self.at += length;
        if !word.first()?.is_ascii_digit() {
            return (self.variable)(word);
        }
        number(word)
    }
}

/// A number as a shell writes it: decimal, `0x` hexadecimal, `0` octal, `base#digits`.
fn number(word: &[u8]) -> Option<i64> {
    let word = std::str::from_utf8(word).ok()?;
    if let Some((base, digits)) = word.split_once('#') {
        let base = base.parse().ok().filter(|base| (2..=36).contains(base))?;
        return i64::from_str_radix(digits, base).ok();
    }
    if let Some(digits) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return i64::from_str_radix(digits, 16).ok();
    }
    if word.len() > 1 && word.starts_with('0') {
        return i64::from_str_radix(word, 8).ok();
    }
    word.parse().ok()
}

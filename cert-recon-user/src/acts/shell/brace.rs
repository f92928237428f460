//! Brace expansion: `{a,b}`, `{1..5}`, `{a..e}`.
//!
//! Owns which words come of a word with braces. One that would make too many stays as it is.

use super::super::{Budget, Limit};
use super::syntax::{Piece, Script, Span};

/// The most words of one word.
const MOST: usize = 1024;
/// The deepest nesting; braces further in stand for themselves.
const DEPTH: usize = 8;

/// A part of a word.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    Piece(&'a Piece),
    /// Text without quotes.
    Text(Span),
    Byte(u8),
    Number {
        value: i64,
        width: usize,
    },
}

enum Node<'a> {
    Part(Part<'a>),
    Choice(Vec<Vec<Node<'a>>>),
}

#[derive(Default)]
struct Frame<'a> {
    parts: Vec<Vec<Node<'a>>>,
    current: Vec<Node<'a>>,
}

/// The words that a word with braces makes; nothing when it makes itself.
pub(super) fn expand<'a>(script: &Script, pieces: &'a [Piece], budget: &mut Budget) -> Option<Vec<Vec<Part<'a>>>> {
    let nodes = read(script, pieces, budget)?;
    if !nodes.iter().any(|node| matches!(node, Node::Choice(_))) {
        return None;
    }
    if count(&nodes) > MOST {
        budget.note(Limit::Bytes);
        return None;
    }
    words(&nodes, budget)
}

fn read<'a>(script: &Script, pieces: &'a [Piece], budget: &mut Budget) -> Option<Vec<Node<'a>>> {
    let mut stack = vec![Frame::default()];
    let mut too_deep = 0usize;
    for piece in pieces {
        let Piece::Literal(span) = piece else {
            top(&mut stack)?.push(Node::Part(Part::Piece(piece)));
            continue;
        };
        let text = script.slice(*span);
        if !budget.pay(text.len()) {
            return None;
        }
        let mut start = 0;
        for (at, &byte) in text.iter().enumerate() {
            // What makes nothing stays part of the text around it.
            match byte {
                b'{' if stack.len() <= DEPTH && too_deep == 0 => {}
                b'{' => {
                    too_deep += 1;
                    continue;
                }
                b'}' if too_deep > 0 => {
                    too_deep -= 1;
                    continue;
                }
                b',' | b'}' if stack.len() > 1 && too_deep == 0 => {}
                _ => continue,
            }
            if at > start {
                let span = Span {
                    start: span.start + start,
                    end: span.start + at,
                };
                top(&mut stack)?.push(Node::Part(Part::Text(span)));
            }
            start = at + 1;
            match byte {
                b'{' => stack.push(Frame::default()),
                b',' => {
                    let frame = stack.last_mut()?;
                    let part = std::mem::take(&mut frame.current);
                    frame.parts.push(part);
                }
                _ => {
                    let frame = stack.pop()?;
                    close(script, frame, top(&mut stack)?);
                }
            }
        }
        if text.len() > start {
            let span = Span {
                start: span.start + start,
                end: span.end,
            };
            top(&mut stack)?.push(Node::Part(Part::Text(span)));
        }
    }
    // What was never closed stands for itself.
    while stack.len() > 1 {
        let frame = stack.pop()?;
        let into = top(&mut stack)?;
        into.push(Node::Part(Part::Byte(b'{')));
        for part in frame.parts {
            into.extend(part);
            into.push(Node::Part(Part::Byte(b',')));
        }
        into.extend(frame.current);
    }
    stack.pop().map(|frame| frame.current)
}

fn top<'s, 'a>(stack: &'s mut [Frame<'a>]) -> Option<&'s mut Vec<Node<'a>>> {
    stack.last_mut().map(|frame| &mut frame.current)
}

fn close<'a>(script: &Script, mut frame: Frame<'a>, into: &mut Vec<Node<'a>>) {
    if !frame.parts.is_empty() {
        frame.parts.push(frame.current);
        into.push(Node::Choice(frame.parts));
        return;
    }
    if let [Node::Part(Part::Text(span))] = frame.current[..]
        && let Some(range) = range(script.slice(span))
    {
        into.push(Node::Choice(
            range.into_iter().map(|part| vec![Node::Part(part)]).collect(),
        ));
        return;
    }
    into.push(Node::Part(Part::Byte(b'{')));
    into.append(&mut frame.current);
    into.push(Node::Part(Part::Byte(b'}')));
}

/// `1..5`, `01..10..2`, `a..e`.
fn range(text: &[u8]) -> Option<Vec<Part<'static>>> {
    if text.len() > 64 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let mut parts = text.split("..");
    let (first, last) = (parts.next()?, parts.next()?);
    let step: i64 = match parts.next() {
        Some(step) => step.parse::<i64>().ok()?.checked_abs()?.max(1),
        None => 1,
    };
    if parts.next().is_some() {
        return None;
    }
    let make = |first: i64, last: i64, part: &dyn Fn(i64) -> Part<'static>| {
        let distance = last.checked_sub(first)?;
        let steps = distance.checked_abs()? / step;
        let steps = usize::try_from(steps).ok().filter(|&steps| steps < MOST)?;
        let mut value = first;
        let mut made = Vec::new();
        for _ in 0..=steps {
            made.push(part(value));
            value = value.saturating_add(if distance < 0 { -step } else { step });
        }
        Some(made)
    };
    if let (&[first], &[last]) = (first.as_bytes(), last.as_bytes())
        && first.is_ascii_alphabetic()
        && last.is_ascii_alphabetic()
    {
        return make(first.into(), last.into(), &|value| {
            Part::Byte(u8::try_from(value).unwrap_or(b'?'))
        });
    }
    let padded = [first, last]
        .iter()
        .any(|number| number.len() > 1 && number.trim_start_matches('-').starts_with('0'));
    let width = if padded { first.len().max(last.len()) } else { 0 };
    make(first.parse().ok()?, last.parse().ok()?, &|value| Part::Number {
        value,
        width,
    })
}

fn count(nodes: &[Node<'_>]) -> usize {
    nodes.iter().fold(1, |product, node| match node {
        Node::Part(_) => product,
        Node::Choice(parts) => {
            product.saturating_mul(parts.iter().fold(0, |sum, part| sum.saturating_add(count(part))))
        }
    })
}

fn words<'a>(nodes: &[Node<'a>], budget: &mut Budget) -> Option<Vec<Vec<Part<'a>>>> {
    let mut words = vec![Vec::new()];
    for node in nodes {
        match node {
            Node::Part(part) => {
                if !budget.pay(words.len()) {
                    return None;
                }
                for word in &mut words {
                    word.push(*part);
                }
            }
            Node::Choice(parts) => {
                let mut ends = Vec::new();
                for part in parts {
                    ends.extend(self::words(part, budget)?);
                }
                let mut product = Vec::new();
                for word in &words {
                    for end in &ends {
                        if !budget.pay(1 + word.len() + end.len()) {
                            return None;
                        }
                        product.push([&word[..], &end[..]].concat());
                    }
                }
                words = product;
            }
        }
    }
    Some(words)
}

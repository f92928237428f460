//! What a shell remembers while it runs: variables, positional parameters, functions.
//!
//! Owns scopes: what a subshell changes is undone at its end, at a cost in proportion to the changes.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::syntax::{Script, Stage};

pub(super) type Bytes = Rc<[u8]>;

/// Values that a variable is remembered to have had before a command that may not have run.
const OLDER: usize = 3;

/// A variable. One that was unset is known to have no value.
#[derive(Clone, Debug, Default)]
pub(super) struct Variable {
    /// One for a plain variable, all for an array, none when unset.
    pub(super) values: Vec<Bytes>,
    /// What it may be instead, newest first.
    pub(super) older: Vec<Vec<Bytes>>,
}

/// A function, and the text that it stands in.
#[derive(Clone)]
pub(super) struct Function {
    pub(super) script: Rc<Script>,
    pub(super) body: Rc<Stage>,
}

enum Undo {
    Variable(Vec<u8>, Option<Variable>),
    Parameters(Option<Rc<Vec<Bytes>>>),
}

/// Begun by [`State::open`], ended by [`State::close`].
#[must_use]
pub(super) struct Scope(usize);

#[derive(Default)]
pub(super) struct State {
    variables: BTreeMap<Vec<u8>, Variable>,
    /// `$0`, `$1`, ...; nothing when nobody knows them.
    parameters: Option<Rc<Vec<Bytes>>>,
    pub(super) functions: BTreeMap<Vec<u8>, Function>,
    journal: Vec<Undo>,
    scopes: usize,
    /// How many enclosing commands may not run at all.
    pub(super) maybe: usize,
}

impl State {
    pub(super) fn new(parameters: Option<Vec<Bytes>>) -> Self {
        Self {
            parameters: parameters.map(Rc::new),
            ..Self::default()
        }
    }

    pub(super) fn open(&mut self) -> Scope {
        self.scopes += 1;
        Scope(self.journal.len())
    }

    pub(super) fn close(&mut self, scope: &Scope) {
        while self.journal.len() > scope.0 {
            match self.journal.pop() {
                Some(Undo::Variable(name, Some(variable))) => {
                    self.variables.insert(name, variable);
                }
                Some(Undo::Variable(name, None)) => {
                    self.variables.remove(&name);
                }
                Some(Undo::Parameters(parameters)) => self.parameters = parameters,
                None => break,
            }
        }
        self.scopes = self.scopes.saturating_sub(1);
    }

    pub(super) fn variable(&self, name: &[u8]) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// Gives a variable its values; none unset it.
    pub(super) fn set(&mut self, name: &[u8], values: Vec<Bytes>) {
        let mut older = Vec::new();
        let before = self.variables.remove(name);
        if let Some(before) = &before
            && self.maybe > 0
        {
            older.push(before.values.clone());
            older.extend(before.older.iter().take(OLDER - 1).cloned());
        }
        if self.scopes > 0 {
            self.journal.push(Undo::Variable(name.to_vec(), before));
        }
        self.variables.insert(name.to_vec(), Variable { values, older });
    }

    pub(super) fn parameters(&self) -> Option<&Rc<Vec<Bytes>>> {
        self.parameters.as_ref()
    }

    pub(super) fn set_parameters(&mut self, parameters: Option<Vec<Bytes>>) {
        let before = std::mem::replace(&mut self.parameters, parameters.map(Rc::new));
        if self.scopes > 0 {
            self.journal.push(Undo::Parameters(before));
        }
    }

    /// What separates fields.
    pub(super) fn separators(&self) -> Bytes {
        match self.variables.get(&b"IFS"[..]) {
            Some(variable) => variable
                .values
                .first()
                .cloned()
                .unwrap_or_else(|| Rc::from(&b" \t\n"[..])),
            None => Rc::from(&b" \t\n"[..]),
        }
    }
}

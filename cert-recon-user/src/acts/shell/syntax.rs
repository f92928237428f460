//! The form of a shell text: lists of commands, made of words, made of pieces.
//!
//! Owns the types only. Literal text is not copied: a [`Span`] says where it stands in the text of its [`Script`].

use std::rc::Rc;

/// A stretch of a script's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// A text and what it says.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) text: Vec<u8>,
    pub(super) list: List,
    /// Bodies of here-documents, which stand behind the line that asks for them.
    pub(super) documents: Vec<Word>,
}

impl Script {
    /// The bytes of a span.
    pub(super) fn slice(&self, span: Span) -> &[u8] {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

pub(super) type List = Vec<Item>;

/// A pipeline, and how it hangs together with the one before it.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) join: Join,
    pub(super) stages: Vec<Stage>,
    /// Begins with `!`.
    pub(super) negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// `;`, `&`, a new line: runs whatever came before.
    Always,
    /// `&&`
    And,
    /// `||`
    Or,
}

/// A command of a pipeline with its redirections.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) node: Rc<Node>,
    pub(super) redirects: Vec<Redirect>,
}

#[derive(Debug)]
pub(super) enum Node {
    Simple(SimpleNode),
    Subshell(List),
    Group(List),
    If {
        arms: Vec<(List, List)>,
        otherwise: List,
    },
    /// `while`, `until`.
    While {
        condition: List,
        body: List,
    },
    /// `for`, `select`; without `in` it runs over the positional parameters.
    For {
        name: Span,
        words: Option<Vec<Word>>,
        body: List,
    },
    Case {
        subject: Word,
        arms: Vec<(Vec<Word>, List)>,
    },
    Function {
        name: Span,
        body: Rc<Stage>,
    },
    /// `[[ ]]` and `(( ))`: no command, but what is substituted in it runs.
    Condition(Vec<Word>),
}

#[derive(Debug, Default)]
pub(super) struct SimpleNode {
    pub(super) assigns: Vec<Assign>,
    pub(super) words: Vec<Word>,
    /// `export`, `declare` and the like: the assignments stand behind the command's name and outlive it.
    pub(super) declares: bool,
}

#[derive(Debug)]
pub(super) struct Assign {
    pub(super) name: Span,
    pub(super) index: Option<Word>,
    /// `+=`
    pub(super) append: bool,
    pub(super) value: AssignValue,
}

#[derive(Debug)]
pub(super) enum AssignValue {
    Word(Word),
    Array(Vec<Word>),
}

#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) to: RedirectTo,
    /// The descriptor, when it is one of the standard three.
    pub(super) fd: Option<u8>,
}

#[derive(Debug)]
pub(super) enum RedirectTo {
    /// `<<<`
    HereString(Word),
    /// `<<`: index into [`Script::documents`].
    Document(usize),
    /// `<`
    In(Word),
    /// `>`, `>>`, `>|`, `<>`, `&>`
    Out(Word),
    /// `>&2`, `2>&1`, `<&3`
    Copy(Word),
}

#[derive(Debug)]
pub(super) struct Word {
    pub(super) kind: WordKind,
    /// Holds an unquoted `{`.
    pub(super) braces: bool,
}

#[derive(Debug)]
pub(super) enum WordKind {
    /// Stands in the text as it is meant.
    Plain(Span),
    Pieces(Vec<Piece>),
}

#[derive(Debug)]
pub(super) enum Piece {
    /// Text without quotes.
    Literal(Span),
    /// Text in quotes; an empty one still makes a word.
    Quoted(Span),
    /// What an ANSI-C quote (`$'...'`) stands for.
    Bytes(Vec<u8>),
    Parameter(Box<Parameter>),
    /// `$(...)`
    Command {
        list: List,
        quoted: bool,
    },
    /// `` `...` ``, whose text is another one after its backslashes are gone.
    Backtick {
        script: Rc<Script>,
        quoted: bool,
    },
    /// `$((...))`
    Arithmetic(Vec<Piece>),
    /// `<(...)`, `>(...)`
    Process {
        list: List,
        input: bool,
    },
    /// What was nested too deeply to be looked at.
    Unknown,
}

/// `$x`, `${x}`, `${x...}`
#[derive(Debug)]
pub(super) struct Parameter {
    /// A name, a number, or one of the special characters.
    pub(super) name: Span,
    pub(super) index: Option<Index>,
    pub(super) quoted: bool,
    pub(super) operation: Operation,
}

#[derive(Debug)]
pub(super) enum Index {
    All,
    At(Vec<Piece>),
}

#[derive(Debug)]
pub(super) enum Operation {
    Plain,
    /// `${#x}`
    Length,
    /// `${!x}`
    Indirect,
    /// `${x:-word}` and its kin, by the sign `-`, `=`, `+`, `?`.
    Default {
        sign: u8,
        colon: bool,
        word: Vec<Piece>,
    },
    /// `${x#pattern}`, `##`, `%`, `%%`
    Strip {
        suffix: bool,
        longest: bool,
        pattern: Vec<Piece>,
    },
    /// `${x/pattern/text}` and `//`, `/#`, `/%`
    Replace {
        place: Place,
        pattern: Vec<Piece>,
        with: Vec<Piece>,
    },
    /// `${x:offset:length}`
    Slice {
        offset: Vec<Piece>,
        length: Option<Vec<Piece>>,
    },
    /// `${x^}`, `${x^^}`, `${x,}`, `${x,,}`
    Case {
        upper: bool,
        all: bool,
    },
    /// Anything else: the value is not known.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    All,
    Start,
    End,
}

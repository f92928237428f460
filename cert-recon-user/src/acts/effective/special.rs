//! Programs that run others in a way that no row of a table describes.

use super::inner::Inner;
use super::options::{Item, Name, Takes, Walk};
use super::{names, shells, words, wrapper, wrappers};
use crate::acts::{Budget, Command, Via, Word, shell};

/// Finds what a command runs.
pub(super) type Look = for<'a> fn(&Command<'a>, &mut Budget, &mut Vec<Inner<'a>>);

/// Names and how they are looked through.
pub(super) static TABLE: &[(&str, Look)] = &[
    ("find gfind bfs", find),
    ("fd fdfind", fd),
    ("xargs gxargs", xargs),
    ("parallel", parallel),
    ("busybox toybox coreutils", multicall),
    ("tmux", tmux),
    ("vim vi nvim ex view gvim vimdiff rvim", vim),
    ("tar gtar bsdtar", tar),
    ("make gmake", make),
    ("ssh scp sftp", ssh),
    ("pwsh powershell", pwsh),
    ("source .", source),
    ("screen", screen),
    ("git", git),
];

/// Inputs that one xargs or parallel is looked at for.
const INPUTS: usize = 64;
/// What `find` and `xargs` put a name for.
const BRACES: &[u8] = b"{}";
const UNKNOWN: &[u8] = &[Word::UNKNOWN];

/// A program of which nothing is known, `$SUDO curl ...`: it may be a wrapper, or nothing at all.
pub(super) fn unknown<'a>(command: &Command<'a>, budget: &mut Budget) -> Option<Inner<'a>> {
    let [program, _, ..] = command.args.as_slice() else {
        return None;
    };
    let plain = program
        .bytes()
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_'));
    (plain && words::may_be_program(program)).then(|| Inner::words(&command.args, Via::Wrapper, budget))?
}

/// `find ... -exec program {} ;`.
fn find<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let mut args = command.args.as_slice();
    while let Some(at) = args
        .iter()
        .position(|word| matches!(word.bytes(), b"-exec" | b"-execdir" | b"-ok" | b"-okdir"))
    {
        args = &args[at + 1..];
        let end = args
            .iter()
            .enumerate()
            .position(|(at, word)| match word.bytes() {
                b";" => true,
                b"+" => at > 0 && args[at - 1].bytes() == BRACES,
                _ => false,
            })
            .unwrap_or(args.len());
        let words = replaced(&args[..end], BRACES, UNKNOWN, budget);
        inner.extend(Inner::words(&words, Via::Wrapper, budget));
        args = args.get(end + 1..).unwrap_or_default();
    }
}

/// `fd pattern -x program`.
fn fd<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let start = command
        .args
        .iter()
        .position(|word| matches!(word.bytes(), b"-x" | b"-X" | b"--exec" | b"--exec-batch"));
    if let Some(start) = start {
        let rest = &command.args[start + 1..];
        let end = rest.iter().position(|word| word.bytes() == b";").unwrap_or(rest.len());
        let words = replaced(&rest[..end], BRACES, UNKNOWN, budget);
        inner.extend(Inner::words(&words, Via::Wrapper, budget));
    }
}

fn xargs<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let takes = Takes {
        short: "adEILnPsJRS",
        long: "--arg-file --delimiter --max-lines --max-args --max-procs --max-chars --process-slot-var",
    };
    let mut walk = Walk::new(&command.args, takes);
    let mut replace: Option<Word<'a>> = None;
    let mut delimiter = None;
    let mut file = false;
    let mut rest = command.args.len();
    while let Some(item) = walk.next(budget) {
        match item {
            Item::Value(name, value) if name.is("-I --replace -J") => replace = Some(value),
            Item::Value(name, value) if name.is("-d --delimiter") => delimiter = Some(unescaped(value.bytes())),
            Item::Value(name, _) if name.is("-a --arg-file") => file = true,
            Item::Value(..) => {}
            Item::Flag(name) if name.is("-0 --null") => delimiter = Some(0),
            Item::Flag(name) if name.is("--replace") => replace = Some(Word::borrowed(BRACES)),
            Item::Flag(Name::Short(b'i')) => {
                let given = walk.finish_word().filter(|word| !word.bytes().is_empty());
                replace = Some(given.unwrap_or(Word::borrowed(BRACES)));
            }
            Item::Flag(Name::Short(b'e' | b'l')) => {
                walk.finish_word();
            }
            Item::Flag(name) if name.is("--help --version") => return,
            Item::Flag(_) => {}
            Item::Plain(at) => {
                rest = at;
                break;
            }
        }
    }
    let words = &command.args[rest..];
    let stdin = command.stdin.as_deref().filter(|_| !file);
    match (stdin, replace) {
        (None, None) => inner.extend(Inner::words(words, Via::Wrapper, budget)),
        (None, Some(replace)) => {
            let words = replaced(words, replace.bytes(), UNKNOWN, budget);
            inner.extend(Inner::words(&words, Via::Wrapper, budget));
        }
        (Some(stdin), Some(replace)) => {
            for input in inputs(stdin, delimiter.unwrap_or(b'\n'), budget) {
                let words = replaced(words, replace.bytes(), &input, budget);
                inner.extend(Inner::words(&words, Via::Wrapper, budget));
            }
        }
        (Some(stdin), None) => {
            let more = match delimiter {
                Some(delimiter) => inputs(stdin, delimiter, budget),
                None => shell::split(stdin, budget),
            };
            let mut words = words::copy(words, budget);
            words.extend(more.into_iter().map(Word::owned));
            inner.extend(Inner::words(&words, Via::Wrapper, budget));
        }
    }
}

/// `parallel command {} ::: a b`: the words are a shell's text.
fn parallel<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let takes = Takes {
        short: "aCdEIjLnNPsS",
        long: "--arg-file --colsep --delimiter --delay --jobs --joblog --results --retries --timeout --sshlogin --sshloginfile \
            --max-args --max-lines --max-procs --max-replace-args --max-chars --memfree --nice --halt --tmpdir --tmpl --workdir --wd \
            --basefile --env --return --transferfile --tagstring --load --block --recstart --recend --profile --arg-sep --shebang-wrap",
    };
    let mut walk = Walk::new(&command.args, takes);
    let mut rest = command.args.len();
    let mut unknown = false;
    while let Some(item) = walk.next(budget) {
        match item {
            Item::Flag(name) if name.is("--help --version") => return,
            Item::Value(name, _) if name.is("-a --arg-file") => unknown = true,
            Item::Flag(_) | Item::Value(..) => {}
            Item::Plain(at) => {
                rest = at;
                break;
            }
        }
    }
    let is_separator = |word: &Word<'_>| matches!(word.bytes(), b":::" | b":::+" | b"::::" | b"::::+");
    let words = &command.args[rest..];
    let end = words.iter().position(is_separator).unwrap_or(words.len());
    let (template, sources) = words.split_at(end);
    let mut given: Vec<Vec<Vec<u8>>> = Vec::new();
    if let Some(first) = sources.first() {
        unknown |= first.bytes().starts_with(b"::::");
        for source in sources[1..].split(is_separator).take(4) {
            let bytes = source.iter().take(INPUTS).map(|word| word.bytes().len()).sum();
            if budget.pay(bytes) {
                given.push(source.iter().take(INPUTS).map(|word| word.bytes().to_vec()).collect());
            }
        }
    } else if let Some(stdin) = command.stdin.as_deref() {
        given.push(inputs(stdin, b'\n', budget));
    }
    if template.is_empty() {
        let texts = given.into_iter().flatten().filter(|_| !unknown);
        inner.extend(texts.map(|text| Inner::text(Word::owned(text), Vec::new(), Via::Wrapper)));
        return;
    }
    let text = words::join(template, budget);
    let rows = given.iter().map(Vec::len).max().unwrap_or(0);
    if unknown || rows == 0 {
        let text = words::replace(&text, BRACES, UNKNOWN, budget);
        inner.push(Inner::text(text, Vec::new(), Via::Wrapper));
        return;
    }
    for row in 0..rows {
        let mut line = text.clone();
        let values: Vec<Vec<u8>> = given
            .iter()
            .filter_map(|source| source.get(row).or(source.last()))
            .map(|value| quoted(value))
            .collect();
        let all = values.join(&b' ');
        let before = line.bytes().len();
        let mut named = false;
        for (at, value) in values.iter().enumerate() {
            let name = format!("{{{}}}", at + 1);
            let made = words::replace(&line, name.as_bytes(), value, budget);
            named |= made != line;
            line = made;
        }
        let made = words::replace(&line, BRACES, &all, budget);
        named |= made != line;
        if !budget.pay(before + all.len()) {
            return;
        }
        if named {
            line = made;
        } else {
            line = Word::owned([made.bytes(), b" ", &all].concat());
        }
        inner.push(Inner::text(line, Vec::new(), Via::Wrapper));
    }
}

/// `busybox wget ...`. Under another name it is that applet itself.
fn multicall<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let own = |name: &String| {
        ["busybox", "toybox", "coreutils"]
            .iter()
            .any(|own| name.starts_with(own))
    };
    if command.programs.iter().all(own)
        && let Some(applet) = command.args.first()
        && words::may_be_program(applet)
    {
        let one = Inner::words(&command.args, Via::Wrapper, budget);
        inner.extend(one.map(|one| one.reading(command.stdin.as_ref(), budget)));
    }
}

/// Commands of tmux have semicolons between them.
fn tmux<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    for part in command.args.split(|word| word.bytes() == b";") {
        for row in wrappers::TMUX {
            wrapper::look_at(row, part, budget, inner);
        }
    }
}

/// `screen -X stuff 'text'`, and a program in a window.
fn screen<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let Some(at) = command.args.iter().position(|word| word.bytes() == b"-X") else {
        return;
    };
    if let [stuff, text, ..] = &command.args[at + 1..]
        && stuff.bytes() == b"stuff"
        && budget.pay(text.bytes().len())
    {
        inner.push(Inner::text(text.clone(), Vec::new(), Via::Wrapper));
    }
}

/// `make --eval 'target:;@command'`: what stands behind the rule's first separator is a shell's text.
fn make<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    for (at, word) in command.args.iter().enumerate() {
        let bytes = word.bytes();
        let rules = match bytes.strip_prefix(b"--eval") {
            Some(rest) if rest.starts_with(b"=") => &rest[1..],
            Some(b"") => command.args.get(at + 1).map_or(&b""[..], Word::bytes),
            _ if bytes.starts_with(b"-E") => &bytes[2..],
            _ => continue,
        };
        if !budget.pay(rules.len() + 1) {
            return;
        }
        for line in rules.split(|byte| *byte == b'\n') {
            let Some(start) = line.iter().position(|byte| matches!(byte, b';' | b'\t')) else {
                continue;
            };
            let text = line[start + 1..].trim_ascii_start();
            let quiet = text
                .iter()
                .take_while(|byte| matches!(byte, b'@' | b'-' | b'+'))
                .count();
            // make's own `$$` is the shell's `$`.
            let text = text[quiet..].to_vec();
            inner.push(Inner::text(Word::owned(text), Vec::new(), Via::Shell));
        }
    }
}

/// `vim -c '!command'`, `vim '+!command'`.
fn vim<'a>(command: &Command<'a>, _: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    for (at, word) in command.args.iter().enumerate() {
        let bytes = word.bytes();
        let after = at > 0 && matches!(command.args[at - 1].bytes(), b"-c" | b"--cmd" | b"-S");
        let start = match bytes {
            [b'+', b':', b'!', ..] => 3,
            [b'+', b'!', ..] => 2,
            [b':', b'!', ..] if after => 2,
            [b'!', ..] if after => 1,
            _ => continue,
        };
        inner.push(Inner::text(words::from(word, start), Vec::new(), Via::Code));
    }
}

/// `tar --checkpoint-action=exec=command`.
fn tar<'a>(command: &Command<'a>, _: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    const OPTION: &[u8] = b"--checkpoint-action=exec=";
    for word in &command.args {
        if word.bytes().starts_with(OPTION) {
            inner.push(Inner::text(words::from(word, OPTION.len()), Vec::new(), Via::Wrapper));
        }
    }
}

/// `-o ProxyCommand=text` runs on this side.
fn ssh<'a>(command: &Command<'a>, _: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    for word in &command.args {
        let bytes = word.bytes();
        let start = if bytes.starts_with(b"-o") { 2 } else { 0 };
        let option = &bytes[start..];
        for name in ["ProxyCommand", "LocalCommand"] {
            if option.len() > name.len()
                && option[..name.len()].eq_ignore_ascii_case(name.as_bytes())
                && matches!(option[name.len()], b'=' | b' ')
            {
                inner.push(Inner::text(
                    words::from(word, start + name.len() + 1),
                    Vec::new(),
                    Via::Wrapper,
                ));
            }
        }
    }
}

/// `git -c alias.x='!command' x`.
fn git<'a>(command: &Command<'a>, _: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    for pair in command.args.windows(2) {
        let bytes = pair[1].bytes();
        if pair[0].bytes() == b"-c"
            && bytes.starts_with(b"alias.")
            && let Some(equals) = bytes.iter().position(|byte| *byte == b'=')
            && bytes.get(equals + 1) == Some(&b'!')
        {
            inner.push(Inner::text(words::from(&pair[1], equals + 2), Vec::new(), Via::Code));
        }
    }
}

/// `pwsh -File script`; code of `-Command` stays with the command.
fn pwsh<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let mut args = command.args.iter().enumerate();
    while let Some((at, word)) = args.next() {
        let bytes = word.bytes();
        if !budget.pay(bytes.len().min(32) + 1) {
            return;
        }
        let is = |name: &str, least: usize| {
            let option = bytes
                .strip_prefix(b"-")
                .or_else(|| bytes.strip_prefix(b"/"))
                .unwrap_or_default();
            let option = option.strip_prefix(b"-").unwrap_or(option);
            option.len() >= least
                && option.len() <= name.len()
                && option.eq_ignore_ascii_case(&name.as_bytes()[..option.len()])
        };
        let script = if is("file", 1) {
            command.args.get(at + 1).map(|file| (file, at + 2))
        } else if !bytes.starts_with(b"-") && bytes.to_ascii_lowercase().ends_with(b".ps1") {
            Some((word, at + 1))
        } else {
            None
        };
        if let Some((file, rest)) = script {
            let programs = names::of_program(file.bytes());
            if !programs.is_empty() && !shells::is_input(file.bytes()) {
                let rest = command.args.get(rest..).unwrap_or_default();
                inner.push(Inner::named(programs, rest, Via::Launcher, budget));
            }
            return;
        }
        let valued = [
            ("executionpolicy", 2),
            ("ep", 2),
            ("workingdirectory", 2),
            ("wd", 2),
            ("windowstyle", 1),
            ("version", 1),
        ];
        let valued = valued.iter().any(|(name, least)| is(name, *least))
            || [
                ("inputformat", 2),
                ("outputformat", 1),
                ("configurationname", 6),
                ("settingsfile", 3),
                ("custompipename", 3),
                ("psconsolefile", 1),
            ]
            .iter()
            .any(|(name, least)| is(name, *least));
        if valued {
            args.next();
        } else if is("command", 1) || is("encodedcommand", 1) || is("ec", 2) || !bytes.starts_with(b"-") {
            return;
        }
    }
}

/// `. ./script arguments`.
fn source<'a>(command: &Command<'a>, budget: &mut Budget, inner: &mut Vec<Inner<'a>>) {
    let Some((file, args)) = command.args.split_first() else {
        return;
    };
    // A file that is not known may be what the shell made of a process's output, which then is the input.
    if shells::is_input(file.bytes()) || !file.is_known() {
        if let Some(stdin) = &command.stdin
            && budget.pay(stdin.len())
        {
            inner.push(Inner::text(Word::owned(stdin.clone()), Vec::new(), Via::Shell));
        }
        return;
    }
    let programs = names::of_program(file.bytes());
    if !programs.is_empty() {
        inner.push(Inner::named(programs, args, Via::Launcher, budget));
    }
}

fn replaced<'a>(words: &[Word<'a>], needle: &[u8], with: &[u8], budget: &mut Budget) -> Vec<Word<'a>> {
    if !budget.pay(words.len()) {
        return Vec::new();
    }
    words
        .iter()
        .map(|word| words::replace(word, needle, with, budget))
        .collect()
}

/// The inputs in a text, the first ones.
fn inputs(text: &[u8], delimiter: u8, budget: &mut Budget) -> Vec<Vec<u8>> {
    if !budget.pay(text.len()) {
        return Vec::new();
    }
    text.split(|byte| *byte == delimiter)
        .map(<[u8]>::trim_ascii)
        .filter(|input| !input.is_empty())
        .take(INPUTS)
        .map(<[u8]>::to_vec)
        .collect()
}

/// One byte, as `xargs -d` reads it.
fn unescaped(delimiter: &[u8]) -> u8 {
    match delimiter {
        b"\\n" | b"" => b'\n',
        b"\\t" => b'\t',
        b"\\0" => 0,
        [first, ..] => *first,
    }
}

/// In single quotes, unless nothing in it means something to a shell.
fn quoted(word: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=%@,+\0".contains(byte);
    if word.iter().all(plain) {
        return word.to_vec();
    }
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

//! The words that real shells give to commands, compared with ours.
//!
//! The texts call functions that only print what they are given, and builtins without effect: nothing is started, and
//! nothing is written.

use std::process::Command;

use cert_recon::acts::Budget;
use cert_recon::acts::shell::parse;

/// Texts for every shell; `p` prints its arguments.
const POSIX: [&str; 41] = [
    "p a b",
    "p 'a b' \"c d\" e\\ f",
    "p c'u'rl \"cu\"rl c\\url",
    "p '' \"\" x''y",
    "p \"a\\\"b\" 'a\"b' \"a'b\"",
    "p \"a\\$b\" \"\\a\" \"\\\\\"",
    "p a\\\nb 'c\\\nd' \"e\\\nf\"",
    "p a#b c # d",
    "h=crt.sh; p https://$h ${h}x \"$h\"",
    "a=crt b=sh; p $a.$b",
    "x='a b  c'; p $x \"$x\" y$x",
    "x=; p $x \"$x\" a${x}b",
    "p ${z:-d} ${z-d e} \"${z:-f g}\"",
    "z=; p ${z:-d} ${z-d} ${z:+e} ${z+f}",
    "z=1; p ${z:-d} ${z:+e f} \"${z:+g h}\"",
    "p ${z:=q} $z",
    "x=a.b.c; p ${x%.*} ${x%%.*} ${x#*.} ${x##*.}",
    "x=abc; p ${x%c} ${x#a} ${x%x} ${x%?} ${#x}",
    "x='a*b'; p \"${x%'*b'}\" \"${x#a\\*}\"",
    "p a${IFS}b",
    "IFS=,; x=a,b,,c; p $x",
    "set -- a 'b c' d; p $1 \"$2\" $# \"$@\" $*",
    "set -- a b c; shift; p \"$@\"",
    "set --; p \"$@\" x$@y \"\"",
    "set -- 'a b' c; p \"x$@y\" \"x$*y\"",
    "p $(echo a b) \"$(echo 'a  b')\"",
    "p `echo a` \"`echo \\`echo b\\``\"",
    "p $(printf '%s-' a b) $(printf '\\101\\n')x",
    "p \"$(printf 'a\\n\\n')\"",
    "p $((1+2*3)) $(( (1+2)*3 )) $((7/2)) $((7%4)) $((-3))",
    "for i in a 'b c' d; do p \"$i\"; done",
    "f() { p \"$1\" $#; }; f 'x y' z; f",
    "if true; then p a; else :; fi",
    "x=b; case $x in a) :;; b|c) p yes;; esac",
    "(x=1; p $x); { p b; }",
    "true && p a; false || p b",
    "eval 'p a' \"'b c'\"",
    "x=1; (x=2); p $x",
    "p \"${z:-\"a b\"}\" ${z:-'c d'}",
    "x=$(echo a; echo b); p $x \"$x\"",
    "p ~nobody_of_that_name \\~ \"~\"",
];

/// Texts for bash.
const BASH: [&str; 27] = [
    r"p $'\x41\102\u0043\n' $'a\'b' $'\cA'",
    "p $\"a b\"",
    "p {a,b} x{1..3}y {c..a} {01..03} {1..9..4}",
    "p {a,{b,c}d} {x} {} a,b {a,b '{c,d}'",
    "p {a,b}{c,d} \"{a,b}\"",
    "x=abcdef; p ${x:2} ${x:1:2} ${x: -2} ${x:0:-1}",
    "x=abcabc; p ${x/b/X} ${x//b/X} ${x/b} ${x/#a/X} ${x/%c/X}",
    "x=aBc; p ${x^^} ${x,,} ${x^} ${x,}",
    "a=(x 'y z'); p ${a[0]} \"${a[1]}\" \"${a[@]}\" ${#a[@]}",
    "a=(x); a+=(y); p ${a[@]} ${a[-1]}",
    "x=a; x+=b; p $x",
    "x=y; y=z; p ${!x}",
    "p ${@:2} x",
    "printf -v x 'a%sb' 1; p $x",
    "read x y <<< 'a b c'; p $x \"$y\"",
    "IFS=. read a b <<< 'crt.sh'; p $a $b",
    "p $(rev <<< abc)",
    "p $(base64 -d <<< Y3VybA==)",
    "p $(tr a-z n-za-m <<< phey)",
    "p $(echo -e 'a\\x41\\0101') $(echo -n a)b",
    "p $(cut -c2-3 <<< abcd) $(cut -d. -f2 <<< a.b.c)",
    "p $(sed 's/a/b/g' <<< aXa) $(head -n1 <<< $'a\\nb')",
    "while read x; do p $x; done <<< $'a\\nb'",
    "x='a b'; p ${x// /_}",
    "function f { p \"$@\"; }; f a 'b c'",
    "p ${HOME:0:1}etc",
    "[[ a == a ]] && p x; (( 1 + 1 )) && p y",
];

/// What the shell's own commands get, one call a line; nothing when the shell is not on this machine.
fn real(shell: &str, text: &str) -> Option<Vec<Vec<String>>> {
    let script = format!("unset z\np() {{ printf '<%s>' \"$@\"; printf '!\\n'; }}\n{text}\n");
    let output = Command::new(shell)
        .args(["-c", &script, "sh"])
        .env_clear()
        .env("HOME", "/")
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `printf` without arguments still uses its format once.
    let calls = text.split_terminator("!\n").map(|call| {
        let words = call
            .strip_prefix('<')
            .and_then(|call| call.strip_suffix('>'))
            .unwrap_or(call);
        words.split("><").map(str::to_owned).collect()
    });
    Some(calls.collect())
}

/// The calls of `p` that we find. Those in a function's definition come first and are not known; nobody called them.
fn ours(text: &str) -> Vec<Vec<String>> {
    let found = parse(text.as_bytes(), &[b"sh"], &mut Budget::new(text.len()));
    let calls = found
        .iter()
        .filter(|simple| simple.words.first().is_some_and(|word| word == b"p"));
    let known = calls.filter(|simple| simple.words.iter().all(|word| !word.contains(&0)));
    known
        .map(|simple| {
            let words = simple.words.iter().skip(1);
            let words: Vec<String> = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            if words.is_empty() { vec![String::new()] } else { words }
        })
        .collect()
}

fn compare(shell: &str, texts: &[&str]) {
    let mut wrong = Vec::new();
    for text in texts {
        let Some(real) = real(shell, text) else {
            eprintln!("skipped: there is no {shell}");
            return;
        };
        let ours = ours(text);
        if real != ours {
            wrong.push(format!("{text}\n  {shell} {real:?}\n  ours {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_are_those_of_sh() {
    compare("sh", &POSIX);
}

#[test]
fn words_are_those_of_bash() {
    compare("bash", &POSIX);
    compare("bash", &BASH);
}

//! Shell texts and the commands that they run.

use cert_recon::acts::Budget;
use cert_recon::acts::shell::{Simple, parse, split};

/// As the tables write it: words with blanks (and empty ones) in `[ ]`, what is not known as `␀`, input behind `<<<`.
fn shown(simple: &Simple) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\0', "␀").replace('\n', "\\n");
    let words = simple.words.iter().map(|word| match text(word) {
        word if word.is_empty() || word.contains(' ') => format!("[{word}]"),
        word => word,
    });
    let mut line = words.collect::<Vec<_>>().join(" ");
    if let Some(stdin) = &simple.stdin {
        line.push_str(" <<<");
        line.push_str(&text(stdin));
    }
    line
}

fn commands(text: &str) -> Vec<String> {
    let params: [&[u8]; 3] = [b"sh", b"one", b"two words"];
    let mut budget = Budget::new(text.len());
    let commands = parse(text.as_bytes(), &params, &mut budget);
    assert_eq!(budget.hit(), None, "{text}");
    commands.iter().map(shown).collect()
}

fn check(table: &[(&str, &[&str])]) {
    let mut wrong = Vec::new();
    for (text, expected) in table {
        let found = commands(text);
        if found != *expected {
            wrong.push(format!("{text}\n  expected {expected:?}\n  found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn quotes_and_backslashes_are_gone_from_words() {
    check(&[
        ("curl https://crt.sh", &["curl https://crt.sh"]),
        ("c'u'rl https://crt.sh", &["curl https://crt.sh"]),
        (r#""cu"rl h't'tps://"crt".sh"#, &["curl https://crt.sh"]),
        (r"c\url https:\/\/crt.sh", &["curl https://crt.sh"]),
        ("curl 'a b' \"c d\" e\\ f", &["curl [a b] [c d] [e f]"]),
        ("curl '' \"\"", &["curl [] []"]),
        (r#"echo "a\"b" 'a"b' "a'b""#, &[r#"echo a"b a"b a'b"#]),
        (r#"echo "\a\\b\$c\`""#, &[r"echo \a\b$c`"]),
        (r"curl $'\x68ttps://crt.sh'", &["curl https://crt.sh"]),
        (r"curl $'\150ttps://crt.sh'", &["curl https://crt.sh"]),
        (r"curl $'\u0063rt\U0000002esh'", &["curl crt.sh"]),
        (r"$'\143\165\162\154' crt.sh", &["curl crt.sh"]),
        (r#"echo $'a\tb\'c\\d\"e\cA'"#, &["echo a\tb'c\\d\"e\u{1}"]),
        (r"echo $'\q\x'", &[r"echo \q\x"]),
        (r"echo $'\u00e9'", &["echo é"]),
        ("echo $\"crt.sh\"", &["echo crt.sh"]),
        ("cu\\\nrl crt.\\\nsh", &["curl crt.sh"]),
        ("curl \"a\\\nb\"", &["curl ab"]),
        ("curl 'a\\\nb'", &["curl a\\\\nb"]),
        ("curl crt.sh # a comment; rm x", &["curl crt.sh"]),
        ("# only a comment\ncurl a", &["curl a"]),
        ("curl a#b c", &["curl a#b c"]),
        ("curl a'b", &["curl ab"]),
        ("curl \"a b", &["curl [a b]"]),
        (r"curl a\", &[r"curl a\"]),
        ("", &[]),
        ("   \n\t ", &[]),
        ("echo $ a$ $.", &["echo $ a$ $."]),
        ("echo ~/x *.pem [a-z]?", &["echo ~/x *.pem [a-z]?"]),
    ]);
}

#[test]
fn lists_and_pipelines_give_all_their_commands() {
    check(&[
        ("a; b & c && d || e | f |& g", &["a", "b", "c", "d", "e", "f", "g"]),
        ("a\nb\n\nc", &["a", "b", "c"]),
        ("a|\nb &&\n c", &["a", "b", "c"]),
        ("(a; b); { c; d; }", &["a", "b", "c", "d"]),
        ("((a); (b))", &["a", "b"]),
        ("! a", &["a"]),
        ("! ! a | b", &["a", "b"]),
        ("time a; time -p b", &["a", "b"]),
        ("time -f %e curl crt.sh", &["time -f %e curl crt.sh"]),
        ("coproc a b", &["a b"]),
        ("coproc NAME { a; }", &["a"]),
        (
            "if a; then b; elif c; then d; else e; fi; f",
            &["a", "b", "c", "d", "e", "f"],
        ),
        ("while a; do b; done; until c; do d; done", &["a", "b", "c", "d"]),
        ("for ((i=0; i<3; i++)); do a; done", &["a"]),
        ("for i in 1; { a; }", &["a"]),
        ("select x in y; do a $x; done", &["a y"]),
        ("case $x in a) b;; (c|d) e ;& *) f; esac; g", &["b", "e", "f", "g"]),
        ("case x in x) a ;; y) b ;; esac", &["a", "b"]),
        ("[[ $a == b && -n $c || ( x < y ) ]] && d", &["d"]),
        ("[[ $a =~ ^(x|y)$ ]]; b", &["b"]),
        ("[[ -n $(curl a) ]]", &["curl a"]),
        ("(( a = 1 + 2 )); b", &["b"]),
        ("[ -f x ] && b", &["[ -f x ]", "b"]),
        ("f() { a $1; }", &["a ␀"]),
        ("function f { a; }; b", &["a", "b"]),
        ("function f() { a; }; b", &["a", "b"]),
        ("f ()\n{\na\n}\nb", &["a", "b"]),
        ("f() ( a )", &["a"]),
        ("exec curl crt.sh", &["exec curl crt.sh"]),
        ("trap 'curl crt.sh' EXIT", &["trap [curl crt.sh] EXIT", "curl crt.sh"]),
        ("echo if then done", &["echo if then done"]),
        ("\"if\" a", &["if a"]),
        ("alias c=curl", &["alias c=curl"]),
        ("a &\nb", &["a", "b"]),
        ("a;;b", &["a", "b"]),
    ]);
}

#[test]
fn redirections_are_no_words_and_here_texts_are_input() {
    check(&[
        ("curl crt.sh >file 2>&1 </dev/null", &["curl crt.sh"]),
        (">f curl>x crt.sh 2>/dev/null", &["curl crt.sh"]),
        ("curl a &>f &>>g", &["curl a"]),
        ("curl a >|f 3<>g {fd}>h 10>i", &["curl a"]),
        ("curl a2>f", &["curl a2"]),
        ("tlsx <<< example.com", &["tlsx <<<example.com\\n"]),
        ("tlsx <<<\"a b\" -json", &["tlsx -json <<<a b\\n"]),
        ("sh <<EOF\ncurl crt.sh\nEOF\nb", &["sh <<<curl crt.sh\\n", "b"]),
        ("h=crt.sh; sh <<EOF\ncurl $h\nEOF", &["sh <<<curl crt.sh\\n"]),
        ("h=crt.sh; sh <<'EOF'\ncurl $h\nEOF", &["sh <<<curl $h\\n"]),
        ("h=crt.sh; sh <<\\EOF\ncurl $h\nEOF", &["sh <<<curl $h\\n"]),
        ("sh <<-EOF\n\tcurl a\n\tEOF\nb", &["sh <<<curl a\\n", "b"]),
        ("sh <<A; cat <<B\na\nA\nb\nB\nc", &["sh <<<a\\n", "cat <<<b\\n", "c"]),
        ("sh <<EOF\ncurl a", &["sh <<<curl a"]),
        (
            "cat <<EOF | sh\ncurl crt.sh\nEOF",
            &["cat <<<curl crt.sh\\n", "sh <<<curl crt.sh\\n"],
        ),
        ("sh <<EOF\n$(curl a)\nEOF", &["curl a", "sh"]),
        ("diff <(curl a) <(curl b)", &["diff ␀ ␀", "curl a", "curl b"]),
        ("tee >(curl a)", &["tee ␀", "curl a"]),
        (
            "bash <(echo curl crt.sh)",
            &["bash ␀ <<<curl crt.sh\\n", "echo curl crt.sh"],
        ),
        (
            "bash < <(echo curl crt.sh)",
            &["echo curl crt.sh", "bash <<<curl crt.sh\\n"],
        ),
        ("{ a; b; } <<< x", &["a <<<x\\n", "b <<<x\\n"]),
        ("echo a > f | cat", &["echo a", "cat"]),
        ("echo a >&2 | cat", &["echo a", "cat"]),
        ("echo a 2>&1 | cat", &["echo a", "cat <<<a\\n"]),
    ]);
}

#[test]
fn known_variables_are_expanded() {
    check(&[
        ("h=crt.sh; curl https://$h", &["curl https://crt.sh"]),
        ("h=crt.sh; curl https://${h}/x", &["curl https://crt.sh/x"]),
        ("a=crt b=sh; curl $a.$b", &["curl crt.sh"]),
        ("a=cu; b=rl; $a$b crt.sh", &["curl crt.sh"]),
        ("h=crt.sh curl $h", &["curl ␀"]),
        ("export h=crt.sh; curl $h", &["export", "curl crt.sh"]),
        ("export \"h=crt.sh\"; curl $h", &["export h=crt.sh", "curl crt.sh"]),
        ("declare -r h=crt.sh; curl $h", &["declare -r", "curl crt.sh"]),
        (
            "readonly h=crt.sh; typeset g=$h; curl $g",
            &["readonly", "typeset", "curl crt.sh"],
        ),
        (
            "f() { local h=crt.sh; curl $h; }; f",
            &["local", "curl crt.sh", "local", "curl crt.sh"],
        ),
        ("h=crt; h+=.sh; curl $h", &["curl crt.sh"]),
        ("curl $h", &["curl ␀"]),
        ("curl https://$x.crt.sh/", &["curl https://␀.crt.sh/"]),
        ("curl $HOME/x", &["curl ␀/x"]),
        ("echo $0 $1 \"$2\" $3", &["echo sh one [two words]"]),
        ("curl $@", &["curl one two words"]),
        ("curl \"$@\"", &["curl one [two words]"]),
        ("curl \"x$*y\"", &["curl [xone two wordsy]"]),
        (
            "set -- crt.sh foo; curl $1 $# \"$@\"",
            &["set -- crt.sh foo", "curl crt.sh 2 crt.sh foo"],
        ),
        ("set a b; shift; curl $1", &["set a b", "shift", "curl b"]),
        ("cu$@rl x", &["cuone two wordsrl x"]),
        ("set --; cu$@rl x", &["set --", "curl x"]),
        ("c${9}url x", &["curl x"]),
        ("x='a b'; curl $x \"$x\"", &["curl a b [a b]"]),
        ("x=; curl $x \"$x\"", &["curl []"]),
        ("curl${IFS}https://crt.sh", &["curl https://crt.sh"]),
        ("curl$IFS'https://crt.sh'", &["curl https://crt.sh"]),
        ("{curl,https://crt.sh}", &["curl https://crt.sh"]),
        ("IFS=,; x=curl,crt.sh; $x", &["curl crt.sh"]),
        ("echo ${IFS%??}a", &["echo a"]),
        ("unset x; curl a${x}b", &["unset x", "curl ab"]),
        ("x=crt.sh; (x=foo); curl $x", &["curl crt.sh"]),
        ("x=crt.sh; y=x; curl ${!y}", &["curl crt.sh"]),
        ("a=(crt sh); curl ${a[0]}.${a[1]} ${#a[@]}", &["curl crt.sh 2"]),
        (
            "c=(curl -s 'https://crt.sh/?q=a b'); \"${c[@]}\"",
            &["curl -s [https://crt.sh/?q=a b]"],
        ),
        ("a[1]=x; a[0]=y; curl ${a[*]}", &["curl y x"]),
        ("a=(x); a+=(y); curl ${a[@]} ${a[-1]}", &["curl x y y"]),
        ("read h <<< crt.sh; curl $h", &["read h <<<crt.sh\\n", "curl crt.sh"]),
        (
            "IFS=. read a b <<< crt.sh; curl $b",
            &["read a b <<<crt.sh\\n", "curl sh"],
        ),
        (
            "printf -v h crt.%s sh; curl $h",
            &["printf -v h crt.%s sh", "curl crt.sh"],
        ),
        ("x=$'crt.sh'; curl $x", &["curl crt.sh"]),
        ("x=~/a; curl $x", &["curl ~/a"]),
        ("x=\"curl crt.sh\"; $x", &["curl crt.sh"]),
        (
            "if a; then h=crt.sh; else h=foo; fi; curl $h",
            &["a", "curl foo", "curl crt.sh"],
        ),
        ("h=crt.sh; true || h=foo; curl $h", &["true", "curl crt.sh"]),
        ("h=foo; a && h=crt.sh; curl $h", &["a", "curl crt.sh", "curl foo"]),
        ("case b in a) h=foo;; b) h=crt.sh;; esac; curl $h", &["curl crt.sh"]),
    ]);
}

#[test]
fn parameter_operations_are_done() {
    check(&[
        ("curl ${x:-crt.sh}", &["curl crt.sh"]),
        ("curl ${x-crt.sh}", &["curl crt.sh"]),
        ("x=; curl ${x:-crt.sh} ${x-foo}", &["curl crt.sh"]),
        ("curl ${x:=crt.sh} $x", &["curl crt.sh crt.sh"]),
        ("x=1; curl ${x:+crt.sh} ${x:-foo}", &["curl crt.sh 1"]),
        ("unset x; curl a${x:+crt.sh}", &["unset x", "curl a"]),
        ("curl ${HOME:-crt.sh}", &["curl ␀"]),
        ("${x:-curl https://crt.sh}", &["curl https://crt.sh"]),
        ("echo \"${x:-a b}\" ${x:-\"c d\"}", &["echo [a b] [c d]"]),
        ("echo ${x:-${y:-z}}", &["echo z"]),
        (
            "x=crt.sh.txt; curl ${x%.txt} ${x%%.*} ${x#*.} ${x##*.}",
            &["curl crt.sh crt sh.txt txt"],
        ),
        ("x=XXcrt.sh; curl ${x#XX}", &["curl crt.sh"]),
        (
            "x=cxx.sh; curl ${x/xx/rt} ${x//x/y} ${x/x}",
            &["curl crt.sh cyy.sh cx.sh"],
        ),
        ("x=foo.sh; curl ${x/#foo/crt} ${x/%sh/io}", &["curl crt.sh foo.io"]),
        ("x=a/b; curl ${x//\\//.}", &["curl a.b"]),
        (
            "x=__crt.sh__; curl ${x:2:6} ${x:2} ${x: -2}",
            &["curl crt.sh crt.sh__ __"],
        ),
        ("x=CRT.sh; curl ${x,,} ${x^^} ${x,}", &["curl crt.sh CRT.SH cRT.sh"]),
        ("x=crt.sh; echo ${#x}", &["echo 6"]),
        ("ls ${HOME:0:1}etc", &["ls /etc"]),
        ("echo ${@:2} ${@:1:1}", &["echo two words one"]),
        ("x=a; echo ${x@Q} ${!p*}", &["echo ␀ ␀"]),
        ("x=crt; echo ${x}.sh${}", &["echo crt.sh␀"]),
        ("echo $((1+2*3)) $((0x10)) $(( (1+1)*2 )) $((x))", &["echo 7 16 4 ␀"]),
        ("i=4; echo $((i+1)) $(($i*2))", &["echo 5 8"]),
        ("echo $((1/0))", &["echo ␀"]),
        ("curl {crt,foo}.sh", &["curl crt.sh foo.sh"]),
        ("curl {a,b}{1..3}", &["curl a1 a2 a3 b1 b2 b3"]),
        ("curl x{a..c}y {3..1} {01..03}", &["curl xay xby xcy 3 2 1 01 02 03"]),
        (
            "curl {a,{b,c}d} {x} {} {a..} a,b {,}",
            &["curl a bd cd {x} {} {a..} a,b"],
        ),
        ("x=1; curl {$x,'a b',\"c\"}", &["curl 1 [a b] c"]),
        ("curl '{a,b}' \\{a,b} {a,b", &["curl {a,b} {a,b} {a,b"]),
        ("awk '{print $1}'", &["awk [{print $1}]"]),
        ("find . -exec curl {} \\;", &["find . -exec curl {} ;"]),
        ("curl {1..9..4}", &["curl 1 5 9"]),
    ]);
}

#[test]
fn substitutions_list_their_commands_and_give_what_is_known() {
    check(&[
        ("curl $(cat f)", &["curl ␀", "cat f"]),
        ("curl `cat f`x", &["curl ␀x", "cat f"]),
        (
            "curl $(echo https://crt.sh)",
            &["curl https://crt.sh", "echo https://crt.sh"],
        ),
        ("$(echo curl) crt.sh", &["curl crt.sh", "echo curl"]),
        ("`echo cu``echo rl` crt.sh", &["curl crt.sh", "echo cu", "echo rl"]),
        (r"echo `echo \`echo a\``", &["echo a", "echo a", "echo a"]),
        (
            "echo \"$(echo \"a b\")\" $(echo 'c  d')",
            &["echo [a b] c d", "echo [a b]", "echo [c  d]"],
        ),
        (
            "$(printf 'cu%s' rl) $(printf '\\143rt.%s' sh)",
            &["curl crt.sh", "printf cu%s rl", "printf \\143rt.%s sh"],
        ),
        ("echo $(printf '%s.' a b)", &["echo a.b.", "printf %s. a b"]),
        (
            "echo $(printf '%b' '\\0143') $(printf %03d 7)",
            &["echo c 007", "printf %b \\0143", "printf %03d 7"],
        ),
        (
            "echo $(printf '\\x63') $(echo -e '\\x63\\c d')",
            &["echo c c", "printf \\x63", "echo -e [\\x63\\c d]"],
        ),
        ("x=$(echo crt.sh); curl $x", &["echo crt.sh", "curl crt.sh"]),
        ("x=$(curl a); b", &["curl a", "b"]),
        ("echo $((curl a) | b)", &["echo ␀", "curl a", "b"]),
        ("echo $(echo a; echo b)", &["echo a b", "echo a", "echo b"]),
        (
            "echo $(if a; then echo x; else echo y; fi)",
            &["echo ␀", "a", "echo x", "echo y"],
        ),
        (
            "echo $(true && echo x || echo y)",
            &["echo x", "true", "echo x", "echo y"],
        ),
        ("echo \"$(a)\" '$(b)'", &["echo ␀ $(b)", "a"]),
        ("echo ${x:-$(curl a)}", &["echo ␀", "curl a"]),
        ("echo $(( $(curl a) + 1 ))", &["echo ␀", "curl a"]),
        ("echo $(case x in x) a;; esac) b", &["echo ␀ b", "a"]),
        ("eval curl crt.sh", &["curl crt.sh"]),
        ("x='curl crt.sh | cat'; eval \"$x\"", &["curl crt.sh", "cat"]),
        ("h=crt.sh eval 'curl $h'", &["curl crt.sh"]),
        (
            "eval \"$(echo Y3VybCBjcnQuc2g= | base64 -d)\"",
            &[
                "echo Y3VybCBjcnQuc2g=",
                "base64 -d <<<Y3VybCBjcnQuc2g=\\n",
                "curl crt.sh",
            ],
        ),
        ("sh -c 'curl crt.sh'", &["sh -c [curl crt.sh]"]),
    ]);
}

#[test]
fn pipes_carry_what_is_known() {
    check(&[
        (
            "echo example.com | tlsx",
            &["echo example.com", "tlsx <<<example.com\\n"],
        ),
        (
            "printf 'a\\nb\\n' | tlsx -silent",
            &["printf a\\nb\\n", "tlsx -silent <<<a\\nb\\n"],
        ),
        ("curl a | sh", &["curl a", "sh"]),
        (
            "echo Y3VybCBjcnQuc2g= | base64 -d | sh",
            &[
                "echo Y3VybCBjcnQuc2g=",
                "base64 -d <<<Y3VybCBjcnQuc2g=\\n",
                "sh <<<curl crt.sh",
            ],
        ),
        (
            "base64 --decode <<< Y3VybCBjcnQuc2g | sh",
            &["base64 --decode <<<Y3VybCBjcnQuc2g\\n", "sh <<<curl crt.sh"],
        ),
        (
            "echo MN2XE3BAMNZHILTTNA====== | base32 -d | sh",
            &[
                "echo MN2XE3BAMNZHILTTNA======",
                "base32 -d <<<MN2XE3BAMNZHILTTNA======\\n",
                "sh <<<curl crt.sh",
            ],
        ),
        (
            "echo 6375726c206372742e7368 | xxd -r -p | sh",
            &[
                "echo 6375726c206372742e7368",
                "xxd -r -p <<<6375726c206372742e7368\\n",
                "sh <<<curl crt.sh",
            ],
        ),
        (
            "echo hs.trc lruc | rev | sh",
            &["echo hs.trc lruc", "rev <<<hs.trc lruc\\n", "sh <<<curl crt.sh\\n"],
        ),
        (
            "echo phey peg.fu | tr a-z n-za-m | sh",
            &[
                "echo phey peg.fu",
                "tr a-z n-za-m <<<phey peg.fu\\n",
                "sh <<<curl crt.sh\\n",
            ],
        ),
        (
            "echo CURL_A | tr 'A-Z_' 'a-z ' | sh",
            &["echo CURL_A", "tr A-Z_ [a-z ] <<<CURL_A\\n", "sh <<<curl a\\n"],
        ),
        (
            "echo 'a|b' | tr -d '|' | sh",
            &["echo a|b", "tr -d | <<<a|b\\n", "sh <<<ab\\n"],
        ),
        (
            "echo AbC | tr '[:upper:]' '[:lower:]' | sh",
            &["echo AbC", "tr [:upper:] [:lower:] <<<AbC\\n", "sh <<<abc\\n"],
        ),
        (
            "echo curlX | sed 's/X/ crt.sh/' | sh",
            &["echo curlX", "sed [s/X/ crt.sh/] <<<curlX\\n", "sh <<<curl crt.sh\\n"],
        ),
        (
            "echo a-b-c | sed -e s,-,.,g | cat",
            &["echo a-b-c", "sed -e s,-,.,g <<<a-b-c\\n", "cat <<<a.b.c\\n"],
        ),
        (
            "echo xcurl | cut -c2- | sh",
            &["echo xcurl", "cut -c2- <<<xcurl\\n", "sh <<<curl\\n"],
        ),
        (
            "echo a:b:c | cut -d: -f2 | cat",
            &["echo a:b:c", "cut -d: -f2 <<<a:b:c\\n", "cat <<<b\\n"],
        ),
        (
            "printf 'a\\nb\\n' | head -n1 | cat",
            &["printf a\\nb\\n", "head -n1 <<<a\\nb\\n", "cat <<<a\\n"],
        ),
        (
            "printf 'a\\nb\\n' | tail -1 | cat",
            &["printf a\\nb\\n", "tail -1 <<<a\\nb\\n", "cat <<<b\\n"],
        ),
        (
            "echo YQo= | openssl base64 -d | cat",
            &["echo YQo=", "openssl base64 -d <<<YQo=\\n", "cat <<<a\\n"],
        ),
        (
            "echo -n a | cat | tee f | sh",
            &["echo -n a", "cat <<<a", "tee f <<<a", "sh <<<a"],
        ),
        ("(echo a; hostname) | cat", &["echo a", "hostname", "cat <<<a\\n␀"]),
        (
            "echo $(hostname).crt.sh | tlsx",
            &["echo ␀.crt.sh", "hostname", "tlsx <<<␀.crt.sh\\n"],
        ),
        ("echo a | (b; c)", &["echo a", "b <<<a\\n", "c <<<a\\n"]),
        ("echo crt.sh | xargs curl", &["echo crt.sh", "xargs curl <<<crt.sh\\n"]),
        (
            "f() { echo crt.sh; }; curl $(f)",
            &["echo crt.sh", "curl crt.sh", "echo crt.sh"],
        ),
        (
            "busybox echo YQ== | busybox base64 -d | sh",
            &["busybox echo YQ==", "busybox base64 -d <<<YQ==\\n", "sh <<<a"],
        ),
        ("command echo a | sh", &["command echo a", "sh <<<a\\n"]),
        ("echo a |\nsh", &["echo a", "sh <<<a\\n"]),
    ]);
}

#[test]
fn loops_and_functions_repeat_their_commands() {
    check(&[
        (
            "for h in crt.sh foo; do curl https://$h; done",
            &["curl https://crt.sh", "curl https://foo"],
        ),
        ("for h in {a,b}.sh; do curl $h; done", &["curl a.sh", "curl b.sh"]),
        ("for h in $(cat f); do curl $h; done", &["cat f", "curl ␀"]),
        ("for h; do curl \"$h\"; done", &["curl one", "curl [two words]"]),
        ("for h in; do curl $h; done", &["curl ␀"]),
        (
            "for i in {1..100}; do curl a$i; done",
            &["curl a1", "curl a2", "curl a3", "curl a4", "curl a␀"],
        ),
        (
            "for a in x y; do for b in 1 2; do c $a$b; done; done",
            &["c x1", "c x2", "c y1", "c y2"],
        ),
        (
            "if a; then for h in x y; do curl $h; done; fi",
            &["a", "curl x", "curl y"],
        ),
        ("for a in curl; do $a crt.sh; done | cat", &["curl crt.sh", "cat"]),
        ("while read h; do curl $h; done", &["read h", "curl ␀"]),
        (
            "echo crt.sh | while read -r h; do curl $h; done",
            &["echo crt.sh", "read -r h <<<crt.sh", "curl crt.sh"],
        ),
        (
            "while read h; do curl $h; done <<< crt.sh",
            &["read h <<<crt.sh", "curl crt.sh"],
        ),
        ("while read h; do curl $h; done < list", &["read h", "curl ␀"]),
        (
            "f() { curl https://$1; }; f crt.sh",
            &["curl https://␀", "curl https://crt.sh"],
        ),
        ("f() { g \"$@\"; }; f a 'b c'", &["g ␀", "g a [b c]"]),
        ("f() { f; a; }; f", &["f", "a", "f", "a"]),
        ("f() { curl $1; }; f a; curl $1", &["curl ␀", "curl a", "curl one"]),
        ("c() { curl \"$@\"; }; h=x; c $h", &["curl ␀", "curl x"]),
    ]);
}

#[test]
fn bad_syntax_loses_no_command() {
    check(&[
        ("a; ) b", &["a", "b"]),
        ("done; a; fi; b; }; c", &["a", "b", "c"]),
        ("if a; then b", &["a", "b"]),
        ("while a; do b", &["a", "b"]),
        ("(a; b", &["a", "b"]),
        ("{ a; b", &["a", "b"]),
        ("echo $(a; b", &["echo ␀", "a", "b"]),
        ("echo `a; b", &["echo ␀", "a", "b"]),
        ("{ if a; then b; }; c", &["a", "b", "c"]),
        ("(if a; then b); c", &["a", "b", "c"]),
        ("for; do a; done", &["a", "a"]),
        ("case; a", &["a"]),
        ("| a || && b", &["a", "b"]),
        ("a > ; b", &["a", "b"]),
        ("a <<; b", &["a", "b"]),
        ("echo ${x", &["echo ␀"]),
        ("[[ a", &[]),
        ("f(", &["f"]),
        ("function; a", &["a"]),
        ("a ( b ) c", &["a", "b", "c"]),
        ("a & & b", &["a", "b"]),
    ]);
}

#[test]
fn a_text_without_parameters_leaves_them_unknown() {
    let mut budget = Budget::new(64);
    let found = parse(b"curl $1 \"$@\" $0", &[], &mut budget);
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["curl ␀ ␀ ␀"]);
}

#[test]
fn a_line_splits_into_words() {
    let table: &[(&str, &[&str])] = &[
        ("", &[]),
        ("  ", &[]),
        ("curl  https://crt.sh\t-s", &["curl", "https://crt.sh", "-s"]),
        ("curl 'a b' \"c d\"e", &["curl", "a b", "c de"]),
        ("curl '' \"\"", &["curl", "", ""]),
        (r#"pwsh -c "irm \"x y\"""#, &["pwsh", "-c", r#"irm "x y""#]),
        (r"C:\Windows\x.exe -a", &[r"C:\Windows\x.exe", "-a"]),
        (r#""C:\Program Files\x.exe" -a"#, &[r"C:\Program Files\x.exe", "-a"]),
        (r"a\ b c", &["a b", "c"]),
        ("curl $x `y` $(z) a|b;c", &["curl", "$x", "`y`", "$(z)", "a|b;c"]),
        ("a 'b c", &["a", "b c"]),
        (r"a 'b\n' c\", &["a", r"b\n", r"c\"]),
    ];
    for (text, expected) in table {
        let words = split(text.as_bytes(), &mut Budget::new(text.len()));
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert_eq!(words, *expected, "{text}");
    }
}

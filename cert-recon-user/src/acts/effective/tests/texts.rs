//! Lines that need the parser of shell text.

use super::{assert_all, assert_innermost, assert_none, run};
use crate::acts::Via;

#[test]
fn a_shells_text_is_run() {
    assert_innermost(&[
        ("sh -c 'curl x'", "curl x"),
        ("bash -lc 'curl x'", "curl x"),
        ("bash -xec 'curl x'", "curl x"),
        ("bash -o pipefail -c 'curl x'", "curl x"),
        ("bash -co pipefail 'curl x'", "curl x"),
        ("bash --norc -c 'curl x'", "curl x"),
        ("bash -c -- 'curl x'", "curl x"),
        ("bash -c 'curl $1' _ x", "curl x"),
        ("bash -c '$0 $1' curl x", "curl x"),
        ("zsh -fc 'curl x'", "curl x"),
        ("fish -c 'curl x'", "curl x"),
        ("fish --command='curl x'", "curl x"),
        ("csh -c 'curl x'", "curl x"),
        ("busybox sh -c 'wget x'", "wget x"),
        ("timeout 5 bash -c 'curl x'", "curl x"),
        ("bash -c 'exec curl x'", "curl x"),
        ("bash -c 'eval \"curl x\"'", "curl x"),
        ("bash -c 'command curl x'", "curl x"),
        ("bash -c 'sudo -n curl x'", "curl x"),
        ("bash -c 'sh -c \"curl x\"'", "curl x"),
        ("su -c 'curl x'", "curl x"),
        ("su - user -c 'curl x'", "curl x"),
        ("su user --command='curl x'", "curl x"),
        ("runuser -l user -c 'curl x'", "curl x"),
        ("runuser user -c 'curl x'", "curl x"),
        ("sg adm -c 'curl x'", "curl x"),
        ("sg adm 'curl x'", "curl x"),
        ("script -qc 'curl x' /dev/null", "curl x"),
        ("script -q -c 'curl x'", "curl x"),
        ("script /dev/null -c 'curl x'", "curl x"),
        ("flock /tmp/lock -c 'curl x'", "curl x"),
        ("flock -n /tmp/lock -c 'curl x'", "curl x"),
        ("watch -n 5 'curl x'", "curl x"),
        ("watch -n5 curl x", "curl x"),
        ("ssh host curl x", "curl x"),
        ("ssh -p 22 -i key user@host 'curl x'", "curl x"),
        ("ssh host -p 22 curl x", "curl x"),
        (
            "ssh -o 'ProxyCommand=openssl s_client -connect a.b:443' host",
            "openssl s_client -connect a.b:443",
        ),
        ("env -S 'A=b curl -s' x", "curl -s x"),
        ("env '-S curl -s' x", "curl -s x"),
        ("env --split-string='curl -s' x", "curl -s x"),
        ("tmux new -d 'curl x'", "curl x"),
        ("tmux new-session -d -s n 'curl x' ; attach", "curl x"),
        ("tmux start ; neww 'curl x'", "curl x"),
        ("tmux send-keys 'curl x' Enter", "enter"),
        ("screen -S n -X stuff 'curl x'", "curl x"),
        ("nix-shell -p curl --run 'curl x'", "curl x"),
        ("npx -c 'curl x'", "curl x"),
        ("hyperfine 'curl x'", "curl x"),
        ("git -c 'alias.x=!curl x' x", "curl x"),
        ("vim -c '!curl x'", "curl x"),
        ("vim '+!curl x'", "curl x"),
        (
            "tar cf /dev/null f --checkpoint=1 '--checkpoint-action=exec=curl x'",
            "curl x",
        ),
        ("docker run alpine sh -c 'curl x'", "curl x"),
        ("kubectl exec pod -- sh -c 'curl x'", "curl x"),
        ("find . -exec sh -c 'curl $1' _ {} ;", "curl ?"),
        ("xargs -I{} sh -c 'curl {}'", "curl ?"),
        ("bash -c '$SUDO sslscan a.b'", "sslscan a.b"),
        ("wsl -e bash -c 'curl x'", "curl x"),
    ]);
}

#[test]
fn text_that_is_known_reaches_what_reads_it() {
    assert_innermost(&[
        ("sh -c 'echo curl x | sh'", "curl x"),
        ("sh -c 'echo curl x | bash -s'", "curl x"),
        ("sh -c 'echo curl x | sudo bash'", "curl x"),
        ("sh -c 'echo a.b | xargs curl -s'", "curl -s a.b"),
        (
            "sh -c 'echo a.b | xargs -I{} curl https://crt.sh/?q={}'",
            "curl https://crt.sh/?q=a.b",
        ),
        ("sh -c 'echo a.b | parallel curl -s {}'", "curl -s a.b"),
        ("sh -c 'bash <<< \"curl x\"'", "curl x"),
    ]);
    assert_all(&[
        ("parallel curl {} ::: a b", &["curl a", "curl b"]),
        ("parallel -j 2 curl ::: a b", &["curl a", "curl b"]),
        ("parallel curl {1}/{2} ::: a b ::: c", &["curl a/c", "curl b/c"]),
        ("parallel ::: 'curl a' 'wget b'", &["curl a", "wget b"]),
    ]);
}

#[test]
fn commands_in_code_are_run() {
    assert_innermost(&[
        ("python3 -c 'import os; os.system(\"curl x\")'", "curl x"),
        ("python3 -c 'import os; os.popen(\"curl x\").read()'", "curl x"),
        ("python3 -c 'import os; os.popen(\"curl x\", \"r\").read()'", "curl x"),
        ("python3 -c '__import__(\"os\").system(\"curl x\")'", "curl x"),
        ("python3 -c 'getattr(os,\"system\")(\"curl x\")'", "curl x"),
        ("python3 -c 'subprocess.run([\"curl\", \"x\"])'", "curl x"),
        ("python3 -c 'subprocess.run(\"curl x\", shell=True)'", "curl x"),
        ("python3 -c 'subprocess.check_output(\"curl x\".split())'", "curl x"),
        ("python3 -c 'subprocess.Popen(shlex.split(\"curl x\"))'", "curl x"),
        (
            "python3 -c 'subprocess.call((\"curl\", f\"https://{h}/\"))'",
            "curl https://?/",
        ),
        ("python3 -c 'os.execvp(\"curl\", [\"curl\", \"x\"])'", "curl x"),
        ("python3 -c 'os.execlp(\"curl\", \"curl\", \"x\")'", "curl x"),
        ("python3 -c 'os.system(\"cu\" \"rl x\")'", "curl x"),
        ("python3 -c 'os.system(\"cu\" + \"rl x\")'", "curl x"),
        ("perl -e 'system(\"curl x\")'", "curl x"),
        ("perl -e 'system \"curl\", \"x\"'", "curl x"),
        ("perl -e 'exec(\"curl\", \"x\")'", "curl x"),
        ("perl -e 'print `curl x`'", "curl x"),
        ("perl -e 'print qx{curl x}'", "curl x"),
        ("perl -e 'open(F, \"curl x|\")'", "curl x"),
        ("perl -e 'open(F, \"-|\", \"curl x\")'", "curl x"),
        ("ruby -e 'system(\"curl x\")'", "curl x"),
        ("ruby -e 'puts `curl x`'", "curl x"),
        ("ruby -e 'puts %x(curl x)'", "curl x"),
        ("ruby -e 'IO.popen(\"curl x\")'", "curl x"),
        ("php -r 'echo shell_exec(\"curl x\");'", "curl x"),
        ("php -r 'exec(\"curl x\", $o);'", "curl x"),
        ("php -r 'echo `curl x`;'", "curl x"),
        ("node -e 'require(\"child_process\").execSync(\"curl x\")'", "curl x"),
        (
            "node -e 'require(\"child_process\").spawn(\"curl\", [\"x\"])'",
            "curl x",
        ),
        ("lua -e 'os.execute(\"curl x\")'", "curl x"),
        ("awk 'BEGIN{system(\"curl x\")}'", "curl x"),
        ("awk 'BEGIN{\"curl x\" | getline a}'", "curl x"),
        ("awk 'BEGIN{print 1 | \"curl x\"}'", "curl x"),
    ]);
    run(&[], "python3 -c 'os.system(\"curl x\")'", |commands| {
        assert_eq!(commands[1].via, [Via::Code])
    });
}

#[test]
fn what_a_text_only_mentions_does_not_run() {
    assert_none(
        &["sslscan", "testssl", "tlsx", "crt.sh"],
        &[
            "bash -c 'command -v sslscan'",
            "bash -c 'which tlsx || true'",
            "bash -c 'echo testssl.sh'",
            "sh -c '$CURL https://crt.sh'",
            "sh -c '$EDITOR testssl.sh'",
            "python3 -c 'print(\"sslscan\")'",
            "ssh -W crt.sh:443 host",
        ],
    );
}

//! Lines in which no shell text has to be parsed.

use super::{assert_all, assert_innermost, assert_none, run};
use crate::acts::Via;

#[test]
fn a_wrapper_runs_what_stands_behind_its_options() {
    assert_innermost(&[
        ("curl -s https://crt.sh", "curl -s https://crt.sh"),
        ("sudo curl x", "curl x"),
        ("/usr/bin/sudo -n curl x", "curl x"),
        ("sudo -u root curl x", "curl x"),
        ("sudo -uroot curl x", "curl x"),
        ("sudo --user root curl x", "curl x"),
        ("sudo --user=root -H -E curl x", "curl x"),
        ("sudo -nu root -g adm curl x", "curl x"),
        ("sudo --login curl x", "curl x"),
        ("sudo -i curl x", "curl x"),
        ("sudo -s curl x", "curl x"),
        ("sudo -C 3 -D /tmp -p prompt curl x", "curl x"),
        ("sudo -T 10 -- curl x", "curl x"),
        ("sudo A=b C=d curl x", "curl x"),
        ("sudo --preserve-env=PATH curl x", "curl x"),
        ("sudo --preserve-env curl x", "curl x"),
        ("doas -u nobody curl x", "curl x"),
        ("doas -n -- curl x", "curl x"),
        ("pkexec --user root curl x", "curl x"),
        ("runuser -u nobody -- curl x", "curl x"),
        ("runuser -u nobody curl x", "curl x"),
        ("gosu nobody curl x", "curl x"),
        ("su-exec nobody:nogroup curl x", "curl x"),
        ("run0 --user=root curl x", "curl x"),
        ("setpriv --reuid 1000 --clear-groups curl x", "curl x"),
        ("runcon -t unconfined_t curl x", "curl x"),
        ("aa-exec -p profile -- curl x", "curl x"),
        ("fakeroot -- curl x", "curl x"),
        ("env curl x", "curl x"),
        ("env - curl x", "curl x"),
        ("env -i PATH=/bin curl x", "curl x"),
        ("env -u HOME -C /tmp A=b curl x", "curl x"),
        ("env --unset=HOME --chdir /tmp curl x", "curl x"),
        ("env -a other curl x", "curl x"),
        ("env A=b -- curl x", "curl x"),
        ("nice curl x", "curl x"),
        ("nice -n 10 curl x", "curl x"),
        ("nice -n10 curl x", "curl x"),
        ("nice -10 curl x", "curl x"),
        ("nice --adjustment=5 curl x", "curl x"),
        ("ionice -c 3 curl x", "curl x"),
        ("ionice -c3 -n7 -t curl x", "curl x"),
        ("chrt -b 0 curl x", "curl x"),
        ("chrt 50 curl x", "curl x"),
        ("taskset 0x1 curl x", "curl x"),
        ("taskset -c 0-3 curl x", "curl x"),
        ("numactl -N 0 --membind 0 curl x", "curl x"),
        ("prlimit --nofile=64 curl x", "curl x"),
        ("cgexec -g cpu:x curl x", "curl x"),
        ("choom -n 500 -- curl x", "curl x"),
        ("nohup curl x", "curl x"),
        ("setsid -w curl x", "curl x"),
        ("timeout 5 curl x", "curl x"),
        ("timeout -k 1 -s KILL 5s curl x", "curl x"),
        ("timeout --signal KILL 5 curl x", "curl x"),
        ("timeout --signal=KILL --foreground 5 curl x", "curl x"),
        ("timeout --sig KILL 5 curl x", "curl x"),
        ("stdbuf -oL curl x", "curl x"),
        ("stdbuf -o L -e 0 curl x", "curl x"),
        ("unbuffer -p curl x", "curl x"),
        ("time -p curl x", "curl x"),
        ("/usr/bin/time -f %e -o /tmp/t curl x", "curl x"),
        ("/usr/bin/time -v curl x", "curl x"),
        ("systemd-run -p MemoryMax=1G --unit x --scope curl x", "curl x"),
        ("systemd-run -t --wait curl x", "curl x"),
        ("systemd-inhibit --what idle curl x", "curl x"),
        ("systemd-cat -t x curl x", "curl x"),
        ("flock /tmp/lock curl x", "curl x"),
        ("flock -n -w 5 /tmp/lock curl x", "curl x"),
        ("start-stop-daemon --start --exec /usr/bin/curl -- -s x", "curl -s x"),
        ("start-stop-daemon -S -b -x /usr/bin/curl -- -s x", "curl -s x"),
        ("dumb-init -- curl x", "curl x"),
        ("tini -s -- curl x", "curl x"),
        ("retry -t 3 curl x", "curl x"),
        ("rlwrap curl x", "curl x"),
        ("xvfb-run -a -s args curl x", "curl x"),
        ("dbus-run-session -- curl x", "curl x"),
        ("ssh-agent curl x", "curl x"),
        ("screen -dmS name curl x", "curl x"),
        ("screen -d -m -S name curl x", "curl x"),
        ("tmux new -d -s name curl x", "curl x"),
        ("tmux -L sock new-session -d curl x", "curl x"),
        ("xterm -T title -e curl x", "curl x"),
        ("strace -f -o /tmp/t curl x", "curl x"),
        ("strace -fe trace=network -s 200 curl x", "curl x"),
        ("strace --trace execve curl x", "curl x"),
        ("ltrace -e strlen curl x", "curl x"),
        ("perf record -g -o /tmp/p -- curl x", "curl x"),
        ("perf stat -e cycles curl x", "curl x"),
        ("gdb -q -ex run --args curl x", "curl x"),
        ("valgrind --tool=memcheck curl x", "curl x"),
        ("catchsegv curl x", "curl x"),
        ("/lib64/ld-linux-x86-64.so.2 /usr/bin/curl x", "curl x"),
        (
            "/lib64/ld-linux-x86-64.so.2 --library-path /lib --argv0 a /usr/bin/curl x",
            "curl x",
        ),
        ("/lib/ld-musl-x86_64.so.1 /usr/bin/curl x", "curl x"),
        ("setarch x86_64 -R curl x", "curl x"),
        ("setarch -R curl x", "curl x"),
        ("linux64 curl x", "curl x"),
        ("qemu-x86_64-static -L /usr curl x", "curl x"),
        ("ip netns exec blue curl x", "curl x"),
        ("ip -n blue netns exec blue curl x", "curl x"),
        ("proxychains4 -q -f /tmp/p.conf curl x", "curl x"),
        ("proxychains curl x", "curl x"),
        ("torsocks -i curl x", "curl x"),
        ("torsocks -P 9050 curl x", "curl x"),
        ("torify curl x", "curl x"),
        ("tsocks curl x", "curl x"),
        ("unshare -n -r curl x", "curl x"),
        ("unshare --user --map-root-user --net curl x", "curl x"),
        ("nsenter -t 1 -n curl x", "curl x"),
        ("nsenter --target 1 --net -- curl x", "curl x"),
        ("chroot /srv/root curl x", "curl x"),
        ("chroot --userspec=1:1 /srv/root curl x", "curl x"),
        ("firejail --net=none --quiet curl x", "curl x"),
        ("bwrap --ro-bind / / --dev /dev --unshare-pid curl x", "curl x"),
        ("bwrap --setenv A b --bind /tmp /tmp -- curl x", "curl x"),
        ("caffeinate -i curl x", "curl x"),
        ("sshpass -p secret curl x", "curl x"),
        ("mosh host curl x", "curl x"),
        ("wsl -e curl x", "curl x"),
        ("wsl -d Kali -- curl x", "curl x"),
        ("wsl.exe curl x", "curl x"),
        ("exec -a other curl x", "curl x"),
        ("exec -c curl x", "curl x"),
        ("command curl x", "curl x"),
        ("command -p curl x", "curl x"),
        ("builtin command curl x", "curl x"),
        ("direnv exec . curl x", "curl x"),
        ("bundle exec curl x", "curl x"),
        ("poetry run sslyze x", "sslyze x"),
        ("poetry -C /srv run sslyze x", "sslyze x"),
        ("pipenv run sslyze x", "sslyze x"),
        ("uv run sslyze x", "sslyze x"),
        ("uv run --with sslyze --python 3.12 sslyze x", "sslyze x"),
        ("uv run -m sslyze x", "sslyze x"),
        ("conda run -n env sslyze x", "sslyze x"),
        ("pyenv exec sslyze x", "sslyze x"),
        ("mise exec python@3 -- sslyze x", "sslyze x"),
        ("guix shell sslscan -- sslscan x", "sslscan x"),
        ("nix shell nixpkgs#sslscan -c sslscan x", "sslscan x"),
        ("nix develop --command sslscan x", "sslscan x"),
        ("busybox wget x", "wget x"),
        ("/tmp/busybox-x86_64 wget x", "wget x"),
        ("busybox.static timeout 5 wget x", "wget x"),
        ("toybox wget x", "wget x"),
        (
            "sudo -n env A=b nice -n 5 timeout 5 stdbuf -oL proxychains -q curl x",
            "curl x",
        ),
    ]);
}

#[test]
fn xargs_find_and_parallel_run_a_command_for_what_they_read() {
    assert_innermost(&[
        ("xargs curl -s", "curl -s"),
        ("xargs -n 1 -P 4 curl -s", "curl -s"),
        ("xargs -n1 -P4 -- curl -s", "curl -s"),
        ("xargs -a hosts.txt curl -s", "curl -s"),
        ("xargs -r -0 curl -s", "curl -s"),
        ("xargs -I{} curl https://crt.sh/?q={}", "curl https://crt.sh/?q=?"),
        ("xargs -I % curl https://crt.sh/?q=%", "curl https://crt.sh/?q=?"),
        ("xargs -i curl https://crt.sh/?q={}", "curl https://crt.sh/?q=?"),
        ("xargs -i@ curl https://crt.sh/?q=@", "curl https://crt.sh/?q=?"),
        ("xargs --replace curl https://crt.sh/?q={}", "curl https://crt.sh/?q=?"),
        ("xargs --replace=X curl https://crt.sh/?q=X", "curl https://crt.sh/?q=?"),
        ("xargs --max-args 1 --max-procs=4 curl", "curl"),
        ("find . -name x -exec openssl x509 -in {} ;", "openssl x509 -in ?"),
        ("find . -type f -execdir curl -T {} +", "curl -T ?"),
        ("find . -ok curl {} ;", "curl ?"),
        ("find . -exec curl a ; -exec wget b ;", "wget b"),
        ("find . -exec curl a", "curl a"),
        ("fd pem -x openssl x509 -in {}", "openssl x509 -in ?"),
    ]);
    assert_all(&[
        ("find . -exec curl a ; -exec wget b ;", &["curl a", "wget b"]),
        ("find . -name curl", &[]),
        ("xargs", &[]),
        ("xargs -0", &[]),
    ]);
}

#[test]
fn an_image_is_a_command_and_so_are_the_words_behind_it() {
    assert_all(&[
        (
            "docker run --rm -it drwetter/testssl.sh:3.0 example.com",
            &["testssl.sh example.com"],
        ),
        (
            "docker run -ti --rm drwetter/testssl.sh example.com",
            &["testssl.sh example.com"],
        ),
        (
            "docker run --rm nablac0d3/sslyze example.com:443",
            &["sslyze example.com:443"],
        ),
        (
            "docker run projectdiscovery/tlsx -u example.com",
            &["tlsx -u example.com"],
        ),
        (
            "podman run docker.io/projectdiscovery/tlsx:latest -u example.com",
            &["tlsx -u example.com"],
        ),
        (
            "docker run -v /tmp:/tmp -e A=b --network host curlimages/curl https://crt.sh",
            &["curl https://crt.sh"],
        ),
        (
            "docker --context x run curlimages/curl -s https://crt.sh",
            &["curl -s https://crt.sh"],
        ),
        ("docker -H tcp://h:1 run curlimages/curl -s x.y", &["curl -s x.y"]),
        ("docker container run curlimages/curl -s x.y", &["curl -s x.y"]),
        (
            "docker run alpine sslscan example.com",
            &["alpine sslscan example.com", "sslscan example.com"],
        ),
        (
            "docker run -d --name x alpine /opt/testssl.sh a.b",
            &["alpine /opt/testssl.sh a.b", "testssl.sh a.b"],
        ),
        (
            "docker run --entrypoint curl alpine https://crt.sh",
            &["curl https://crt.sh"],
        ),
        (
            "docker run --entrypoint=/usr/bin/curl alpine https://crt.sh",
            &["curl https://crt.sh"],
        ),
        ("docker exec -it web curl x", &["curl x"]),
        ("docker exec -u root -w /tmp web curl x", &["curl x"]),
        ("docker container exec web curl x", &["curl x"]),
        ("docker compose -f x.yml run --rm web curl x", &["curl x"]),
        ("docker compose exec web curl x", &["curl x"]),
        ("docker-compose exec web curl x", &["curl x"]),
        ("nerdctl run curlimages/curl -s x.y", &["curl -s x.y"]),
        (
            "ctr -n k8s.io run --rm docker.io/curlimages/curl:latest c1 curl x",
            &["curl c1 curl x", "c1 curl x"],
        ),
        (
            "kubectl run t --rm -it --image=curlimages/curl -- https://crt.sh",
            &["curl https://crt.sh"],
        ),
        (
            "kubectl run t --image curlimages/curl --restart=Never -- curl https://crt.sh",
            &["curl curl https://crt.sh", "curl https://crt.sh"],
        ),
        (
            "kubectl -n x run t --image=alpine --command -- curl https://crt.sh",
            &["alpine curl https://crt.sh", "curl https://crt.sh"],
        ),
        ("kubectl exec -it pod -- curl x", &["curl x"]),
        ("kubectl exec -n ns pod -c main -- curl x", &["curl x"]),
        ("oc exec pod -- curl x", &["curl x"]),
        (
            "k3s kubectl exec pod -- curl x",
            &["kubectl exec pod -- curl x", "curl x"],
        ),
        ("crictl exec -it abc curl x", &["curl x"]),
        ("lxc exec box -- curl x", &["curl x"]),
        ("lxc-attach -n box -- curl x", &["curl x"]),
        ("machinectl shell root@box /usr/bin/curl x", &["curl x"]),
        ("systemd-nspawn -D /srv/box curl x", &["curl x"]),
        ("buildah run box -- curl x", &["curl x"]),
        ("buildah run box curl x", &["curl x"]),
        ("apptainer run docker://curlimages/curl -s x.y", &["curl -s x.y"]),
        ("singularity run sslyze_latest.sif a.b", &["sslyze_latest.sif a.b"]),
        (
            "singularity exec -B /tmp img.sif sslscan a.b",
            &["img.sif sslscan a.b", "sslscan a.b"],
        ),
        ("distrobox enter kali -- sslscan a.b", &["sslscan a.b"]),
        ("toolbox run -c kali sslscan a.b", &["sslscan a.b"]),
        ("flatpak run org.example.sslscan a.b", &["sslscan a.b"]),
        (
            "flatpak run --command=sslscan org.example.Tools a.b",
            &["sslscan org.example.Tools a.b"],
        ),
        ("snap run nmap.ncat a.b", &["ncat a.b"]),
    ]);
}

#[test]
fn a_launcher_runs_the_package_that_it_is_told() {
    assert_all(&[
        ("npx tool -d x", &["tool -d x"]),
        ("npx -y tool@1.2 -d x", &["tool -d x"]),
        ("npx --yes @scope/tool -d x", &["tool -d x"]),
        ("npx -p pkg tool -d x", &["tool -d x"]),
        ("npx --package=pkg tool -d x", &["tool -d x"]),
        ("npm exec -- tool -d x", &["tool -d x"]),
        ("npm x tool", &["tool"]),
        ("pnpm dlx tool x", &["tool x"]),
        ("yarn dlx tool x", &["tool x"]),
        ("bunx tool x", &["tool x"]),
        ("uvx sslyze a.b", &["sslyze a.b"]),
        ("uvx sslyze@6.0 a.b", &["sslyze a.b"]),
        ("uvx --from sslyze==6.0 sslyze a.b", &["sslyze a.b"]),
        ("uv tool run --python 3.12 sslyze a.b", &["sslyze a.b"]),
        ("pipx run sslyze a.b", &["sslyze a.b"]),
        (
            "pipx run --spec git+https://example.org/ctfr.git ctfr -d a.b",
            &["ctfr -d a.b"],
        ),
        ("pipx run sslyze==5.0 a.b", &["sslyze a.b"]),
        (
            "go run github.com/projectdiscovery/tlsx/cmd/tlsx@latest -u a.b",
            &["tlsx -u a.b"],
        ),
        (
            "go run -tags x github.com/projectdiscovery/subfinder/v2/cmd/subfinder@v2.6 -d a.b",
            &["subfinder -d a.b"],
        ),
        ("go run example.org/tool/v2@latest a.b", &["tool a.b"]),
        ("go run ./cmd/x", &[]),
        ("go run .", &[]),
        ("go run main.go", &[]),
        ("go1.22 run example.org/tool@latest", &["tool"]),
        ("nix run nixpkgs#sslscan -- a.b", &["sslscan a.b"]),
        (
            "nix --extra-experimental-features x run nixpkgs#sslscan a.b",
            &["sslscan a.b"],
        ),
        ("python3 -m pipx run sslyze a.b", &["pipx run sslyze a.b", "sslyze a.b"]),
        (
            "python -m cProfile -o /tmp/p ctfr.py -d a.b",
            &["cprofile -o /tmp/p ctfr.py -d a.b", "ctfr.py -d a.b"],
        ),
    ]);
}

#[test]
fn an_interpreter_runs_a_module_or_a_script_by_its_name() {
    assert_all(&[
        ("python3 -m sslyze a.b", &["sslyze a.b"]),
        ("python3.11 -I -m sslyze.cli a.b", &["sslyze.cli a.b"]),
        ("python3 -W ignore -X dev -m sslyze a.b", &["sslyze a.b"]),
        ("python3 -Im sslyze a.b", &["sslyze a.b"]),
        ("python3 -msslyze a.b", &["sslyze a.b"]),
        ("python ctfr.py -d a.b", &["ctfr.py -d a.b"]),
        ("python3 -u /opt/ctfr/ctfr.py -d a.b", &["ctfr.py -d a.b"]),
        ("python3 ./sslyze/ a.b", &["sslyze a.b"]),
        ("python3 sslyze.pyz a.b", &["sslyze.pyz a.b"]),
        ("python3 -c 'print(1)' a.b", &[]),
        ("python3 - a.b", &[]),
        ("python3", &[]),
        ("python3 -V", &[]),
        ("pypy3 ctfr.py", &["ctfr.py"]),
        ("perl tool.pl a", &["tool.pl a"]),
        ("perl -I lib -w tool.pl a", &["tool.pl a"]),
        ("perl -Ilib -MLWP::Simple -e 'print 1' a", &[]),
        ("perl -i.pre -e 'print 1' a", &[]),
        ("ruby -r json tool.rb a", &["tool.rb a"]),
        ("node tool.js a", &["tool.js a"]),
        ("node --require x tool.js a", &["tool.js a"]),
        ("nodejs -e 'console.log(1)'", &[]),
        ("deno run -A https://host/ctfr.ts?x a", &["ctfr.ts a"]),
        ("bun run tool.ts a", &["run tool.ts a", "tool.ts a"]),
        ("php -d x=y tool.php a", &["tool.php a"]),
        ("php -f tool.php a", &["tool.php a"]),
        ("lua tool.lua a", &["tool.lua a"]),
        ("tclsh8.6 tool.tcl a", &["tool.tcl a"]),
        ("Rscript tool.R a", &["tool.r a"]),
        ("java -jar /opt/tool-1.2.jar a", &["tool-1.2.jar a"]),
        ("java -Xmx1g -cp a.jar:b.jar org.example.Main a", &["main a"]),
        ("java -Dx=y -classpath a.jar Tool a", &["tool a"]),
        ("pwsh -NoProfile -File tool.ps1 a", &["tool.ps1 a"]),
        ("pwsh tool.ps1 a", &["tool.ps1 a"]),
        ("pwsh -ExecutionPolicy Bypass -f tool.ps1", &["tool.ps1"]),
        ("pwsh -Command 'curl x'", &[]),
        ("powershell.exe -EncodedCommand AAAA", &[]),
        ("bash ./testssl.sh a.b", &["testssl.sh a.b"]),
        ("bash -x -o pipefail ./testssl.sh a.b", &["testssl.sh a.b"]),
        ("bash --norc --rcfile f ./testssl.sh a.b", &["testssl.sh a.b"]),
        ("sh -e -- /opt/testssl.sh a.b", &["testssl.sh a.b"]),
        ("zsh -f testssl.sh a.b", &["testssl.sh a.b"]),
        ("bash", &[]),
        ("bash -l", &[]),
        ("bash -s a.b", &[]),
        ("source ./testssl.sh a.b", &["testssl.sh a.b"]),
        // A script has no part in what a program of its name does.
        ("bash ./watch.sh sslscan a.b", &["watch.sh sslscan a.b"]),
        ("python3 find.py -exec curl", &["find.py -exec curl"]),
    ]);
}

#[test]
fn cmd_runs_what_stands_between_its_operators() {
    assert_all(&[
        ("cmd.exe /c curl x", &["curl x"]),
        ("cmd /d /s /C 'curl x'", &["curl x"]),
        (
            "cmd /c 'echo a & curl x && wget y | find z || del w'",
            &["echo a", "curl x", "wget y", "find z", "del w"],
        ),
        ("cmd /c 'c^u^rl x'", &["curl x"]),
        ("cmd /c 'start /b curl.exe x'", &["curl.exe x"]),
        (r"cmd /c C:\Windows\System32\curl.exe x", &["curl.exe x"]),
        ("cmd /ccurl x", &["curl x"]),
        ("cmd", &[]),
        ("cmd /c", &[]),
    ]);
}

#[test]
fn what_only_mentions_a_program_does_not_run_it() {
    assert_none(
        &["sslscan", "sslyze", "testssl", "tlsx", "curl", "crt.sh"],
        &[
            "apt install sslscan",
            "sudo apt-get install -y sslscan",
            "man sslscan",
            "which tlsx",
            "vim sslyze.py",
            "git clone https://github.com/drwetter/testssl.sh",
            "pip install sslyze",
            "python3 -m pip install sslyze",
            "command -v sslscan",
            "type sslscan",
            "chmod +x testssl.sh",
            "docker pull drwetter/testssl.sh",
            "docker build -t tlsx .",
            "docker rmi drwetter/testssl.sh",
            "sudo -l",
            "sudo -l sslscan",
            "sudo -e testssl.sh",
            "echo sslscan",
            "dpkg -l sslscan",
            "find / -name sslscan",
            "grep -r crt.sh /etc",
            "xargs --help sslscan",
            "npm install sslyze",
            "go install github.com/projectdiscovery/tlsx/cmd/tlsx@latest",
            "kubectl get pods tlsx",
            "pgrep -f sslscan",
            "taskset -p 123 sslscan",
            "cat testssl.sh",
            "systemctl status sslscan",
            "python3 -c 'print(\"sslscan\")'",
            "tar xzf testssl.sh.tar.gz",
            "nix-shell -p sslscan",
            "docker run --help sslscan",
        ],
    );
}

#[test]
fn the_kernels_names_come_first_and_argv_0_counts_too() {
    let names = |kernel: &[&str], line: &str| run(kernel, line, |commands| commands[0].programs.join(" "));
    assert_eq!(
        names(&["python3", "python3.11"], "python x"),
        "python3 python python3.11"
    );
    assert_eq!(names(&["x", "curl"], "/usr/sbin/cron x"), "x curl cron");
    assert_eq!(names(&["bash"], "-bash"), "bash");
    assert_eq!(names(&["sh", "busybox"], "sh"), "sh busybox");
    assert_eq!(names(&["curl"], ""), "curl");
    assert_eq!(names(&[], ""), "");
}

#[test]
fn an_applet_under_its_own_name_is_not_looked_through_as_busybox() {
    run(&["wget", "busybox"], "wget https://crt.sh", |commands| {
        assert_eq!(commands.len(), 1)
    });
    run(&["busybox"], "curl x", |commands| assert_eq!(commands.len(), 1));
}

#[test]
fn a_script_that_the_kernel_started_is_found_behind_its_interpreter() {
    run(
        &["ctfr.py", "python3.11"],
        "/usr/bin/python3 ./ctfr.py -d a.b",
        |commands| {
            assert_eq!(commands[1].programs, ["ctfr.py", "ctfr"]);
            assert_eq!(commands[1].via, [Via::Launcher]);
            assert_eq!(commands.len(), 2);
        },
    );
}

#[test]
fn the_way_to_a_command_is_told() {
    run(
        &[],
        "sudo docker run alpine timeout 5 python3 -m sslyze a.b",
        |commands| {
            let last = commands.last().unwrap();
            assert_eq!(last.programs, ["sslyze"]);
            assert_eq!(last.via, [Via::Wrapper, Via::Container, Via::Wrapper, Via::Launcher]);
        },
    );
}

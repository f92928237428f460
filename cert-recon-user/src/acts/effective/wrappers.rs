//! The table of programs that run another one, with their options that take a value.
//!
//! To add a program, add a line: its names, the letters of its short options with a value, its long ones, and what
//! is special about it. Options without a value need not be listed. Sources: the programs' manual pages.

mod containers;
mod launchers;

pub(super) use self::containers::CONTAINERS;
pub(super) use self::launchers::LAUNCHERS;
use super::wrapper::{Rest, Wrapper};

const fn of(names: &'static str, short: &'static str, long: &'static str) -> Wrapper {
    Wrapper::new(names, short, long)
}

/// Every row.
pub(super) static TABLE: &[Wrapper] = &[
    // Another user, other rights.
    of(
        "sudo",
        "CDghpRrTtUua",
        "--close-from --chdir --group --host --prompt --chroot --role --command-timeout \
            --type --other-user --user --login-class",
    )
    .assigns()
    .idle("-l --list -v --validate -e --edit -V -K --remove-timestamp"),
    of("sudo-rs", "Dghu", "--chdir --group --host --user")
        .assigns()
        .idle("-l --list -v --validate"),
    of("doas", "aCu", "").idle("-L -C"),
    of(
        "su runuser",
        "cCgGswTu",
        "--command --session-command --group --supp-group --shell --whitelist-environment \
            --user",
    )
    .texts("-c --command --session-command")
    .permutes()
    .rest(Rest::Nothing),
    // With -u it runs a program as it is.
    of(
        "runuser",
        "ugGsw",
        "--user --group --supp-group --shell --whitelist-environment",
    )
    .needs("-u --user"),
    of("sg newgrp", "c", "").texts("-c").skip(1).rest(Rest::TextOrWords),
    of("pkexec", "", "--user"),
    of(
        "run0",
        "upgDE",
        "--unit --property --slice --nice --chdir --setenv --background --user --group \
            --machine --description",
    ),
    of("gosu su-exec setuidgid s6-setuidgid", "", "").skip(1),
    of("chpst", "uUbenmdoptcfr/", ""),
    of("softlimit s6-softlimit", "acdfhlmorst", ""),
    of("envdir s6-envdir", "", "").skip(1),
    of(
        "setpriv",
        "",
        "--ambient-caps --inh-caps --bounding-set --ruid --euid --reuid --rgid --egid \
            --regid --groups --securebits --pdeathsig --selinux-label --apparmor-profile \
            --landlock-access --landlock-rule --seccomp-filter --ptracer",
    ),
    of("capsh", "", "--").texts("-c"),
    of("runcon", "trulc", "--type --role --user --range"),
    of("aa-exec", "pn", "--profile --namespace"),
    of("fakeroot fakeroot-ng", "lsibu", "--lib --faked --fd-base"),
    of(
        "fakechroot",
        "seflcb",
        "--environment --elfloader --bindir --config-dir --lib",
    ),
    of(
        "proot",
        "rbmqwkv0iR",
        "--rootfs --bind --mount --qemu --pwd --cwd --kernel-release --verbose --change-id",
    ),
    // Environment.
    of(
        "env genv",
        "uCSa",
        "--unset --chdir --split-string --argv0 --block-signal --default-signal \
            --ignore-signal",
    )
    .splits("-S --split-string")
    .assigns(),
    of("dotenv dotenvx", "fe", "--env-file --file").under(&["run"]),
    of("dotenv-cli", "efc", "").rest(Rest::Dashes),
    of("with-contenv chronic noglob nocorrect builtin coproc", "", ""),
    of("exec", "a", ""),
    of("command", "", "").idle("-v -V"),
    of("eval", "", "").rest(Rest::Text),
    of("direnv", "", "").under(&["exec"]).skip(1),
    of("aws-vault", "d", "--duration --region --backend --mfa-token")
        .under(&["exec"])
        .skip(1),
    of("chamber", "", "").under(&["exec"]).rest(Rest::Dashes),
    of(
        "op doppler infisical teller envconsul",
        "",
        "--env-file --account --project --config --env --path --token",
    )
    .under(&["run"]),
    of("sops", "", "")
        .under(&["exec-env|exec-file"])
        .skip(1)
        .rest(Rest::Text),
    // Scheduling, limits, resources.
    of("nice gnice", "n", "--adjustment"),
    of("ionice", "cnpPu", "--class --classdata --pid --pgid --uid").idle("-p --pid -P --pgid -u --uid"),
    of("chrt", "TPDp", "--sched-runtime --sched-period --sched-deadline")
        .skip(1)
        .idle("-p --pid -m --max"),
    of("taskset", "", "").skip(1).idle("-p --pid"),
    of(
        "numactl",
        "imNCpPwSf",
        "--interleave --membind --cpunodebind --physcpubind --preferred --shm --file \
            --offset --length --shmmode --shmid --weighted-interleave --preferred-many \
            --balancing",
    ),
    of("prlimit", "op", "--output --pid").idle("-p --pid"),
    of("choom", "np", "--adjust --pid").idle("-p --pid"),
    of("cgexec", "g", ""),
    of("cpulimit", "lpe", "--limit --pid --exe"),
    of("schedtool", "npMaRFBID", "").starts("-e"),
    of("uclampset", "mMp", "").idle("-p"),
    of("nohup", "", ""),
    of("setsid", "", ""),
    of("timeout gtimeout", "ks", "--kill-after --signal").skip(1),
    of("timelimit", "tTsSp", ""),
    of("expect", "fDc", "").texts("-c"),
    of("spawn", "", ""),
    of("faketime", "p", "--exclude-monotonic").skip(1),
    of("stdbuf gstdbuf", "ioe", "--input --output --error"),
    of("unbuffer", "", ""),
    of("time gtime", "fo", "--format --output"),
    of("caffeinate", "tw", "").idle("-w"),
    of("systemd-inhibit", "", "--what --who --why --mode").idle("--list"),
    of(
        "systemd-cat",
        "tp",
        "--identifier --priority --stderr-priority --level-prefix --namespace",
    ),
    of(
        "systemd-run",
        "HMpuE",
        "--host --machine --unit --property --description --slice --service-type --uid \
            --gid --nice --working-directory --setenv --expand-environment --on-active \
            --on-boot --on-startup --on-unit-active --on-unit-inactive --on-calendar \
            --path-property --socket-property --timer-property --background --job-mode",
    ),
    of("flock", "wEc", "--timeout --wait --conflict-exit-code --command")
        .texts("-c --command")
        .skip(1),
    of("lockf setlock lckdo", "tW", "").skip(1),
    of(
        "sem",
        "jPS",
        "--id --jobs --timeout --semaphore-name --semaphoretimeout --st",
    ),
    of(
        "start-stop-daemon",
        "xapnusgNPcdkIRr",
        "--exec --startas --pidfile --ppid --name --user --signal --group --nicelevel \
            --procsched --iosched --umask --chuid --chdir --retry --chroot --output --env",
    )
    .programs("-x --exec -a --startas")
    .idle("-K --stop -T --status"),
    of("daemonize", "acelopuE", ""),
    of(
        "daemon",
        "nFDulLo",
        "--name --pidfile --chdir --user --chroot --env --output --stdout --stderr",
    ),
    of("dumb-init", "r", "--rewrite"),
    of("tini tini-static catatonit", "pe", ""),
    of("s6-applyuidgid s6-supervise chronyrun", "ugG", ""),
    of(
        "retry",
        "dmtsuw",
        "--delay --tries --max --times --sleep --until --while",
    ),
    of(
        "hyperfine",
        "wmMrSspcnu",
        "--warmup --min-runs --max-runs --runs --parameter-scan --parameter-list --shell \
            --setup --prepare --conclude --cleanup --export-json --export-csv \
            --export-markdown --command-name --style --output --input",
    )
    .texts("-s --setup -p --prepare -c --cleanup")
    .rest(Rest::Texts),
    of("watch viddy hwatch", "nq", "--interval --equexit").rest(Rest::Text),
    of("entr", "", ""),
    of(
        "watchexec",
        "wefiEdsI",
        "--watch --exts --filter --ignore --debounce --signal --shell --env",
    )
    .rest(Rest::Text),
    // Terminals and recordings.
    of(
        "script",
        "cEIOoBmTlf",
        "--command --echo --log-in --log-out --log-io --log-timing --logging-format \
            --output-limit",
    )
    .texts("-c --command")
    .permutes()
    .rest(Rest::Dashes),
    of("scriptlive", "cIBtTm", "--command")
        .texts("-c --command")
        .rest(Rest::Nothing),
    of("asciinema", "cti", "--command --title --idle-time-limit")
        .under(&["rec"])
        .texts("-c --command")
        .rest(Rest::Nothing),
    of(
        "rlwrap",
        "abCDefFgHlmMOpqsStwz",
        "--break-chars --file --histsize --history-filename --logfile --filter \
            --command-name",
    ),
    of("ttyrec", "e", "").texts("-e").rest(Rest::Nothing),
    of("screen", "cehpstTSx", "").idle("-ls -list -r -X -wipe"),
    of("dtach", "Ee", "").skip(2),
    of("abduco", "e", "").skip(1),
    of(
        "xterm uxterm urxvt rxvt lxterm st kitty alacritty konsole xfce4-terminal tilix \
            terminator",
        "TnFfg",
        "-geometry -title -fn -T --title --geometry",
    )
    .starts("-e -x --command --execute"),
    of(
        "gnome-terminal mate-terminal",
        "",
        "--title --geometry --working-directory --profile",
    )
    .starts("-e -x")
    .rest(Rest::Dashes),
    of(
        "xvfb-run",
        "efnpsw",
        "--error-file --auth-file --server-num --xauth-protocol --server-args --wait",
    ),
    of("dbus-run-session dbus-launch", "", "--config-file --dbus-daemon"),
    of("ssh-agent", "aEkPt", ""),
    // Tracing, debugging, emulation.
    of(
        "strace",
        "abeEIoOpPsSuUX",
        "--trace --output --attach --env --user --string-limit --columns --expr \
            --trace-path --status --signal --fault --inject --kvm --verbose --raw --abbrev \
            --decode-fds --const-print-style --summary-sort-by --interruptible --argv0",
    ),
    of(
        "ltrace",
        "aAeFlnopsuxwD",
        "--align --config --library --indent --output",
    ),
    of("dtruss truss", "enoDs", ""),
    of(
        "perf",
        "eopCctFmGukIrxDj",
        "--event --output --pid --cpu --count --tid --freq --mmap-pages --call-graph --uid \
            --delay --interval-print --repeat --field-separator --cgroup --clockid --max-size \
            --switch-output --proc-map-timeout --filter --affinity --control --duration",
    )
    .under(&["record|stat|trace|mem|sched|c2c|kmem|lock|top"]),
    of(
        "gdb cgdb",
        "",
        "-ex -x -d -cd -command --command --eval-command --directory --cd -iex -ix \
            --init-eval-command -D --data-directory",
    )
    // With a program and a core file it looks at what has run.
    .starts("--args -args")
    .needs("--args -args"),
    of("lldb", "osSOkKfcp", "--one-line --source --file --core"),
    of("rr", "", "").under(&["record"]),
    of("valgrind", "", ""),
    of("heaptrack memusage catchsegv", "opd", "--output"),
    of(
        "ld.so",
        "",
        "--library-path --preload --audit --inhibit-rpath --argv0 --inhibit-cache \
            --glibc-hwcaps-prepend --glibc-hwcaps-mask --library --list-tunables",
    ),
    of(
        "setarch linux32 linux64 i386 i486 i586 i686 x86_64 uname26 aarch64 arm64",
        "",
        "",
    ),
    of(
        "qemu-x86_64 qemu-x86_64-static qemu-i386 qemu-i386-static qemu-aarch64 \
            qemu-aarch64-static qemu-arm qemu-arm-static",
        "LsEU0BRgrdD",
        "-L -s -E -U -0 -cpu -B -R -g -r -d -D -strace",
    ),
    of("wine wine64 box64 box86 mono", "", ""),
    // Networks of their own.
    of("ip", "nbfl", "-netns -batch -family -loops -rcvbuf")
        .under(&["netns", "exec"])
        .globals("nbfl", "-netns -batch -family -loops -rcvbuf")
        .skip(1),
    of("proxychains proxychains4 proxychains-ng", "f", ""),
    of(
        "torsocks torify tsocks torsock usewithtor",
        "autPp",
        "--address --user --pass --port --userpass",
    ),
    of("graftcp proxybound socksify mgraftcp", "abcsm", ""),
    of("oniux", "", ""),
    of(
        "unshare",
        "RSGw",
        "--propagation --setgroups --root --wd --setuid --setgid --map-user --map-group \
            --map-users --map-groups --owner --load-interp --monotonic --boottime",
    ),
    of("nsenter", "tSGN", "--target --setuid --setgid --net-socket"),
    of("chroot", "", "--userspec --groups").skip(1),
    of("arch-chroot systemd-chroot", "uN", "").skip(1),
    of("firejail", "", ""),
    of(
        "bwrap",
        "",
        "--args --argv0 --userns --userns2 --pidns --uid --gid --hostname --chdir \
            --unsetenv --lock-file --sync-fd --remount-ro --exec-label --file-label --proc \
            --dev --tmpfs --mqueue --dir --seccomp --add-seccomp-fd --block-fd \
            --userns-block-fd --info-fd --json-status-fd --cap-add --cap-drop --perms --size \
            --overlay-src --tmp-overlay",
    )
    .pairs(
        "--bind --bind-try --dev-bind --dev-bind-try --ro-bind --ro-bind-try --bind-fd \
            --ro-bind-fd --symlink --setenv --file --bind-data --ro-bind-data --chmod \
            --ro-overlay",
    ),
    of("minijail0", "bBCcefgijklmnPpRSTuVvx", ""),
    of("nsjail", "Mcuxgpt", "--mode --chroot --user --group --config").rest(Rest::Dashes),
    // Somewhere else, but told to from here.
    of("ssh autossh dropbear-ssh dbclient slogin", "BbcDEeFIiJLlmMOopQRSWw", "")
        .skip(1)
        .idle("-Q -O -W")
        .rest(Rest::Text),
    of("sshpass", "fdpP", ""),
    of(
        "mosh",
        "p",
        "--client --server --ssh --port --predict --bind-server --family",
    )
    .skip(1),
    of("plink", "", "-P -l -pw -pwfile -i -L -R -D -m -ssh -load")
        .skip(1)
        .rest(Rest::Text),
    of(
        "pssh parallel-ssh pdsh clush",
        "hHltpoeOxwgaN",
        "--hosts --host --user --timeout --par",
    )
    .rest(Rest::Text),
    of("vagrant", "c", "--command")
        .under(&["ssh"])
        .texts("-c --command")
        .rest(Rest::Nothing),
    of("adb", "s", "")
        .under(&["shell"])
        .globals("sHPL", "")
        .rest(Rest::Text),
    of("wsl", "du", "--distribution --user --cd --shell-type -d -u").starts("-e --exec"),
    of("git", "", "")
        .under(&["bisect", "run"])
        .globals("cC", "--git-dir --work-tree --namespace"),
    of("git", "", "")
        .under(&["submodule", "foreach"])
        .globals("cC", "--git-dir --work-tree --namespace")
        .rest(Rest::Text),
    of("git", "xsX", "--exec --strategy --strategy-option --onto")
        .under(&["rebase"])
        .globals("cC", "--git-dir --work-tree --namespace")
        .texts("-x --exec")
        .rest(Rest::Nothing),
    // Packers, installers and others with an option for a program.
    of(
        "tar bsdtar gtar",
        "",
        "--to-command --checkpoint-action --use-compress-program --info-script \
            --rsh-command",
    )
    .texts("--to-command --use-compress-program --info-script")
    .rest(Rest::Nothing),
];

/// Subcommands of tmux, of which several may stand in one command.
pub(super) static TMUX: &[Wrapper] = &[
    of("tmux", "ceFfnstxylp", "")
        .under(&["new-session|new|new-window|neww|split-window|splitw|respawn-pane|respawnp|respawn-window|respawnw|display-popup|popup"])
        .globals("cfLST", "")
        .rest(Rest::TextOrWords),
    of("tmux", "dtNc", "")
        .under(&["run-shell|run|if-shell|if|pipe-pane|pipep|send-keys|send|send-key"])
        .globals("cfLST", "")
        .rest(Rest::Texts),
];

#!/bin/bash
# The steps of `cargo xtask vm --systemd`, in the guest. Each is one line on the second serial line:
# `@step ok NAME`, or `@step failed NAME: REASON`, after lines with what led to it.
exec 3>/dev/ttyS1 </dev/null
cd /

LOG=/var/log/cert-recon/findings.ndjson
CONFIG=/etc/cert-recon/config.toml
why=

no() {
    why=$*
    return 1
}

step() {
    local name=$1
    why='(no reason)'
    if "${name//-/_}" >/vm/out 2>&1; then
        echo "@step ok $name" >&3
    else
        {
            tail -n 20 /vm/out
            systemctl status --no-pager --full --lines=30 cert-recon
        } 2>&1 | sed 's/^/@step | /' >&3
        echo "@step failed $name: $why" >&3
    fi
}

# Waits until a command holds; what is waited for is said when it does not.
until_true() {
    local what=$1 i
    shift
    for ((i = 0; i < 600; i++)); do
        "$@" && return
        sleep 0.2
    done
    no "not so within two minutes: $what"
}

property() {
    systemctl show --value --property="$1" cert-recon
}

is_active() {
    local shown pid
    # Asked once for both: between two questions the old one may end, and a state and a number that never went together be read.
    shown=$(systemctl show --property=ActiveState --property=MainPID cert-recon)
    pid=$(sed -n 's/^MainPID=//p' <<<"$shown")
    [[ $shown = *ActiveState=active* && $pid != 0 && $pid != "${1:-0}" ]]
}

status_has() {
    [[ $(property StatusText) = *"$1"* ]]
}

status_lacks() {
    ! status_has "$1"
}

finding() {
    grep -F -- "$1" "$LOG" | grep -q "$2"
}

starts_when_it_is_installed_and_is_active_when_it_sees() {
    dpkg -i /vm/first.deb || no "dpkg -i: $?" || return
    is_active || no "it is $(property ActiveState)" || return
    systemctl is-enabled cert-recon || no 'it is not enabled' || return
    status_has 'Watching; execs ' || no "its status: $(property StatusText)"
}

a_query_is_in_the_file_and_in_the_journal() {
    curl -m1 'https://crt.sh/?q=first.example'
    until_true 'the file has it' finding first.example CTLogQuery || return
    finding first.example '"SHA256":"[0-9a-f]\{64\}"' || no "$(grep first.example "$LOG")" || return
    local row id entry field name
    row=$(grep -F first.example "$LOG" | grep -m1 CTLogQuery)
    id=${row#*\"EventId\":\"} id=${id%%\"*}
    until_true 'the journal has it' in_journal "$id" || return
    [ "$(in_journal "$id" | wc -l)" = 1 ] || no "it is there more than once" || return
    entry=$(journalctl -u cert-recon --output=json "CERT_RECON_EVENT_ID=$id")
    # Every field of the row, but for those of the processes above it, which are one field.
    for field in $(printf %s "$row" | sed 's/"Ancestry":\[[^]]*\]//' | grep -o '"[A-Z][A-Za-z0-9]*":' | tr -d '":') Ancestry; do
        case $field in *Base64) continue ;; esac
        name=CERT_RECON_$(printf %s "$field" | sed 's/\([a-z0-9]\)\([A-Z]\)/\1_\2/g' | tr a-z A-Z)
        case $entry in *"\"$name\""*) ;; *) no "the journal's entry lacks $name: $entry" || return ;; esac
    done
    case $entry in *'"PRIORITY":"3"'*) ;; *) no "$entry" ;; esac
}

# The lines for people of the entries of this finding.
in_journal() {
    journalctl -u cert-recon --output=cat "CERT_RECON_EVENT_ID=$1" | grep 'CTLogQuery.*first.example'
}

executables_in_homes_and_in_tmp_are_hashed() {
    local folder
    mkdir -p /home/user
    for folder in /home/user /root /tmp /dev/shm; do
        cp /usr/bin/curl "$folder/renamed"
        # A target of its own each time: what is the same within a minute is folded.
        "$folder/renamed" -m1 "https://crt.sh/?q=in${folder//\//-}.example"
        until_true "$folder has its hash" finding "$folder/renamed" '"SHA256":"' || return
        rm "$folder/renamed"
    done
}

it_has_two_capabilities_and_a_filter_of_system_calls() {
    local status
    status=$(cat "/proc/$(property MainPID)/status")
    grep -q $'^CapEff:\t0*'"$CAPABILITIES"'$' <<<"$status" || no "$(grep ^Cap <<<"$status")" || return
    grep -q $'^NoNewPrivs:\t1$' <<<"$status" || no 'it could gain privileges' || return
    grep -q $'^Seccomp:\t2$' <<<"$status" || no 'no filter'
}

one_that_is_killed_is_started_anew() {
    local pid
    pid=$(property MainPID)
    kill -KILL "$pid"
    until_true 'another one is active' is_active "$pid"
}

one_that_is_stuck_is_started_anew_by_the_watchdog() {
    local pid
    pid=$(property MainPID)
    kill -STOP "$pid"
    until_true 'another one is active' is_active "$pid" || return
    journalctl -u cert-recon --output=cat | grep -q 'Watchdog timeout' || no 'it was not the watchdog'
}

a_broken_configuration_is_told_and_changes_nothing() {
    local pid
    pid=$(property MainPID)
    cp "$CONFIG" /vm/config
    echo 'min_confidance = "high"' >>"$CONFIG"
    systemctl reload cert-recon || no 'systemctl reload' || return
    until_true 'the status says so' status_has 'did you mean `min_confidence`?' || return
    is_active && [[ $(property MainPID) = "$pid" ]] || no 'it is not the same one' || return
    curl -m1 'https://crt.sh/?q=second.example'
    until_true 'it goes on' finding second.example CTLogQuery
}

a_repaired_one_is_put_to_work() {
    cp /vm/config "$CONFIG"
    printf '[[suppress]]\nname = "ours"\nreason = "ours"\ntarget = "third.example"\n' >>"$CONFIG"
    systemctl reload cert-recon || no 'systemctl reload' || return
    until_true 'the status says nothing of it' status_lacks 'reload failed' || return
    curl -m1 'https://crt.sh/?q=third.example'
    curl -m1 'https://crt.sh/?q=fourth.example'
    until_true 'the next one is there' finding fourth.example CTLogQuery || return
    # Not the name itself: the exec of this grep is in the file, too.
    ! grep -q 'q=[t]hird' "$LOG" || no 'it is not suppressed'
}

the_installed_rules_rotate_its_file() {
    logrotate --force /etc/logrotate.d/cert-recon || no "logrotate: $?" || return
    [[ -e $LOG.1 && $(stat -c %a "$LOG") = 600 ]] || no "$(ls -l /var/log/cert-recon)" || return
    curl -m1 'https://crt.sh/?q=fifth.example'
    until_true 'the new file has it' finding fifth.example CTLogQuery
}

an_upgrade_keeps_the_configuration_and_starts_the_new_one() {
    local pid
    pid=$(property MainPID)
    sha256sum "$CONFIG" >/vm/sum
    dpkg --force-confold -i /vm/second.deb || no "dpkg -i: $?" || return
    sha256sum --check /vm/sum || no 'the configuration is another' || return
    is_active "$pid" || no "it is $(property ActiveState)" || return
    grep -q fifth.example "$LOG" || no 'the file is another'
}

removing_it_keeps_the_configuration_and_what_was_found() {
    dpkg -r cert-recon || no "dpkg -r: $?" || return
    [[ ! -e /usr/bin/cert-recon && -e $CONFIG && -e $LOG ]] || no "$(ls -l /usr/bin/cert-recon "$CONFIG" "$LOG" 2>&1)" || return
    ! pgrep -x cert-recon || no 'it still runs'
}

purging_it_leaves_nothing() {
    dpkg -P cert-recon || no "dpkg -P: $?" || return
    local left
    left=$(find / -xdev -path /vm -prune -o -path /var/log/journal -prune -o -name '*cert-recon*' -print)
    [[ -z $left ]] || no "left: $left" || return
    left=$(systemctl list-units --all --plain --no-legend '*cert-recon*')
    [[ -z $left ]] || no "units: $left"
}

the_log_of_the_kernel_is_clean() {
    local bad
    bad=$(dmesg | grep -E 'WARNING:|BUG:|Oops|Call Trace|soft lockup|audit:.*seccomp.*cert-recon')
    [[ -z $bad ]] || no "$bad"
}

for name in \
    starts-when-it-is-installed-and-is-active-when-it-sees \
    a-query-is-in-the-file-and-in-the-journal \
    executables-in-homes-and-in-tmp-are-hashed \
    it-has-two-capabilities-and-a-filter-of-system-calls \
    one-that-is-killed-is-started-anew \
    one-that-is-stuck-is-started-anew-by-the-watchdog \
    a-broken-configuration-is-told-and-changes-nothing \
    a-repaired-one-is-put-to-work \
    the-installed-rules-rotate-its-file \
    an-upgrade-keeps-the-configuration-and-starts-the-new-one \
    removing-it-keeps-the-configuration-and-what-was-found \
    purging-it-leaves-nothing \
    the-log-of-the-kernel-is-clean; do
    step "$name"
done
echo '@step done' >&3
exec systemctl poweroff --force --force

# One look at this host, in sections of raw lines. Reads its questions from standard input, changes
# nothing, and gives every part that could hang a limit of its own. No secret leaves a file for an
# argument list.
tab=$(printf '\t')
work=$(mktemp -d /dev/shm/jitctl-look.XXXXXX 2> /dev/null || mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cat > "$work/query"
section() { printf '@@section %s\n' "$1"; }
ask() { sed -n "s/^$1$tab//p" "$work/query"; }
have() { command -v "$1" > /dev/null 2>&1; }
text() { [ ! -f "$1" ] || { base64 < "$1" | tr -d '\n'; echo; }; }

section clock
date +%s%N
section disk
df -Pk / /var /var/log /etc 2> /dev/null | sed 1d
section inodes
df -Pi / /var 2> /dev/null | sed 1d

section names
for name in $(ask name); do
    if timeout 2 getent ahosts "$name" > "$work/hosts" 2> /dev/null; then
        printf '%s\tfound\t%s\n' "$name" "$(cut -d' ' -f1 "$work/hosts" | sort -u | tr '\n' ' ')"
    elif [ $? = 124 ]; then
        printf '%s\tsilent\t\n' "$name"
    else
        printf '%s\tunknown\t\n' "$name"
    fi
done

set --
for unit in $(ask unit) $(ask job); do set -- "$@" "$unit"; done
if [ $# != 0 ] && have systemctl; then
    systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,ExecMainStatus,NRestarts,MainPID,TasksMax,Result \
        -- "$@" > "$work/units" 2> /dev/null
fi
section units
[ ! -f "$work/units" ] || cat "$work/units"
section words
for unit in $(ask unit); do
    systemctl is-active --quiet "$unit" 2> /dev/null && continue
    journalctl -q -u "$unit" -n 3 -o cat --no-pager 2> /dev/null | sed "s/^/$unit$tab/"
done
# A job's own words: systemd's about it come after them.
for unit in $(ask job); do
    systemctl is-failed --quiet "$unit" 2> /dev/null || continue
    journalctl -q "_SYSTEMD_UNIT=$unit" -n 8 -o cat --no-pager 2> /dev/null | sed "s/^/$unit$tab/"
done
# Main processes: state letter, soft limit of open files, open files, threads.
section processes
[ ! -f "$work/units" ] || sed -n 's/^MainPID=\([1-9][0-9]*\)$/\1/p' "$work/units" |
    while read -r pid; do
        limit=$(sed -n 's/^Max open files  *\([0-9]*\).*/\1/p' "/proc/$pid/limits" 2> /dev/null)
        state=$(sed -n 's/^State:[^A-Za-z]*\([A-Za-z]\).*/\1/p' "/proc/$pid/status" 2> /dev/null)
        threads=$(sed -n 's/^Threads:[^0-9]*//p' "/proc/$pid/status" 2> /dev/null)
        printf '%s\t%s\t%s\t%s\t%s\n' "$pid" "$state" "$limit" \
            "$(ls "/proc/$pid/fd" 2> /dev/null | wc -l)" "$threads"
    done

section packages
have dpkg-query && dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n' 2> /dev/null |
    grep -v '^[irpu]i \|^rc \|^un \|^pn \|^in '
section listeners
have ss && ss -H -ltnup 2> /dev/null
# Receive buffers of UDP sockets as they really are: port, bytes.
section buffers
have ss && ss -H -lunm 2> /dev/null | awk '
    $1 == "UNCONN" { port = $4; sub(/.*:/, "", port) }
    match($0, /rb[0-9]+/) { print port "\t" substr($0, RSTART + 2, RLENGTH - 2) }'
section addresses
have ip && ip -o addr show scope global up 2> /dev/null | awk '{ sub("/.*", "", $4); print $4 }'
section filter
have nft && timeout 3 nft -nn list table inet jitctl 2> /dev/null
section kernel
for name in net/core/rmem_max net/core/rmem_default net/netfilter/nf_conntrack_count \
    net/netfilter/nf_conntrack_max; do
    [ ! -r "/proc/sys/$name" ] || printf '%s\t%s\n' "${name##*/}" "$(cat "/proc/sys/$name")"
done
have systemd-detect-virt && printf 'container\t%s\n' "$(systemd-detect-virt --container)"
awk '/^Mem(Total|Available):/ { print $1 "\t" $2 }' /proc/meminfo
awk '/^Udp: [0-9]/ { print "rcvbuf_errors\t" $6 }' /proc/net/snmp 2> /dev/null

section manifest
[ ! -f /etc/jitctl/manifest.json ] ||
    sed -n 's/^{"path":"\([^"]*\)","sha256":"\([0-9a-f]*\)".*/\2  \1/p' /etc/jitctl/manifest.json \
        > "$work/owned"
if [ -s "$work/owned" ]; then
    sha256sum -c --quiet "$work/owned" 2> /dev/null
fi
section applied
[ ! -s "$work/owned" ] || cat "$work/owned"
section modes
for path in $(ask private); do
    [ ! -e "$path" ] || stat -L -c '%a	%U	%G	%n' "$path"
done

section bridge
text /etc/jitctl/bridge.toml
section focus
text /etc/jitctl/focus.toml
section authority
text /etc/jitctl/pki/ca.crt
section prosody
for path in $(ask prosody); do text "$path"; done
# Whether the package's own file still includes ours, and the package's version.
section server
if [ -n "$(ask prosody)" ] && [ -f /etc/prosody/prosody.cfg.lua ]; then
    printf 'includes\t%s\n' "$(grep -c '^[[:space:]]*Include.*conf\.d/' /etc/prosody/prosody.cfg.lua)"
    printf 'version\t%s\n' "$(dpkg-query -W -f '${Version}' prosody 2> /dev/null)"
fi

# The secrets that the services really log in with: the probes use them, nothing prints them.
section credentials
for path in $(ask credential); do
    [ ! -f "$path" ] || printf '%s\t%s\n' "$path" "$(text "$path")"
done
# Which processes have such a secret among their arguments.
section leaks
for path in $(ask credential); do
    [ -s "$path" ] || continue
    sed '/^$/d' "$path" | timeout 3 grep -alF -f - /proc/[0-9]*/cmdline 2> /dev/null |
        while IFS=/ read -r _ _ pid _; do
            printf '%s\t%s\t%s\n' "$path" "$pid" "$(cat "/proc/$pid/comm" 2> /dev/null)"
        done
done
section end
exit 0

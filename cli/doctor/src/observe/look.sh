# One look at this host, in sections of raw lines. Reads its questions from standard input, changes
# nothing, and gives every part that could hang a limit of its own.
tab=$(printf '\t')
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cat > "$work/query"
section() { printf '@@section %s\n' "$1"; }
ask() { sed -n "s/^$1$tab//p" "$work/query"; }
have() { command -v "$1" > /dev/null 2>&1; }

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
section units
set --
for unit in $(ask unit); do set -- "$@" "$unit"; done
if [ $# != 0 ] && have systemctl; then
    systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,ExecMainStatus,NRestarts \
        -- "$@" 2> /dev/null
fi
section words
for unit in $(ask unit); do
    systemctl is-active --quiet "$unit" 2> /dev/null && continue
    journalctl -q -u "$unit" -n 3 -o cat --no-pager 2> /dev/null | sed "s/^/$unit$tab/"
done
section packages
have dpkg-query && dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n' 2> /dev/null |
    grep -v '^[irpu]i \|^rc \|^un \|^pn \|^in '
section listeners
have ss && ss -H -ltnup 2> /dev/null
section manifest
[ ! -f /etc/jitctl/manifest.json ] ||
    sed -n 's/^{"path":"\([^"]*\)","sha256":"\([0-9a-f]*\)".*/\2  \1/p' /etc/jitctl/manifest.json \
        > "$work/owned"
if [ -s "$work/owned" ]; then
    sha256sum -c --quiet "$work/owned" 2> /dev/null
fi
section bridge
[ ! -f /etc/jitctl/bridge.toml ] || base64 < /etc/jitctl/bridge.toml | tr -d '\n'
section focus
[ ! -f /etc/jitctl/focus.toml ] || base64 < /etc/jitctl/focus.toml | tr -d '\n'
section authority
[ ! -f /etc/jitctl/pki/ca.crt ] || base64 < /etc/jitctl/pki/ca.crt | tr -d '\n'
# The secrets that the services really log in with: the probes use them, nothing prints them.
section credentials
for path in $(ask credential); do
    [ ! -f "$path" ] || printf '%s\t%s\n' "$path" "$(base64 < "$path" | tr -d '\n')"
done
section end
exit 0

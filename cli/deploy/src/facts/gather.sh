# Facts of this host, in sections of raw lines. Reads the questions from standard input, changes
# nothing. Every list is handled by one process, whatever its length.
[ -z "$root" ] || PATH=$root/bin:$PATH
tab=$(printf '\t')
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cat > "$work/query"
section() { printf '@@section %s\n' "$1"; }
ask() { sed -n "s/^$1$tab//p" "$work/query"; }
have() { command -v "$1" > /dev/null 2>&1; }
manifest=$root/etc/jitctl/manifest.json
state=$root/var/lib/jitctl

section clock
date +%s%N
section system
. /etc/os-release 2> /dev/null
printf 'os\t%s\nversion\t%s\narch\t%s\n' "$ID" "$VERSION_ID" "$(uname -m)"
printf 'cpus\t%s\n' "$(nproc 2> /dev/null)"
sed -n "s/^MemTotal: *\([0-9]*\) kB/memory$tab\1/p" /proc/meminfo
printf 'disk\t%s\n' "$(df -Pk "$root/var" 2> /dev/null | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')"
printf 'container\t%s\n' "$(systemd-detect-virt --container 2> /dev/null || true)"
section addresses
have ip && ip -o addr show 2> /dev/null
section listeners
have ss && ss -H -lntup 2> /dev/null

section manifest
[ ! -f "$manifest" ] || cat "$manifest"
section lease
[ ! -f "$state/lease.json" ] || cat "$state/lease.json"
section interrupted
[ ! -f "$state/journal" ] || cat "$state/journal"
section settings
[ ! -f "$state/settings" ] || cat "$state/settings"
section releases
[ ! -d "$state/releases" ] || ls "$state/releases"

# All paths once: desired files, other paths, and what the manifest says we own.
{
    ask file | cut -f1
    ask path
    ask account | cut -f2
    if [ -f "$manifest" ]; then
        sed -n 's/^{"path":"\([^"]*\)".*/\1/p' "$manifest"
        sed -n 's/^"links":{\(.*\)},$/\1/p' "$manifest" | tr ',' '\n' | sed 's/^"\([^"]*\)":.*/\1/'
    fi
} | sort -u > "$work/paths"
set --
while IFS= read -r path; do
    if [ -e "$root$path" ] || [ -L "$root$path" ]; then set -- "$@" "$root$path"; fi
done < "$work/paths"
section stat
[ $# = 0 ] || stat --printf '%a\t%U\t%G\t%Y\t%F\t%n\n' -- "$@"
section links
for path in "$@"; do
    [ ! -L "$path" ] || printf '%s\t%s\n' "$path" "$(readlink "$path")"
done
section sums
for path in "$@"; do
    shift
    if [ -f "$path" ] && [ ! -L "$path" ]; then set -- "$@" "$path"; fi
done
[ $# = 0 ] || sha256sum -- "$@" | tee "$work/sums"
section contents
if [ -s "$work/sums" ]; then
    ask file | while IFS=$tab read -r path sum; do
        [ -f "$root$path" ] && [ ! -L "$root$path" ] || continue
        grep -qxF "$sum  $root$path" "$work/sums" && continue
        printf '%s\t%s\n' "$root$path" "$(head -c 262144 "$root$path" | base64 | tr -d '\n')"
    done
fi
section accounts
ask account | while IFS=$tab read -r jid path; do
    [ ! -f "$root$path" ] || printf '%s\t%s\n' "$jid" "$(base64 < "$root$path" | tr -d '\n')"
done
section programs
set -- "$root"/usr/lib/jitctl/releases/*/jitctl-*
[ ! -f "$1" ] || sha256sum -- "$@"

section packages
set --
for package in $(ask package); do set -- "$@" "$package"; done
if [ $# != 0 ] && have dpkg-query; then
    # shellcheck disable=SC2016
    dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\t${Version}\n' "$@" 2> /dev/null
fi
section users
set --
for user in $(ask user); do set -- "$@" "$user"; done
[ $# = 0 ] || getent passwd "$@"
section units
set --
for unit in $(ask unit); do set -- "$@" "$unit"; done
if [ $# != 0 ] && have systemctl; then
    systemctl show -p Id,ActiveState,SubState,UnitFileState,LoadState,NRestarts -- "$@" 2> /dev/null
fi
section firewall
if have nft; then
    printf 'nft\tyes\n'
    if nft -s list table inet jitctl > "$work/table" 2> /dev/null; then
        printf 'table\t%s\n' "$(sha256sum < "$work/table")"
    fi
fi
[ ! -f "$state/firewall/loaded" ] || printf 'loaded\t%s\n' "$(cat "$state/firewall/loaded")"
if have ufw && ufw status 2> /dev/null | grep -q '^Status: active'; then
    printf 'ufw\tyes\n'
    ufw show added 2> /dev/null | sed -n "/^ufw /s/^/rule$tab/p"
fi
if have firewall-cmd && firewall-cmd --state > /dev/null 2>&1; then
    printf 'firewalld\tyes\n'
    firewall-cmd --permanent --list-rich-rules 2> /dev/null | sed "s/^/rule$tab/"
    firewall-cmd --permanent --list-services 2> /dev/null | tr ' ' '\n' | sed "/./s/^/rule${tab}service /"
fi
section end
exit 0

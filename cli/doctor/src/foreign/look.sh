# One look at a host that other hands set up: a stock Debian Jitsi, or a docker-jitsi-meet folder
# (its path on standard input, or empty for the usual places). Changes nothing.
read -r folder || :
section() { printf '@@section %s\n' "$1"; }
have() { command -v "$1" > /dev/null 2>&1; }
text() { for path in "$@"; do [ ! -f "$path" ] || printf '%s\t%s\n' "$path" "$(base64 < "$path" | tr -d '\n')"; done; }

section files
text /etc/prosody/prosody.cfg.lua /etc/prosody/conf.d/*.lua /etc/prosody/certs/*.crt
text /var/lib/prosody/*/accounts/focus.dat /var/lib/prosody/*/accounts/jvb.dat
text /etc/jitsi/jicofo/config /etc/jitsi/jicofo/jicofo.conf /etc/jitsi/jicofo/sip-communicator.properties
text /etc/jitsi/videobridge/config /etc/jitsi/videobridge/jvb.conf
text /etc/jitsi/videobridge/sip-communicator.properties
text /etc/jitsi/meet/*-config.js /etc/nginx/sites-enabled/* /etc/turnserver.conf

section folder
for place in "$folder" /opt/docker-jitsi-meet /root/docker-jitsi-meet /srv/docker-jitsi-meet \
    /opt/jitsi /home/*/docker-jitsi-meet; do
    [ -n "$place" ] && [ -f "$place/.env" ] || continue
    [ -f "$place/docker-compose.yml" ] || continue
    echo "$place"
    section composed
    text "$place/.env" "$place/docker-compose.yml"
    config=$(sed -n 's/^CONFIG=//p' "$place/.env" | tail -n 1)
    case $config in '' | '~'*) config=$HOME/.jitsi-meet-cfg ;; esac
    text "$config"/prosody/config/data/*/accounts/jvb.dat "$config"/prosody/config/data/*/accounts/focus.dat
    text "$config"/jvb/jvb.conf "$config"/prosody/config/certs/*.crt
    break
done

section memory
sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
section ours
[ ! -f /etc/jitctl/manifest.json ] || echo yes
section packages
have dpkg-query && dpkg-query -W -f '${Package}\t${Version}\t${Depends}\n' \
    jitsi-meet jitsi-meet-web jitsi-meet-prosody jitsi-videobridge2 jicofo prosody nginx coturn 2> /dev/null
section units
have systemctl && for unit in prosody nginx jicofo jitsi-videobridge2; do
    state=$(systemctl show -p LoadState,ActiveState --value "$unit.service" 2> /dev/null | tr '\n' ' ')
    printf '%s\t%s\n' "$unit" "$state"
done
section listeners
have ss && ss -H -ltnup 2> /dev/null
section addresses
have ip && ip -o addr show scope global up 2> /dev/null | awk '{ sub("/.*", "", $4); print $4 }'
section names
for name in $(ls /etc/jitsi/meet/*-config.js 2> /dev/null | sed 's#.*/\(.*\)-config.js#\1#') \
    $(sed -n 's#^PUBLIC_URL="\{0,1\}https*://\([^/:"]*\).*#\1#p' "$place/.env" 2> /dev/null); do
    printf '%s\t%s\n' "$name" "$(timeout 2 getent ahosts "$name" | cut -d' ' -f1 | sort -u | tr '\n' ' ')"
done
section end
exit 0

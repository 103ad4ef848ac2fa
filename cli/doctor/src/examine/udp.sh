# Sends each datagram of standard input (number, address, port, bytes as printf writes them) and
# prints what comes back. Bash alone can speak UDP on a bare Debian. Changes nothing.
command -v bash > /dev/null 2>&1 || exit 0
work=$(mktemp -d /dev/shm/jitctl-udp.XXXXXX 2> /dev/null || mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cat > "$work/query"
bash -c '
work=$1
ask() {
    exec 3<> "/dev/udp/$2/$3" || { printf "%s\tnoway\t\n" "$1"; return; }
    for _ in 1 2 3; do
        printf "$4" >&3
        answer=$(timeout 0.4 dd bs=2048 count=1 status=none <&3 2> "$work/$1" |
            od -An -v -tx1 | tr -d " \n")
        if [ -n "$answer" ]; then
            printf "%s\tanswer\t%s\n" "$1" "$answer"
            return
        elif grep -q refused "$work/$1"; then
            printf "%s\trefused\t\n" "$1"
            return
        elif [ -s "$work/$1" ]; then
            printf "%s\tnoway\t\n" "$1"
            return
        fi
    done
    printf "%s\tsilent\t\n" "$1"
}
while IFS="	" read -r number address port bytes; do
    ask "$number" "$address" "$port" "$bytes" 2> /dev/null &
done < "$work/query"
wait' udp "$work"
exit 0

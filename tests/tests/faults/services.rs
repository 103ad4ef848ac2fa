//! Services: stopped, masked, refused, hung, drained, short of something, of another version, open to
//! the world, without their ports.

use jitctl_tests::{Lab, jitctl};

use super::{
    BRIDGE, Fault, edit, filter, on, put_back, restart_bridge, run_bridge_with, unfilter,
    wait_until,
};

/// A focus that has forgotten the failures: it keeps a bridge that failed a check out of use for a
/// minute.
pub(super) fn focus_again(lab: &Lab) {
    on(lab, "h1", "systemctl restart jitctl-focus");
}

/// Another program opens a socket before a service of ours does.
fn take(lab: &Lab, host: &str, unit: &str, open: &str) {
    let line = format!(
        "systemctl stop {unit}; systemd-run -q --unit=taker python3 -c \
         'import socket, time; s = socket.{open}; time.sleep(300)'; sleep 0.5; \
         systemctl start {unit} || true; sleep 1"
    );
    on(lab, host, &line);
}

fn give_back(lab: &Lab, host: &str, unit: &str) {
    let line = format!(
        "systemctl stop taker; systemctl reset-failed {unit} 2> /dev/null || true; \
         systemctl restart {unit}"
    );
    on(lab, host, &line);
}

const DROP_INS: &str = "/etc/systemd/system/jitctl-bridge.service.d";

/// The bridge of `h3` starts anew with another limit.
fn limit_bridge(lab: &Lab, setting: &str) {
    let line = format!(
        "mkdir -p {DROP_INS}; printf '[Service]\\n{setting}\\n' > {DROP_INS}/low.conf; \
         systemctl daemon-reload; systemctl restart jitctl-bridge; sleep 1"
    );
    on(lab, "h3", &line);
}

fn unlimit_bridge(lab: &Lab) {
    let line =
        format!("rm -r {DROP_INS}; systemctl daemon-reload; systemctl restart jitctl-bridge");
    on(lab, "h3", &line);
}

/// Waits until the bridge of `h3` says this of its health.
fn wait_for_status(lab: &Lab, status: &str) {
    let command = format!(
        "[ \"$(curl -so /dev/null -w '%{{http_code}}' http://127.0.0.1:8080/about/health)\" = {status} ]"
    );
    wait_until(lab, "h3", &command);
}

/// Stops one thread of the bridge, a media worker, as a debugger does (ptrace(2), PTRACE_SEIZE and
/// PTRACE_INTERRUPT).
const HANG_WORKER: &str = "
    for task in /proc/$(pidof jitctl-bridge)/task/*; do
        [ \"$(cat $task/comm)\" != media-0 ] || thread=${task##*/}
    done
    systemd-run -q --unit=hang perl -e \"syscall(101, \\$_, $thread, 0, 0) == 0 or die for 16902, 16903; sleep 300\"
    sleep 1; systemctl is-active -q hang";

/// Takes the bridge's UDP sockets (pidfd_open(2), pidfd_getfd(2)) and makes their receive buffers
/// small (getsockopt(2), setsockopt(2)).
const SMALL_BUFFER: &str = r#"perl -e '
    my $bridge = `pidof jitctl-bridge` + 0;
    my $pidfd = syscall(434, $bridge, 0);
    for my $path (glob "/proc/$bridge/fd/*") {
        my $number = $path =~ s#.*/##r + 0;
        my $taken = syscall(438, $pidfd, $number, 0);
        my ($type, $length, $size) = (pack("i", 0), pack("i", 4), pack("i", 65536));
        next if $taken < 0 || syscall(55, $taken, 1, 3, $type, $length) != 0;
        syscall(54, $taken, 1, 8, $size, 4) if unpack("i", $type) == 2;
    }'"#;

/// Many tracked flows, in a table that has room for hardly more; its size cannot be set for one host
/// of a lab alone.
const MANY_CONNECTIONS: &str = r#"
    python3 -c 'import socket
for port in range(20000, 20200):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))'
    cd /proc/sys/net/netfilter; echo $(($(cat nf_conntrack_count) + 9)) > /run/connections
    mount --bind /run/connections nf_conntrack_max"#;

/// People in small rooms on both bridges, for a while.
fn let_people_meet(lab: &Lab) {
    let program = jitctl();
    let program = program.to_string_lossy();
    let load = "load --rooms 4 --people 2 --video 0 --seconds 12".split(' ');
    let words: Vec<&str> = [&*program].into_iter().chain(load).collect();
    // They leave by themselves.
    drop(lab.start(&lab.client_words(&words)));
}

/// The same program with another version in it.
const OTHER_VERSION: &str = "
    cd /usr/lib/jitctl; readlink current-bridge > /root/bridge-release
    cp -a \"$(readlink -f current-bridge)\" releases/other
    version=$(releases/other/jitctl-bridge --version | grep -o '[0-9]*\\.[0-9]*\\.[0-9]*')
    changed=$(printf %s \"$version\" | sed 's/.$/9/')
    LC_ALL=C sed -i \"s/$version/$changed/g\" releases/other/jitctl-bridge
    ln -sfn releases/other current-bridge; systemctl restart jitctl-bridge; sleep 1";

pub(crate) static FAULTS: &[Fault] = &[
    Fault {
        name: "bridge stopped",
        code: "H09",
        host: "h3",
        cause: |lab| on(lab, "h3", "systemctl stop jitctl-bridge"),
        mend: |lab| on(lab, "h3", "systemctl start jitctl-bridge"),
    },
    Fault {
        name: "unit masked (mended by --fix)",
        code: "H10",
        host: "h1",
        cause: |lab| on(lab, "h1", "systemctl -q mask --now nginx"),
        mend: |lab| drop(lab.run(&["doctor", "--fix"])),
    },
    Fault {
        name: "exit 78",
        code: "B20",
        host: "h3",
        cause: |lab| {
            edit(lab, "h3", BRIDGE, "$a[nonsense]");
            on(
                lab,
                "h3",
                "systemctl restart jitctl-bridge || true; sleep 1",
            );
        },
        mend: |lab| {
            put_back(lab, "h3", BRIDGE);
            restart_bridge(lab, "h3");
        },
    },
    Fault {
        name: "bridge wedged (SIGSTOP)",
        code: "B22",
        host: "h3",
        cause: |lab| on(lab, "h3", "systemctl kill -s STOP jitctl-bridge"),
        mend: |lab| {
            on(lab, "h3", "systemctl kill -s CONT jitctl-bridge");
            focus_again(lab);
        },
    },
    Fault {
        name: "bridge drained",
        code: "B14",
        host: "h3",
        cause: |lab| {
            on(
                lab,
                "h3",
                "curl -fsX POST http://127.0.0.1:8080/colibri/drain/enable; sleep 6",
            );
        },
        mend: |lab| {
            on(
                lab,
                "h3",
                "curl -fsX POST http://127.0.0.1:8080/colibri/drain/disable",
            );
        },
    },
    Fault {
        name: "bridge of another version",
        code: "R02",
        host: "h1",
        cause: |lab| on(lab, "h3", OTHER_VERSION),
        mend: |lab| {
            on(
                lab,
                "h3",
                "cd /usr/lib/jitctl; ln -sfn \"$(cat /root/bridge-release)\" current-bridge; \
                 rm -r releases/other; systemctl restart jitctl-bridge",
            );
        },
    },
    Fault {
        name: "file limit low",
        code: "B09",
        host: "h3",
        cause: |lab| limit_bridge(lab, "LimitNOFILE=256"),
        mend: unlimit_bridge,
    },
    Fault {
        name: "bridge channel without a domain",
        code: "W08",
        host: "h3",
        cause: |lab| edit(lab, "h3", BRIDGE, "s/^domains = .*/domains = []/"),
        mend: |lab| put_back(lab, "h3", BRIDGE),
    },
    Fault {
        name: "bridge runs without its channel",
        code: "W09",
        host: "h3",
        cause: |lab| {
            run_bridge_with(lab, "h3", "/^.websocket/,$d");
        },
        mend: |lab| restart_bridge(lab, "h3"),
    },
    Fault {
        name: "another program holds 443",
        code: "U02",
        host: "h1",
        cause: |lab| take(lab, "h1", "nginx", "create_server((\"\", 443))"),
        mend: |lab| give_back(lab, "h1", "nginx"),
    },
    Fault {
        name: "another program holds 8080",
        code: "B08",
        host: "h3",
        cause: |lab| {
            take(
                lab,
                "h3",
                "jitctl-bridge",
                "create_server((\"127.0.0.1\", 8080))",
            );
        },
        mend: |lab| give_back(lab, "h3", "jitctl-bridge"),
    },
    Fault {
        name: "too few tasks",
        code: "B10",
        host: "h3",
        cause: |lab| limit_bridge(lab, "TasksMax=32"),
        mend: unlimit_bridge,
    },
    Fault {
        name: "memory used up",
        code: "B11",
        host: "h3",
        cause: |lab| {
            on(
                lab,
                "h3",
                "sed 's/^MemAvailable:.*/MemAvailable: 4096 kB/' /proc/meminfo > /run/meminfo; \
                 mount --bind /run/meminfo /proc/meminfo",
            );
        },
        mend: |lab| on(lab, "h3", "umount /proc/meminfo"),
    },
    Fault {
        name: "table of connections almost full",
        code: "B18",
        host: "h3",
        cause: |lab| {
            filter(lab, "h3", "0", "ct state new accept");
            on(lab, "h3", MANY_CONNECTIONS);
        },
        mend: |lab| {
            on(lab, "h3", "umount /proc/sys/net/netfilter/nf_conntrack_max");
            unfilter(lab, "h3");
        },
    },
    Fault {
        name: "more packets than the bridge can carry",
        code: "B16",
        host: "h3",
        cause: |lab| {
            run_bridge_with(lab, "h3", "$a[load]\\npackets_per_second = 50");
            let_people_meet(lab);
            let stress = "curl -s http://127.0.0.1:8888/debug | \
                          grep -Eq '\"stress\": *(0[.][89]|[1-9])'";
            wait_until(lab, "h1", stress);
        },
        mend: |lab| restart_bridge(lab, "h3"),
    },
    Fault {
        name: "media worker hangs",
        code: "B13",
        host: "h3",
        cause: |lab| {
            on(lab, "h3", HANG_WORKER);
            wait_for_status(lab, "500");
        },
        mend: |lab| {
            on(lab, "h3", "systemctl stop hang");
            wait_for_status(lab, "200");
            focus_again(lab);
        },
    },
    Fault {
        name: "focus still holds a healthy bridge for broken",
        code: "B12",
        host: "h3",
        cause: |lab| {
            on(lab, "h3", HANG_WORKER);
            wait_for_status(lab, "500");
            wait_until(
                lab,
                "h1",
                "curl -s http://127.0.0.1:8888/debug | grep -q hangs",
            );
            on(lab, "h3", "systemctl stop hang");
            wait_for_status(lab, "200");
        },
        mend: focus_again,
    },
    Fault {
        name: "UDP buffer small",
        code: "B17",
        host: "h3",
        cause: |lab| on(lab, "h3", SMALL_BUFFER),
        mend: |lab| restart_bridge(lab, "h3"),
    },
    Fault {
        name: "secrets file readable by all",
        code: "P01",
        host: "h2",
        cause: |lab| {
            on(
                lab,
                "h2",
                "chmod 644 /etc/jitctl/credentials/bridge-xmpp-password",
            );
        },
        mend: |lab| {
            on(
                lab,
                "h2",
                "chmod 600 /etc/jitctl/credentials/bridge-xmpp-password",
            );
        },
    },
    Fault {
        name: "secret in the process list",
        code: "P02",
        host: "h2",
        cause: |lab| {
            on(
                lab,
                "h2",
                "systemd-run -q --unit=leak bash -c \
                 'exec -a \"curl -u jvb:$(cat /etc/jitctl/credentials/bridge-xmpp-password)\" sleep 300'; sleep 0.3",
            );
        },
        mend: |lab| on(lab, "h2", "systemctl stop leak"),
    },
    Fault {
        name: "5222 open to the world",
        code: "P03",
        host: "h1",
        cause: |lab| on(lab, "h1", "nft delete table inet jitctl"),
        mend: |lab| on(lab, "h1", "systemctl restart jitctl-firewall"),
    },
    Fault {
        name: "private HTTP open to the world",
        code: "P04",
        host: "h3",
        cause: |lab| {
            edit(
                lab,
                "h3",
                BRIDGE,
                "s/^private = .*/private = \"0.0.0.0:8080\"/",
            );
            restart_bridge(lab, "h3");
            on(lab, "h3", "nft delete table inet jitctl; sleep 1");
        },
        mend: |lab| {
            put_back(lab, "h3", BRIDGE);
            restart_bridge(lab, "h3");
            on(lab, "h3", "systemctl restart jitctl-firewall");
        },
    },
    Fault {
        name: "media port taken",
        code: "B07",
        host: "h3",
        cause: |lab| {
            let open = "socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((\"0.0.0.0\", 10000))";
            take(lab, "h3", "jitctl-bridge", open);
        },
        mend: |lab| give_back(lab, "h3", "jitctl-bridge"),
    },
];

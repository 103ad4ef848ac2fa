//! Services: stopped, masked, refused, hung, drained, of another version, open to the world.

use jitctl_tests::Lab;

use super::{Fault, edit, on, put_back};

const BRIDGE: &str = "/etc/jitctl/bridge.toml";
const NGINX: &str = "/etc/nginx/conf.d/jitctl.conf";

fn restart_bridge(lab: &Lab) {
    on(
        lab,
        "h3",
        "systemctl reset-failed jitctl-bridge 2> /dev/null || true; systemctl restart jitctl-bridge",
    );
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
            restart_bridge(lab);
        },
    },
    Fault {
        name: "bridge wedged (SIGSTOP)",
        code: "B22",
        host: "h3",
        cause: |lab| on(lab, "h3", "systemctl kill -s STOP jitctl-bridge"),
        mend: |lab| on(lab, "h3", "systemctl kill -s CONT jitctl-bridge"),
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
        cause: |lab| {
            on(
                lab,
                "h3",
                "mkdir -p /etc/systemd/system/jitctl-bridge.service.d; \
                 printf '[Service]\\nLimitNOFILE=256\\n' > /etc/systemd/system/jitctl-bridge.service.d/low.conf; \
                 systemctl daemon-reload; systemctl restart jitctl-bridge; sleep 1",
            );
        },
        mend: |lab| {
            on(
                lab,
                "h3",
                "rm -r /etc/systemd/system/jitctl-bridge.service.d; systemctl daemon-reload; \
                 systemctl restart jitctl-bridge",
            );
        },
    },
    Fault {
        name: "nginx without the WebSocket location",
        code: "W03",
        host: "h1",
        cause: |lab| {
            edit(
                lab,
                "h1",
                NGINX,
                "s#location = /xmpp-websocket#location = /gone#",
            );
            on(lab, "h1", "systemctl reload nginx; sleep 1");
        },
        mend: |lab| {
            put_back(lab, "h1", NGINX);
            on(lab, "h1", "systemctl reload nginx");
        },
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
            restart_bridge(lab);
            on(lab, "h3", "nft delete table inet jitctl; sleep 1");
        },
        mend: |lab| {
            put_back(lab, "h3", BRIDGE);
            restart_bridge(lab);
            on(lab, "h3", "systemctl restart jitctl-firewall");
        },
    },
    Fault {
        name: "media port taken",
        code: "B07",
        host: "h3",
        cause: |lab| {
            on(
                lab,
                "h3",
                "systemctl stop jitctl-bridge; systemd-run -q --unit=taker python3 -c \
                 'import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
                 s.bind((\"0.0.0.0\", 10000)); time.sleep(300)'; sleep 0.5; \
                 systemctl start jitctl-bridge || true; sleep 1",
            );
        },
        mend: |lab| {
            on(lab, "h3", "systemctl stop taker");
            restart_bridge(lab);
        },
    },
];

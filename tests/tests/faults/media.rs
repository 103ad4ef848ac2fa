//! The way to the bridges' media port, and the TURN server.

use jitctl_tests::Lab;

use super::certificates::issue;
use super::{
    BRIDGE, Fault, PROSODY, Reader, clear, edit, fault, filter, on, put_back, restart_bridge,
    run_bridge_with, unfilter, wait_for_focus,
};

static TURN: Reader = Reader {
    path: "/etc/jitctl/turnserver.conf",
    load: "systemctl restart coturn; sleep 1",
};

fn turn_again(lab: &Lab) {
    TURN.as_before(lab);
}

pub(crate) static FAULTS: &[Fault] = &[
    Fault {
        name: "10000/udp blocked from outside only",
        code: "B05",
        host: "h3",
        cause: |lab| {
            fault(lab, &["block", "h3", "10000/udp", "--from", "client"]);
        },
        mend: clear,
    },
    Fault {
        name: "10000/udp dropped by the host's own rules",
        code: "B05",
        host: "h3",
        cause: |lab| filter(lab, "h3", "10", "udp dport 10000 drop"),
        mend: |lab| unfilter(lab, "h3"),
    },
    Fault {
        name: "10000/udp blocked between the bridges",
        code: "R04",
        host: "h3",
        cause: |lab| {
            fault(lab, &["block", "h3", "10000/udp", "--from", "h2"]);
        },
        mend: clear,
    },
    Fault {
        name: "advertised address wrong",
        code: "B04",
        host: "h3",
        cause: |lab| {
            edit(
                lab,
                "h3",
                BRIDGE,
                "s/^public_addresses = .*/public_addresses = [\"10.77.0.99\"]/",
            );
        },
        mend: |lab| put_back(lab, "h3", BRIDGE),
    },
    Fault {
        name: "only private addresses",
        code: "B02",
        host: "h2",
        cause: |lab| {
            let private = "{ private: [10.77.0.11] }";
            let both = "{ private: [10.77.0.11], public: [198.51.100.7] }";
            lab.edit_inventory(private, both);
        },
        mend: |lab| lab.edit_inventory(", public: [198.51.100.7]", ""),
    },
    Fault {
        name: "no STUN server tells the bridge its address",
        code: "B03",
        host: "h3",
        cause: |lab| {
            let servers = "s/^public_addresses = .*/&\\nstun_servers = [\"10.77.0.11:3479\"]/";
            edit(lab, "h3", BRIDGE, servers);
        },
        mend: |lab| put_back(lab, "h3", BRIDGE),
    },
    Fault {
        name: "coturn secret differs",
        code: "U05",
        host: "h1",
        cause: |lab| TURN.with(lab, "s/^static-auth-secret=.*/static-auth-secret=another/"),
        mend: turn_again,
    },
    Fault {
        name: "coturn on another port",
        code: "U04",
        host: "h1",
        cause: |lab| TURN.with(lab, "s/^listening-port=.*/listening-port=3479/"),
        mend: turn_again,
    },
    Fault {
        name: "TURN on a port that browsers do not dial",
        code: "U03",
        host: "h1",
        cause: |lab| {
            on(
                lab,
                "h1",
                "sysctl -qw net.ipv4.ip_unprivileged_port_start=600",
            );
            TURN.with(lab, "s/^listening-port=.*/listening-port=600/");
            PROSODY.with(lab, "s/port = 3478;/port = 600;/");
            wait_for_focus(lab);
        },
        mend: |lab| {
            on(
                lab,
                "h1",
                "sysctl -qw net.ipv4.ip_unprivileged_port_start=1024",
            );
            TURN.as_before(lab);
            PROSODY.as_before(lab);
        },
    },
    Fault {
        name: "bridge listens on another port",
        code: "B23",
        host: "h3",
        cause: |lab| {
            run_bridge_with(lab, "h3", "s/^port = .*/port = 10009/");
        },
        mend: |lab| restart_bridge(lab, "h3"),
    },
    Fault {
        name: "coturn without its key",
        code: "U01",
        host: "h1",
        cause: |lab| TURN.with(lab, "s#^pkey=.*#pkey=/run/gone.pem#"),
        mend: turn_again,
    },
    Fault {
        name: "coturn certificate stale",
        code: "T02",
        host: "h1",
        cause: |lab| {
            let old = issue("meet.test", true);
            let files = [("fullchain", &old.certificate), ("privkey", &old.key)];
            for (name, text) in files {
                let path = format!("/run/jitctl-turn/{name}.pem");
                let write = format!("chmod 600 {path}; cat > {path} <<'END'\n{text}\nEND");
                on(lab, "h1", &write);
            }
            on(lab, "h1", "systemctl kill -s USR2 coturn; sleep 1");
        },
        mend: |lab| on(lab, "h1", "systemctl reload coturn; sleep 1"),
    },
    Fault {
        name: "TURN relays to 127.0.0.1",
        code: "U07",
        host: "h1",
        cause: |lab| TURN.with(lab, "s/^denied-peer-ip=127.*/allow-loopback-peers/"),
        mend: turn_again,
    },
    Fault {
        name: "TURN refuses a bridge",
        code: "U06",
        host: "h1",
        cause: |lab| TURN.with(lab, "/^allowed-peer-ip=10.77.0.13/d"),
        mend: turn_again,
    },
];

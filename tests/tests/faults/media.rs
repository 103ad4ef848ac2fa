//! The way to the bridges' media port, and the TURN server.

use jitctl_tests::Lab;

use super::certificates::issue;
use super::{Fault, edit, on, put_back};

const BRIDGE: &str = "/etc/jitctl/bridge.toml";
const TURN: &str = "/etc/jitctl/turnserver.conf";

fn clear(lab: &Lab) {
    lab.lab(&["fault", "clear"]).expect(0);
}

/// Edits coturn's configuration and starts it with that.
fn turn(lab: &Lab, expression: &str) {
    edit(lab, "h1", TURN, expression);
    on(lab, "h1", "systemctl restart coturn; sleep 1");
}

fn turn_again(lab: &Lab) {
    put_back(lab, "h1", TURN);
    on(lab, "h1", "systemctl restart coturn; sleep 1");
}

pub(crate) static FAULTS: &[Fault] = &[
    Fault {
        name: "10000/udp blocked from outside only",
        code: "B05",
        host: "h3",
        cause: |lab| {
            lab.lab(&["fault", "block", "h3", "10000/udp", "--from", "client"])
                .expect(0);
        },
        mend: clear,
    },
    Fault {
        name: "10000/udp dropped by the host's own rules",
        code: "B05",
        host: "h3",
        cause: |lab| {
            on(
                lab,
                "h3",
                "nft add table inet fault; \
                 nft 'add chain inet fault in { type filter hook input priority 10; }'; \
                 nft add rule inet fault in udp dport 10000 drop",
            );
        },
        mend: |lab| on(lab, "h3", "nft delete table inet fault"),
    },
    Fault {
        name: "10000/udp blocked between the bridges",
        code: "R04",
        host: "h3",
        cause: |lab| {
            lab.lab(&["fault", "block", "h3", "10000/udp", "--from", "h2"])
                .expect(0);
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
            lab.write_inventory(&lab.inventory().replacen(private, both, 1));
        },
        mend: |lab| {
            let inventory = lab.inventory().replacen(", public: [198.51.100.7]", "", 1);
            lab.write_inventory(&inventory);
        },
    },
    Fault {
        name: "coturn secret differs",
        code: "U05",
        host: "h1",
        cause: |lab| turn(lab, "s/^static-auth-secret=.*/static-auth-secret=another/"),
        mend: turn_again,
    },
    Fault {
        name: "coturn on another port",
        code: "U04",
        host: "h1",
        cause: |lab| turn(lab, "s/^listening-port=.*/listening-port=3479/"),
        mend: turn_again,
    },
    Fault {
        name: "bridge listens on another port",
        code: "B23",
        host: "h3",
        cause: |lab| {
            edit(lab, "h3", BRIDGE, "s/^port = .*/port = 10009/");
            on(lab, "h3", "systemctl restart jitctl-bridge");
            put_back(lab, "h3", BRIDGE);
            on(lab, "h3", "sleep 1");
        },
        mend: |lab| on(lab, "h3", "systemctl restart jitctl-bridge"),
    },
    Fault {
        name: "coturn without its key",
        code: "U01",
        host: "h1",
        cause: |lab| turn(lab, "s#^pkey=.*#pkey=/run/gone.pem#"),
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
        cause: |lab| turn(lab, "s/^denied-peer-ip=127.*/allow-loopback-peers/"),
        mend: turn_again,
    },
    Fault {
        name: "TURN refuses a bridge",
        code: "U06",
        host: "h1",
        cause: |lab| turn(lab, "/^allowed-peer-ip=10.77.0.13/d"),
        mend: turn_again,
    },
];

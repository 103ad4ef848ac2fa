//! XMPP: ports, accounts, names, the brewery.

use jitctl_tests::Lab;

use super::{Fault, edit, keep, on, put_back};

const CREDENTIAL: &str = "/etc/jitctl/credentials/bridge-xmpp-password";
const BRIDGE: &str = "/etc/jitctl/bridge.toml";
const PROSODY: &str = "/etc/prosody/conf.avail/jitctl.cfg.lua";

fn restart_bridge(lab: &Lab, host: &str) {
    on(lab, host, "systemctl restart jitctl-bridge");
}

fn prosody_again(lab: &Lab) {
    put_back(lab, "h1", PROSODY);
    on(lab, "h1", "systemctl restart prosody");
}

/// A second process beside the bridge of `h3`, with the nickname of `h2`: a cloned host.
const CLONE: &str = "
    sed -e 's/^nickname = .*/nickname = \"NICKNAME\"/' -e 's/^private = .*/private = \"127.0.0.1:8089\"/' \
        -e 's/^port = .*/port = 10009/' -e 's/^listen = .*/listen = \"127.0.0.1:9099\"/' \
        /etc/jitctl/bridge.toml > /run/clone.toml
    systemd-run -q --unit=clone -p User=jitctl-bridge \
        -p LoadCredential=xmpp-password:/etc/jitctl/credentials/bridge-xmpp-password \
        /usr/lib/jitctl/current-bridge/jitctl-bridge --config /run/clone.toml
    sleep 2; systemctl is-active -q clone";

pub(crate) static FAULTS: &[Fault] = &[
    Fault {
        name: "5222 refused to one bridge",
        code: "X06",
        host: "h2",
        cause: |lab| {
            on(
                lab,
                "h1",
                "nft add table inet fault; \
                 nft 'add chain inet fault in { type filter hook input priority -50; }'; \
                 nft add rule inet fault in ip saddr 10.77.0.12 tcp dport 5222 reject with tcp reset",
            );
        },
        mend: |lab| on(lab, "h1", "nft delete table inet fault"),
    },
    Fault {
        name: "5222 dropped for one bridge",
        code: "X07",
        host: "h2",
        cause: |lab| {
            lab.lab(&["fault", "block", "h1", "5222/tcp", "--from", "h2"])
                .expect(0);
        },
        mend: |lab| drop(lab.lab(&["fault", "clear"]).expect(0)),
    },
    Fault {
        name: "Prosody down",
        code: "H09",
        host: "h1",
        cause: |lab| on(lab, "h1", "systemctl stop prosody"),
        mend: |lab| on(lab, "h1", "systemctl start prosody"),
    },
    Fault {
        name: "Prosody on loopback only",
        code: "X06",
        host: "h2",
        cause: |lab| {
            edit(
                lab,
                "h1",
                PROSODY,
                "s/^c2s_interfaces = .*/c2s_interfaces = { \"127.0.0.1\" }/",
            );
            on(lab, "h1", "systemctl restart prosody; sleep 1");
        },
        mend: |lab| {
            put_back(lab, "h1", PROSODY);
            on(lab, "h1", "systemctl restart prosody");
        },
    },
    Fault {
        name: "Prosody on an address that is gone",
        code: "X22",
        host: "h1",
        cause: |lab| {
            edit(
                lab,
                "h1",
                PROSODY,
                "s/^c2s_interfaces = .*/c2s_interfaces = { \"10.77.0.99\" }/",
            );
            on(lab, "h1", "systemctl restart prosody; sleep 1");
        },
        mend: prosody_again,
    },
    Fault {
        name: "Prosody no longer includes the site",
        code: "X13",
        host: "h1",
        cause: |lab| {
            edit(lab, "h1", "/etc/prosody/prosody.cfg.lua", "/^Include/d");
            on(lab, "h1", "systemctl restart prosody; sleep 1");
        },
        mend: |lab| {
            put_back(lab, "h1", "/etc/prosody/prosody.cfg.lua");
            on(lab, "h1", "systemctl restart prosody");
        },
    },
    Fault {
        name: "Prosody wedged (SIGSTOP)",
        code: "W02",
        host: "h1",
        cause: |lab| on(lab, "h1", "systemctl kill -s STOP prosody"),
        mend: |lab| on(lab, "h1", "systemctl kill -s CONT prosody"),
    },
    Fault {
        name: "small stanzas only",
        code: "X20",
        host: "h1",
        cause: |lab| {
            edit(
                lab,
                "h1",
                PROSODY,
                "s/^c2s_stanza_size_limit = .*/c2s_stanza_size_limit = 10 * 1024/",
            );
        },
        mend: |lab| put_back(lab, "h1", PROSODY),
    },
    Fault {
        name: "wrong password",
        code: "X01",
        host: "h2",
        cause: |lab| {
            keep(lab, "h2", CREDENTIAL);
            on(lab, "h2", &format!("echo wrong > {CREDENTIAL}"));
        },
        mend: |lab| put_back(lab, "h2", CREDENTIAL),
    },
    Fault {
        name: "missing account (mended by --fix)",
        code: "X02",
        host: "h2",
        cause: |lab| {
            on(
                lab,
                "h1",
                "prosodyctl deluser jvb@auth.meet.test > /dev/null",
            );
        },
        mend: |lab| drop(lab.run(&["doctor", "--fix"])),
    },
    Fault {
        name: "wrong domain",
        code: "X04",
        host: "h2",
        cause: |lab| {
            edit(
                lab,
                "h2",
                BRIDGE,
                "s/^domain = .*/domain = \"auth.wrong.test\"/",
            );
        },
        mend: |lab| put_back(lab, "h2", BRIDGE),
    },
    Fault {
        name: "anonymous host",
        code: "X05",
        host: "h2",
        cause: |lab| edit(lab, "h2", BRIDGE, "s/^domain = .*/domain = \"meet.test\"/"),
        mend: |lab| put_back(lab, "h2", BRIDGE),
    },
    Fault {
        name: "brewery differs",
        code: "X15",
        host: "h2",
        cause: |lab| {
            edit(
                lab,
                "h2",
                BRIDGE,
                "s/^brewery = .jvbbrewery/brewery = \"elsewhere/",
            );
            restart_bridge(lab, "h2");
            on(lab, "h2", "sleep 1");
        },
        mend: |lab| {
            put_back(lab, "h2", BRIDGE);
            restart_bridge(lab, "h2");
        },
    },
    Fault {
        name: "two bridges with one nickname",
        code: "X16",
        host: "h2",
        cause: |lab| {
            let config = lab.on("h2", "cat /etc/jitctl/bridge.toml");
            let nickname = config
                .lines()
                .find_map(|line| line.strip_prefix("nickname = "))
                .unwrap_or_else(|| panic!("no nickname in {config}"));
            let nickname = nickname.trim().trim_matches('"');
            on(lab, "h3", &CLONE.replace("NICKNAME", nickname));
        },
        mend: |lab| on(lab, "h3", "systemctl stop clone; rm /run/clone.toml"),
    },
    Fault {
        name: "5222 accepts and says nothing",
        code: "X08",
        host: "h2",
        cause: |lab| {
            on(
                lab,
                "h1",
                "systemd-run -q --unit=mute python3 -c \
                 'import socket, time; s = socket.create_server((\"\", 5333)); time.sleep(300)'; \
                 nft add table ip mute; \
                 nft 'add chain ip mute pre { type nat hook prerouting priority -100; }'; \
                 nft add rule ip mute pre ip saddr 10.77.0.12 tcp dport 5222 redirect to :5333; sleep 0.5",
            );
        },
        mend: |lab| on(lab, "h1", "nft delete table ip mute; systemctl stop mute"),
    },
    Fault {
        name: "focus wedged (SIGSTOP)",
        code: "X12",
        host: "h1",
        cause: |lab| on(lab, "h1", "systemctl kill -s STOP jitctl-focus"),
        mend: |lab| on(lab, "h1", "systemctl kill -s CONT jitctl-focus"),
    },
    Fault {
        name: "focus not admin",
        code: "X14",
        host: "h1",
        cause: |lab| {
            edit(lab, "h1", PROSODY, "/^\\t.focus@auth/d");
            on(lab, "h1", "systemctl restart prosody; sleep 2");
        },
        mend: |lab| prosody_again(lab),
    },
    Fault {
        name: "people's host takes no guests",
        code: "X23",
        host: "h1",
        cause: |lab| {
            edit(
                lab,
                "h1",
                PROSODY,
                "s/authentication = .anonymous./authentication = \"internal_hashed\"/",
            );
            // The focus is to be back before the look: its absence is another fault.
            on(lab, "h1", "systemctl restart prosody; sleep 4");
        },
        mend: |lab| prosody_again(lab),
    },
    Fault {
        name: "throttled service accounts",
        code: "X17",
        host: "h1",
        cause: |lab| edit(lab, "h1", PROSODY, "s/^unlimited_jids/-- &/"),
        mend: |lab| put_back(lab, "h1", PROSODY),
    },
];

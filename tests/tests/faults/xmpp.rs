//! XMPP: ports, accounts, names, the brewery.

use jitctl_tests::Lab;

use super::{
    BRIDGE, Fault, PROSODY, Reader, clear, edit, fault, filter, keep, on, put_back, restart_bridge,
    unfilter, wait_for_focus, wait_until,
};

const CREDENTIAL: &str = "/etc/jitctl/credentials/bridge-xmpp-password";

/// Prosody with the package's own file.
static PACKAGE: Reader = Reader {
    path: "/etc/prosody/prosody.cfg.lua",
    ..PROSODY
};

fn prosody_again(lab: &Lab) {
    PROSODY.as_before(lab);
}

/// What the page of X11 says.
const X11_CURE: &str = "apt-get -y install --allow-downgrades prosody/bookworm";

/// The package as another release has it.
const OTHER_PROSODY: &str = "mkdir /root/prosody; cd /root/prosody; apt-get -qq download prosody
    dpkg-deb -R prosody_*.deb package
    sed -i 's/^Version: .*/Version: 13.0.1-1/' package/DEBIAN/control
    dpkg-deb -b package > /dev/null; dpkg -i package.deb > /dev/null 2>&1; rm -r /root/prosody";

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
            let rule = "ip saddr 10.77.0.12 tcp dport 5222 reject with tcp reset";
            filter(lab, "h1", "-50", rule);
        },
        mend: |lab| unfilter(lab, "h1"),
    },
    Fault {
        name: "5222 dropped for one bridge",
        code: "X07",
        host: "h2",
        cause: |lab| fault(lab, &["block", "h1", "5222/tcp", "--from", "h2"]),
        mend: clear,
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
            PROSODY.with(
                lab,
                "s/^c2s_interfaces = .*/c2s_interfaces = { \"127.0.0.1\" }/",
            );
        },
        mend: prosody_again,
    },
    Fault {
        name: "Prosody on an address that is gone",
        code: "X22",
        host: "h1",
        cause: |lab| {
            PROSODY.with(
                lab,
                "s/^c2s_interfaces = .*/c2s_interfaces = { \"10.77.0.99\" }/",
            );
        },
        mend: prosody_again,
    },
    Fault {
        name: "Prosody no longer includes the site",
        code: "X13",
        host: "h1",
        cause: |lab| PACKAGE.with(lab, "/^Include/d"),
        mend: |lab| PACKAGE.as_before(lab),
    },
    Fault {
        name: "Prosody of another release",
        code: "X11",
        host: "h1",
        cause: |lab| {
            on(lab, "h1", OTHER_PROSODY);
            wait_for_focus(lab);
            let both = "curl -s http://127.0.0.1:8888/stats | \
                        grep -Eq '\"operational_bridge_count\": *2'";
            wait_until(lab, "h1", both);
        },
        mend: |lab| drop(lab.run(&["exec", "--on", "h1", "--", X11_CURE]).expect(0)),
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
            let small = "s/^c2s_stanza_size_limit = .*/c2s_stanza_size_limit = 10 * 1024/";
            edit(lab, "h1", PROSODY.path, small);
        },
        mend: |lab| put_back(lab, "h1", PROSODY.path),
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
            PROSODY.with(lab, "/^\\t.focus@auth/d");
            wait_for_focus(lab);
        },
        mend: prosody_again,
    },
    Fault {
        name: "people's host takes no guests",
        code: "X23",
        host: "h1",
        cause: |lab| {
            let closed = "s/authentication = .anonymous./authentication = \"internal_hashed\"/";
            PROSODY.with(lab, closed);
            wait_for_focus(lab);
        },
        mend: prosody_again,
    },
    Fault {
        name: "throttled service accounts",
        code: "X17",
        host: "h1",
        cause: |lab| edit(lab, "h1", PROSODY.path, "s/^unlimited_jids/-- &/"),
        mend: |lab| put_back(lab, "h1", PROSODY.path),
    },
];

//! The machine: reach, names, clock, disk, packages.

use jitctl_tests::Lab;

use super::services::focus_again;
use super::{Fault, clear, edit, fault, on, put_back};

/// A package whose installation ends with an error.
const BROKEN_PACKAGE: &str = r"
    mkdir -p /root/broken/DEBIAN && cd /root
    printf 'Package: broken\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' > broken/DEBIAN/control
    printf '#!/bin/sh\nexit 1\n' > broken/DEBIAN/postinst && chmod 755 broken/DEBIAN/postinst
    dpkg-deb -b broken broken.deb > /dev/null && ! dpkg -i broken.deb > /dev/null 2>&1";

pub(crate) static FAULTS: &[Fault] = &[
    Fault {
        name: "cable pulled",
        code: "H04",
        host: "h3",
        cause: |lab| fault(lab, &["cut", "h3"]),
        mend: |lab| {
            clear(lab);
            focus_again(lab);
        },
    },
    Fault {
        name: "host key changed",
        code: "H01",
        host: "h3",
        cause: |lab| {
            on(
                lab,
                "h3",
                "mkdir -p /root/keys && mv /etc/ssh/ssh_host_* /root/keys/ && \
                 ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && \
                 systemctl restart ssh",
            );
        },
        mend: |lab| {
            on(
                lab,
                "h3",
                "rm /etc/ssh/ssh_host_* && mv /root/keys/* /etc/ssh/ && systemctl restart ssh",
            );
        },
    },
    Fault {
        name: "key refused",
        code: "H03",
        host: "h3",
        cause: |lab| on(lab, "h3", "mv /root/.ssh /root/.ssh.kept"),
        mend: |lab| on(lab, "h3", "mv /root/.ssh.kept /root/.ssh"),
    },
    Fault {
        name: "host key not known",
        code: "H12",
        host: "h3",
        cause: |lab| {
            reach_with(lab, |config| {
                config.replace("UserKnownHostsFile", "UserKnownHostsFile /dev/null #")
            });
        },
        mend: reach_as_before,
    },
    Fault {
        name: "host name not in DNS",
        code: "H05",
        host: "h3",
        cause: |lab| {
            // The first line for a host counts.
            reach_with(lab, |config| {
                format!("HostName gone.test\nProxyCommand none\nProxyUseFdpass no\n{config}")
            });
        },
        mend: reach_as_before,
    },
    Fault {
        name: "nothing applied to a host",
        code: "H14",
        host: "h3",
        cause: |lab| {
            on(
                lab,
                "h3",
                "mv /etc/jitctl/manifest.json /root/; systemctl stop jitctl-bridge",
            );
        },
        mend: |lab| {
            on(
                lab,
                "h3",
                "mv /root/manifest.json /etc/jitctl/; systemctl start jitctl-bridge",
            );
        },
    },
    Fault {
        name: "DNS wrong on the operator's machine",
        code: "D03",
        host: "-",
        cause: |lab| {
            let lie = "127.0.0.1 localhost\n10.77.0.99 meet.test\n";
            std::fs::write(lab.folder().join("hosts"), lie)
                .unwrap_or_else(|error| panic!("{error}"));
        },
        mend: |lab| {
            std::fs::remove_file(lab.folder().join("hosts"))
                .unwrap_or_else(|error| panic!("{error}"));
        },
    },
    Fault {
        name: "sudo missing",
        code: "H02",
        host: "h3",
        cause: |lab| {
            on(
                lab,
                "h3",
                "mkdir /root/sudoers && mv /etc/sudoers.d/* /root/sudoers/",
            );
            let (before, bridge) = split(lab);
            let bridge = bridge.replacen("ssh: {", "ssh: { user: ops,", 1);
            lab.write_inventory(&format!("{before}{bridge}"));
        },
        mend: |lab| {
            on(
                lab,
                "h3",
                "mv /root/sudoers/* /etc/sudoers.d/ && rmdir /root/sudoers",
            );
            lab.edit_inventory("{ user: ops,", "{");
        },
    },
    Fault {
        name: "DNS wrong",
        code: "D01",
        host: "h1",
        cause: |lab| {
            fault(lab, &["dns-wrong", "meet.test", "10.77.0.99"]);
        },
        mend: clear,
    },
    Fault {
        name: "DNS silent",
        code: "D02",
        host: "h1",
        cause: |lab| fault(lab, &["dns-silent"]),
        mend: clear,
    },
    Fault {
        name: "clock off by 10 minutes",
        code: "H08",
        host: "h3",
        cause: |lab| fault(lab, &["clock", "h3", "+10m"]),
        mend: clear,
    },
    Fault {
        name: "clock off by 48 hours",
        code: "H08",
        host: "h3",
        cause: |lab| fault(lab, &["clock", "h3", "-48h"]),
        mend: clear,
    },
    Fault {
        name: "disk full",
        code: "H06",
        host: "h3",
        cause: |lab| fault(lab, &["disk-full", "h3"]),
        mend: clear,
    },
    Fault {
        name: "package half installed",
        code: "H07",
        host: "h2",
        cause: |lab| on(lab, "h2", BROKEN_PACKAGE),
        mend: |lab| {
            on(
                lab,
                "h2",
                "dpkg --purge --force-all broken > /dev/null 2>&1; rm -r /root/broken*",
            );
        },
    },
    Fault {
        name: "file edited by hand on MAIN",
        code: "H11",
        host: "h1",
        cause: |lab| edit(lab, "h1", "/etc/nginx/conf.d/jitctl.conf", "1i# mine"),
        mend: |lab| put_back(lab, "h1", "/etc/nginx/conf.d/jitctl.conf"),
    },
    Fault {
        name: "inventory edited after the apply",
        code: "H13",
        host: "h3",
        cause: |lab| {
            let (before, bridge) = split(lab);
            let bridge = bridge.replacen("roles: [bridge]", "roles: [bridge]\n    region: eu", 1);
            lab.write_inventory(&format!("{before}{bridge}"));
        },
        mend: |lab| lab.edit_inventory("\n    region: eu", ""),
    },
];

/// The inventory up to `h3`, and from there.
fn split(lab: &Lab) -> (String, String) {
    let text = lab.inventory();
    let at = text
        .find("  h3:")
        .unwrap_or_else(|| panic!("no h3 in {text}"));
    let (before, bridge) = text.split_at(at);
    (before.to_owned(), bridge.to_owned())
}

/// Reaches `h3` by an `ssh_config` of its own, made from that of the lab.
fn reach_with(lab: &Lab, change: impl Fn(&str) -> String) {
    let (before, bridge) = split(lab);
    let config = ssh_config(&bridge);
    let text = std::fs::read_to_string(&config).unwrap_or_else(|error| panic!("{config}: {error}"));
    let place = lab.folder().join("ssh_config");
    std::fs::write(&place, change(&text)).unwrap_or_else(|error| panic!("{error}"));
    let place = place.display().to_string();
    lab.write_inventory(&format!("{before}{}", bridge.replacen(&config, &place, 1)));
}

/// Reaches `h3` as all the others.
fn reach_as_before(lab: &Lab) {
    let (before, bridge) = split(lab);
    let (config, place) = (ssh_config(&before), ssh_config(&bridge));
    lab.write_inventory(&format!("{before}{}", bridge.replacen(&place, &config, 1)));
}

/// The `ssh_config` that the first host of this text is reached with.
fn ssh_config(text: &str) -> String {
    let config = text
        .split("config: ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    config
        .unwrap_or_else(|| panic!("no ssh_config in {text}"))
        .to_owned()
}

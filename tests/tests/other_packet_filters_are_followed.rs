//! Where ufw or firewalld keeps the rules, ports are opened and closed through it, and what is
//! wanted no longer goes again: a drop in a table of ours would be final, an accept would not.

use jitctl_tests::Lab;

const MAIN: &str = "10.77.0.11";
const BRIDGE: &str = "10.77.0.12";

fn reach(lab: &Lab, from: &str, port: u16) -> bool {
    let probe = format!("nc -z -w 2 {MAIN} {port}");
    lab.lab(&["exec", from, "--", "sh", "-c", &probe]).code == Some(0)
}

/// What a host's own filter is told, by one command that lists it.
fn rules(lab: &Lab, host: &str, list: &str) -> String {
    lab.lab(&["exec", host, "--", "sh", "-c", list])
        .expect(0)
        .stdout
}

/// A site with all on `h1`, grown by `h2`; `h3` is nobody's. Rules are what `list` prints of ours.
fn grows_and_shrinks(name: &str, prepare: &str, list: &str) {
    let lab = Lab::with_strangers(name, 3, &[]);
    let install = format!("export DEBIAN_FRONTEND=noninteractive; {prepare}");
    let bare = ["h1", "h2"].map(|host| {
        let words = ["exec", host, "--", "sh", "-c", &install];
        lab.lab(&words).expect(0);
        rules(&lab, host, list)
    });
    lab.run(&["apply", "--yes"]).expect(0);
    let alone = rules(&lab, "h1", list);
    assert!(alone.contains("10000"), "{alone}");
    assert!(!reach(&lab, "h2", 5222), "h2 is no bridge yet");

    lab.run(&["add-bridge", "h2", "--lab", lab.name(), "--yes"])
        .expect(0);
    lab.run(&["plan"]).expect(0);
    assert!(reach(&lab, "h3", 443), "443 is for the world");
    assert!(reach(&lab, "h2", 5222), "h2 is a bridge");
    assert!(!reach(&lab, "h3", 5222), "h3 is no bridge");
    assert!(!reach(&lab, "h2", 8888), "private ports are for nobody");
    let added = rules(&lab, "h2", list);
    assert!(added.contains("10000"), "{added}");

    // A role that goes takes its ports along.
    let shrunk = lab
        .inventory()
        .replacen("roles: [main, bridge]", "roles: [main]", 1);
    lab.write_inventory(&shrunk);
    lab.run(&["apply", "--yes"]).expect(0);
    let only_main = rules(&lab, "h1", list);
    assert!(!only_main.contains("10000"), "{only_main}");
    assert!(only_main.contains(BRIDGE), "{only_main}");

    // A host that goes leaves nothing, neither there nor on MAIN.
    lab.run(&["remove-bridge", "h2", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
    let nobody = rules(&lab, "h1", list);
    assert!(!nobody.contains(BRIDGE), "{nobody}");
    assert_eq!(rules(&lab, "h2", list), bare[1]);
    assert!(!reach(&lab, "h2", 5222), "h2 is no bridge any more");
}

#[test]
fn ufw_is_followed() {
    grows_and_shrinks(
        "ufw",
        "apt-get -qq update >/dev/null && apt-get -qq -y install ufw >/dev/null 2>&1 && \
         ufw allow 22/tcp >/dev/null && ufw --force enable >/dev/null",
        "ufw status | sort",
    );
}

#[test]
fn firewalld_is_followed() {
    grows_and_shrinks(
        "firewalld",
        "apt-get -qq update >/dev/null && \
         apt-get -qq -y install firewalld >/dev/null 2>&1 && systemctl -q start firewalld",
        "for when in '' --permanent; do \
             firewall-cmd $when --list-services; firewall-cmd $when --list-rich-rules; \
             firewall-cmd $when --get-ipsets; firewall-cmd $when --get-services | grep -ow jitctl; \
             firewall-cmd $when --info-service=jitctl 2>&1; \
             firewall-cmd $when --ipset=jitctl4 --get-entries 2>&1; \
         done; :",
    );
}

//! Where ufw or firewalld keeps the rules, ports are opened and closed through it: a drop in a
//! table of ours would be final, an accept would not.

use jitctl_tests::Lab;

const MAIN: &str = "10.77.0.11";

fn reach(lab: &Lab, from: &str, port: u16) -> bool {
    let probe = format!("nc -z -w 2 {MAIN} {port}");
    lab.lab(&["exec", from, "--", "sh", "-c", &probe]).code == Some(0)
}

fn site(name: &str, prepare: &str) -> Lab {
    let lab = Lab::with_strangers(name, 3, &["h2"]);
    let install = format!("export DEBIAN_FRONTEND=noninteractive; {prepare}");
    for host in ["h1", "h2"] {
        lab.lab(&["exec", host, "--", "sh", "-c", &install])
            .expect(0);
    }
    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
    lab
}

fn holds(lab: &Lab) {
    assert!(reach(lab, "h3", 443), "443 is for the world");
    assert!(reach(lab, "h2", 5222), "h2 is a bridge");
    assert!(!reach(lab, "h3", 5222), "h3 is no bridge");
    assert!(!reach(lab, "h2", 8888), "private ports are for nobody");
}

#[test]
fn ufw_is_followed() {
    let lab = site(
        "ufw",
        "apt-get -qq update >/dev/null && apt-get -qq -y install ufw >/dev/null 2>&1 && \
         ufw allow 22/tcp >/dev/null && ufw --force enable >/dev/null",
    );
    holds(&lab);
    let rules = lab.on("h2", "ufw status");
    assert!(rules.contains("10000/udp"), "{rules}");
}

#[test]
fn firewalld_is_followed() {
    let lab = site(
        "firewalld",
        "apt-get -qq update >/dev/null && \
         apt-get -qq -y install firewalld >/dev/null 2>&1 && systemctl -q start firewalld",
    );
    holds(&lab);
    let rules = lab.on("h2", "firewall-cmd --info-service=jitctl");
    assert!(rules.contains("10000"), "{rules}");
}

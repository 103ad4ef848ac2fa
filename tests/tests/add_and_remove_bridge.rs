//! A site grows by a bridge and shrinks again: the inventory, the firewall and the focus agree.

use jitctl_tests::Lab;

fn operational(lab: &Lab) -> Vec<String> {
    let status = lab.run(&["--json", "status"]);
    status.json()["bridges"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|bridge| bridge["operational"] == true)
        .filter_map(|bridge| bridge["host"].as_str().map(str::to_owned))
        .collect()
}

/// Whether `host` gets a TCP connection to MAIN's XMPP port.
fn reaches_xmpp(lab: &Lab, host: &str) -> bool {
    lab.status_on(host, "nc -z -w 2 10.77.0.11 5222") == 0
}

/// What there is of us on a host that is out of the inventory.
fn left_on(lab: &Lab, host: &str) -> String {
    lab.lab(&[
        "exec",
        host,
        "--",
        "sh",
        "-c",
        "nft list tables | grep jitctl; getent passwd | grep jitctl; getent group | grep jitctl; \
         systemctl list-units --all --no-legend 'jitctl*'; \
         systemctl list-unit-files --no-legend 'jitctl*'; \
         ls -d /etc/jitctl /usr/lib/jitctl /var/lib/jitctl /etc/sysctl.d/*jitctl* \
             /etc/systemd/system/*jitctl* /etc/systemd/system/*/*jitctl* 2> /dev/null; :",
    ])
    .expect(0)
    .stdout
}

/// A kernel setting that every host has for itself, with the value of a bare host and ours.
const SETTING: (&str, &str, &str) = ("net.ipv4.ip_default_ttl", "64", "61");

fn setting(lab: &Lab, host: &str) -> String {
    let words = ["exec", host, "--", "sysctl", "-n", SETTING.0];
    lab.lab(&words).expect(0).stdout.trim().to_owned()
}

#[test]
fn a_bridge_is_added_and_removed() {
    let lab = Lab::with_strangers("bridge", 4, &["h2"]);
    let commented =
        lab.inventory()
            .replacen("hosts:", "# our two machines in the cellar\nhosts:", 1);
    std::fs::write(lab.folder().join("jitctl.yaml"), commented).expect("the inventory is ours");
    // Hosts of the lab share most kernel settings with this machine, but not this one.
    let (key, bare, ours) = SETTING;
    let override_file = lab.folder().join("overrides/common/sysctl.conf");
    std::fs::create_dir_all(override_file.with_file_name("")).expect("the folder is ours");
    std::fs::write(&override_file, format!("{key} = {ours}\n")).expect("the folder is ours");
    assert_eq!(setting(&lab, "h3"), bare);
    lab.run(&["apply", "--yes"]).expect(0);
    assert_eq!(operational(&lab), ["h2"]);
    assert_eq!(setting(&lab, "h2"), ours);

    lab.run(&["add-bridge", "h3", "--lab", lab.name(), "--yes"])
        .expect(0);
    assert_eq!(operational(&lab), ["h2", "h3"]);
    assert!(lab.inventory().contains("# our two machines in the cellar"));
    assert!(reaches_xmpp(&lab, "h3"), "5222 is open for the new bridge");
    lab.run(&["plan"]).expect(0);

    assert_eq!(setting(&lab, "h3"), ours);

    lab.run(&["remove-bridge", "h3", "--yes"]).expect(0);
    assert_eq!(setting(&lab, "h3"), bare, "what stood before is back");
    assert_eq!(operational(&lab), ["h2"]);
    assert!(lab.inventory().contains("# our two machines in the cellar"));
    assert!(
        !lab.inventory().contains("h3:"),
        "h3 is out of the inventory"
    );
    lab.run(&["plan"]).expect(0);
    assert_eq!(left_on(&lab, "h3"), "", "nothing of ours is left on h3");

    // A setting that the file no longer has goes back, too, and the plan says so.
    std::fs::remove_file(&override_file).expect("it is there");
    let plan = lab.run(&["plan", "--on", "h2"]).expect(2);
    let line = format!("kernel setting {key}: back to {bare}");
    assert!(plan.stdout.contains(&line), "{plan}");
    lab.run(&["apply", "--yes"]).expect(0);
    assert_eq!(setting(&lab, "h2"), bare);
    lab.run(&["plan"]).expect(0);
}

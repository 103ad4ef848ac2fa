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

#[test]
fn a_bridge_is_added_and_removed() {
    let lab = Lab::up("bridge", 4);
    lab.run(&[
        "init",
        "--lab",
        lab.name(),
        "--domain",
        "meet.test",
        "--main",
        "h1",
        "--bridge",
        "h2",
    ])
    .expect(0);
    let commented =
        lab.inventory()
            .replacen("hosts:", "# our two machines in the cellar\nhosts:", 1);
    std::fs::write(lab.folder().join("jitctl.yaml"), commented).expect("the inventory is ours");
    lab.run(&["apply", "--yes"]).expect(0);
    assert_eq!(operational(&lab), ["h2"]);

    lab.run(&["add-bridge", "h3", "--lab", lab.name(), "--yes"])
        .expect(0);
    assert_eq!(operational(&lab), ["h2", "h3"]);
    assert!(lab.inventory().contains("# our two machines in the cellar"));
    assert!(reaches_xmpp(&lab, "h3"), "5222 is open for the new bridge");
    lab.run(&["plan"]).expect(0);

    lab.run(&["remove-bridge", "h3", "--yes"]).expect(0);
    assert_eq!(operational(&lab), ["h2"]);
    assert!(lab.inventory().contains("# our two machines in the cellar"));
    assert!(
        !lab.inventory().contains("h3:"),
        "h3 is out of the inventory"
    );
    lab.run(&["plan"]).expect(0);
}

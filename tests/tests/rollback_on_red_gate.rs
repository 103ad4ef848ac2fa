//! A change that makes a gate red is taken back, and the report says which gate and why.

use std::time::Duration;

use jitctl_tests::{Lab, eventually};

#[test]
fn a_bridge_that_is_no_longer_counted_gets_its_old_files_back() {
    let lab = Lab::deployed("red", 3);
    let before = lab.on("h2", "cat /etc/jitctl/bridge.toml");

    // The change restarts the bridge, and the fault keeps it from ever joining again.
    lab.lab(&["fault", "block", "h1", "5222/tcp", "--from", "h2"])
        .expect(0);
    let changed = lab
        .inventory()
        .replacen("  h2:\n", "  h2:\n    region: elsewhere\n", 1);
    std::fs::write(lab.folder().join("jitctl.yaml"), &changed).expect("the inventory is ours");

    let red = lab.run(&["apply", "--yes", "--on", "h2"]).expect(7);
    let said = format!("{}{}", red.stdout, red.stderr);
    assert!(said.contains("h2"), "the report names the host: {red}");
    assert_eq!(lab.on("h2", "cat /etc/jitctl/bridge.toml"), before);

    lab.lab(&["fault", "clear"]).expect(0);
    eventually(
        "the bridge is counted again",
        Duration::from_secs(60),
        || {
            let status = lab.run(&["--json", "status"]);
            status.json()["bridges"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|bridge| bridge["operational"] == true)
                .count()
                == 2
        },
    );
    lab.run(&["apply", "--yes"]).expect(0);
    assert!(
        lab.on("h2", "cat /etc/jitctl/bridge.toml")
            .contains("elsewhere")
    );
}

//! What was reviewed is what happens: saved plans, Ctrl-C, rollback to a release, trust on a word.
#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use std::time::Duration;

use jitctl_tests::{Lab, eventually};

#[test]
fn what_was_reviewed_is_what_happens() {
    let lab = Lab::deployed("reviewed", 2);
    a_saved_plan_is_carried_out_or_refused(&lab);
    ctrl_c_leaves_what_the_next_apply_heals(&lab);
    a_release_comes_back_by_its_number(&lab);
    a_wrong_inventory_changes_nothing(&lab);
    an_unknown_key_is_refused_until_it_is_trusted(&lab);
    logs_of_all_hosts_come_in_the_order_of_time(&lab);
}

/// Turns one option of the site on: files of MAIN change, nothing restarts on bridges.
fn with_websockets(lab: &Lab) -> String {
    lab.inventory()
        .replacen("# firewall: auto", "bridge_channel: websocket", 1)
}

fn a_saved_plan_is_carried_out_or_refused(lab: &Lab) {
    let before = lab.inventory();
    lab.write_inventory(&with_websockets(lab));
    lab.run(&["plan", "--out", "reviewed.json"]).expect(2);

    lab.write_inventory(&before);
    let other = lab.run(&["apply", "reviewed.json", "--yes"]).expect(3);
    assert!(
        other.stderr.contains("the inventory, the secrets"),
        "{other}"
    );
    lab.run(&["plan"]).expect(0);

    lab.write_inventory(&before.replacen("# firewall: auto", "bridge_channel: websocket", 1));
    lab.on("h1", "echo '// by hand' >> /etc/jitctl/web/config.js");
    let moved = lab.run(&["apply", "reviewed.json", "--yes"]).expect(3);
    assert!(
        moved.stderr.contains("changed since the plan was made: h1"),
        "{moved}"
    );

    lab.run(&["plan", "--out", "reviewed.json"]).expect(2);
    let asked = lab.run(&["apply", "reviewed.json"]).expect(3);
    assert!(asked.stderr.contains("without a terminal"), "{asked}");
    lab.run(&["apply", "reviewed.json", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
    lab.write_inventory(&before);
}

fn ctrl_c_leaves_what_the_next_apply_heals(lab: &Lab) {
    let apply = lab.start(&["--no-progress", "apply", "--yes"]);
    eventually("the apply is under way", Duration::from_secs(60), || {
        lab.run(&["--json", "lock", "show"])
            .stdout
            .contains("\"who\"")
    });
    let pid = apply.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-INT", &pid])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "Ctrl-C is sent");
    let output = apply.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted"), "{said}");

    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
    let free = lab.run(&["--json", "lock", "show"]).expect(0).json();
    assert!(free["hosts"][0]["lease"].is_null(), "{free}");
}

fn a_release_comes_back_by_its_number(lab: &Lab) {
    let release = || lab.run(&["--json", "status"]).json()["hosts"][0]["release"].clone();
    assert_ne!(release(), 1);
    lab.run(&["rollback", "--on", "h1", "--to", "99", "--yes"])
        .expect(3);
    lab.run(&["rollback", "--on", "h1", "--to", "1", "--yes"])
        .expect(0);
    assert_eq!(release(), 1);
    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
}

fn a_wrong_inventory_changes_nothing(lab: &Lab) {
    let good = lab.inventory();
    lab.write_inventory(
        &good
            .replacen("roles: [bridge]", "rolls: [bridge]", 1)
            .replacen("10.77.0.12", "10.77.0.11", 1),
    );
    let wrong = lab.run(&["apply", "--yes"]).expect(3);
    assert!(wrong.stderr.contains("did you mean `roles`?"), "{wrong}");
    assert!(wrong.stderr.contains("jitctl.yaml:"), "{wrong}");
    lab.write_inventory(&good);
    lab.run(&["plan"]).expect(0);
}

fn an_unknown_key_is_refused_until_it_is_trusted(lab: &Lab) {
    let good = lab.inventory();
    let line = good.lines().find_map(|line| line.split_once("config: "));
    let path = line
        .expect("the lab's ssh_config")
        .1
        .trim_end_matches([' ', '}']);
    let known = lab.folder().join("known_hosts");
    let config: String = std::fs::read_to_string(path)
        .expect("it is readable")
        .lines()
        .map(|line| match line.split_once("UserKnownHostsFile ") {
            Some((indent, _)) => format!("{indent}UserKnownHostsFile {}\n", known.display()),
            None => format!("{line}\n"),
        })
        .collect();
    let own = lab.folder().join("ssh_config");
    std::fs::write(&own, config).expect("the folder is ours");
    lab.write_inventory(&good.replace(path, &own.display().to_string()));

    let refused = lab.run(&["plan"]).expect(5);
    assert!(refused.stderr.contains("jitctl trust h1"), "{refused}");
    let shown = lab.run(&["--json", "trust", "h1"]).expect(3);
    let fingerprint = shown.json()["fingerprint"].as_str().map(str::to_owned);
    let fingerprint = fingerprint.expect("the key is shown");
    lab.run(&["trust", "h1", "--fingerprint", "SHA256:another"])
        .expect(3);
    lab.run(&["plan", "--on", "h1"]).expect(5);
    lab.run(&["trust", "h1", "--fingerprint", &fingerprint])
        .expect(0);
    lab.run(&["plan", "--on", "h1"]).expect(0);
    lab.write_inventory(&good);
}

fn logs_of_all_hosts_come_in_the_order_of_time(lab: &Lab) {
    let logs = lab.run(&["--json", "logs", "-n", "20"]).expect(0);
    let entries: Vec<serde_json::Value> = logs
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is an entry"))
        .collect();
    let times: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["time"].as_str())
        .collect();
    assert!(times.is_sorted(), "{logs}");
    for host in ["h1", "h2"] {
        assert!(entries.iter().any(|entry| entry["host"] == host), "{logs}");
    }
    lab.run(&["logs", "--since", "gibberish"]).expect(1);
}

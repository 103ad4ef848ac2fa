//! A rule that locks us out does not last: without a new SSH connection the old rules come back.

use std::time::Duration;

use jitctl_tests::{Lab, eventually};

#[test]
fn rules_that_close_ssh_are_put_back_and_the_apply_says_so() {
    let lab = Lab::deployed("lockout", 2);
    let template = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../templates/files/common/firewall.nft"
    );
    let rules = std::fs::read_to_string(template).unwrap();
    let locked = rules.replace(
        "iif \"lo\" accept comment \"the host itself\"",
        "iif \"lo\" accept comment \"the host itself\"\n\t\ttcp dport 22 ct state new drop",
    );
    assert_ne!(
        locked, rules,
        "the template has the line that the test changes"
    );
    let overrides = lab.folder().join("overrides/common");
    std::fs::create_dir_all(&overrides).unwrap();
    std::fs::write(overrides.join("firewall.nft"), locked).unwrap();

    let plan = lab.run(&["plan", "--on", "h2"]).expect(2);
    assert!(
        plan.stdout.contains("overrid"),
        "the plan names the override: {plan}"
    );
    let outcome = lab.run(&["apply", "--yes", "--on", "h2"]);
    assert_ne!(outcome.code, Some(0), "{outcome}");

    eventually("h2 lets us in again", Duration::from_secs(90), || {
        lab.run(&["exec", "--on", "h2", "--", "true"]).code == Some(0)
    });
    let table = lab.on("h2", "nft list table inet jitctl");
    assert!(
        !table.contains("dport 22"),
        "the old rules are back: {table}"
    );

    std::fs::remove_dir_all(lab.folder().join("overrides")).unwrap();
    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
}

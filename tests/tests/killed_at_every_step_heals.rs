//! jitctl is killed at every step of a first deployment; the next apply goes on from there.

#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use std::io::{BufRead as _, BufReader};

use jitctl_tests::Lab;

/// Kills an apply as soon as it has begun `steps` steps. True when it ended by itself before.
fn killed_after(lab: &Lab, steps: usize) -> bool {
    let mut apply = lab.start(&["apply", "--yes", "--no-progress", "--json"]);
    let stderr = apply.stderr.take().expect("standard error is piped");
    let mut seen = 0;
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains("\"step\"") {
            seen += 1;
        }
        if seen == steps {
            apply.kill().expect("it can be killed");
            apply.wait().expect("it ends");
            return false;
        }
    }
    apply.wait().expect("it ends").success()
}

#[test]
fn every_interrupted_apply_is_healed_by_the_next() {
    let lab = Lab::with_inventory("kill", 2);
    let mut steps = 1;
    // Each run starts from what the killed one left, so the kill point moves through all steps.
    while !killed_after(&lab, steps) {
        steps += 1;
        assert!(steps < 200, "an apply ends by itself some time");
    }
    assert!(
        steps > 3,
        "it was killed in the middle at least a few times"
    );
    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
    lab.run(&["status"]).expect(0);
    let leftovers = lab.on(
        "h1",
        "find /etc /usr/lib /var/lib/jitctl /tmp /run -xdev \\( -name '*.jitctl-*' -o -name '*.part' \\) 2>/dev/null",
    );
    assert_eq!(leftovers, "", "no temporary file is left");
}

/// Cuts the link to MAIN when an apply begins the step that `words` name, and lets the apply find
/// out by itself.
fn cut_at(lab: &Lab, words: &str) {
    let mut apply = lab.start(&["apply", "--yes", "--no-progress", "--json"]);
    let stderr = apply.stderr.take().expect("standard error is piped");
    let mut is_cut = false;
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if !is_cut && line.contains("h1") && line.contains(words) {
            lab.lab(&["fault", "cut", "h1"]).expect(0);
            is_cut = true;
        }
    }
    assert!(is_cut, "no step says `{words}`");
    let status = apply.wait().expect("it ends");
    assert!(!status.success(), "it notices that the host is gone");
    lab.lab(&["fault", "clear", "h1"]).expect(0);
}

#[test]
fn a_cut_link_is_healed_by_the_next_apply() {
    let lab = Lab::with_inventory("cut", 2);
    cut_at(&lab, "install packages");
    cut_at(&lab, "restart services");
    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
    lab.run(&["status"]).expect(0);
}

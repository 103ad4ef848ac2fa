//! A password is rolled over while the site runs: at every moment the focus counts a bridge, and
//! in the end only the new account can log in.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jitctl_tests::{Lab, eventually};
use serde_json::Value;

/// Bridges that the focus would use now.
fn operational(lab: &Lab) -> Option<usize> {
    let answer = lab.on(
        "h1",
        "curl -sS --max-time 2 http://127.0.0.1:8888/debug || true",
    );
    let debug: Value = serde_json::from_str(&answer).ok()?;
    let bridges = debug["bridges"].as_array()?;
    Some(
        bridges
            .iter()
            .filter(|bridge| bridge["operational"] == true)
            .count(),
    )
}

fn account(lab: &Lab, host: &str) -> String {
    lab.on(host, "grep ^username /etc/jitctl/bridge.toml")
        .trim()
        .to_owned()
}

#[test]
fn bridges_change_accounts_one_after_the_other_and_back_again() {
    let lab = Lab::deployed("rotate", 3);
    eventually("both bridges are counted", Duration::from_secs(20), || {
        operational(&lab) == Some(2)
    });
    assert_eq!(account(&lab, "h2"), r#"username = "jvb""#);
    let before = lab.run(&["--json", "plan"]).expect(0);
    assert!(!before.stdout.is_empty());

    let done = Arc::new(AtomicBool::new(false));
    let mut rotation = lab.start(&["secrets", "rotate", "xmpp-bridge"]);
    let mut seen = Vec::new();
    while !done.load(Ordering::Relaxed) {
        if rotation.try_wait().unwrap().is_some() {
            done.store(true, Ordering::Relaxed);
        }
        seen.extend(operational(&lab));
    }
    let ended = rotation.wait_with_output().unwrap();
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(seen.len() > 3, "the rotation was watched: {seen:?}");
    assert!(
        seen.iter().all(|count| *count >= 1),
        "a bridge at every moment: {seen:?}"
    );

    eventually("both are counted again", Duration::from_secs(20), || {
        operational(&lab) == Some(2)
    });
    for host in ["h2", "h3"] {
        assert_eq!(account(&lab, host), r#"username = "jvb-b""#, "{host}");
    }
    lab.run(&["plan"]).expect(0);
    assert!(
        !String::from_utf8_lossy(&ended.stdout).contains("password"),
        "nothing secret is told"
    );
    what_cannot_end_is_not_begun(&lab);
}

/// The secrets stay as they are when a rotation could not come to its end.
fn what_cannot_end_is_not_begun(lab: &Lab) {
    let secrets = || std::fs::read_to_string(lab.folder().join("secrets.yaml")).unwrap();
    let before = secrets();
    let rotate = |name: &str| lab.run(&["secrets", "rotate", name]);
    rotate("pki-ca-key").expect(3);
    rotate("no-such-secret").expect(3);

    let good = lab.inventory();
    lab.write_inventory(&good.replacen("  h2:\n", "  h2:\n    region: elsewhere\n", 1));
    let waits = rotate("xmpp-bridge").expect(3);
    assert!(waits.stderr.contains("other changes wait"), "{waits}");
    lab.write_inventory(&good);

    lab.lab(&["fault", "power-off", "h3"]).expect(0);
    let away = rotate("xmpp-bridge").expect(5);
    assert!(away.stderr.contains("h3"), "{away}");
    assert_eq!(secrets(), before);
}

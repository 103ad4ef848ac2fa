//! Fifty looks at a healthy site find nothing: at rest, under load, and right after an apply.
//! Prints how long they took.

use std::io::Write as _;
use std::time::{Duration, Instant};

use jitctl_tests::Lab;

/// Two busy loops a host: more work than the machine has processors.
const LOAD: &str = "for number in 1 2; do systemd-run -q --unit=busy$number \
    sh -c 'while :; do :; done'; done";
const REST: &str = "systemctl stop busy1 busy2";

/// sshd is held up while a script ends, so that it sends the exit status before the last output.
const HASTY_STATUS: &str = "p=$$; while [ \"$(cat /proc/$p/comm)\" != sshd ]; do \
    p=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$p/status); done; kill -STOP $p; \
    (sleep 0.3; kill -CONT $p) > /dev/null 2>&1 < /dev/null & seq 11000";

#[test]
fn fifty_looks_at_a_healthy_site_find_nothing() {
    let lab = Lab::deployed_with_everything("quiet", 3, 2000);
    let hosts = ["h1", "h2", "h3"];
    // What an answer lacks would be a false alarm.
    for _ in 0..10 {
        assert_eq!(lab.on("h1", HASTY_STATUS).lines().count(), 11_000);
    }
    say("\n| Looks | When | Findings | Median seconds | Slowest seconds |\n|--|--|--|--|--|\n");
    let mut wrong = Vec::new();
    let after_apply = (0..10).map(|round| {
        let region = if round % 2 == 0 { "eu" } else { "us" };
        let inventory = lab.inventory();
        let changed = match inventory.split_once("\n    region: ") {
            None => inventory.replacen(
                "roles: [bridge]",
                &format!("roles: [bridge]\n    region: {region}"),
                1,
            ),
            Some((before, after)) => {
                let after = after.split_once('\n').map_or("", |(_, after)| after);
                format!("{before}\n    region: {region}\n{after}")
            }
        };
        assert_ne!(changed, inventory, "an apply that changes something");
        lab.write_inventory(&changed);
        lab.run(&["apply", "--yes"]).expect(0);
        look(&lab)
    });
    show("right after an apply", after_apply.collect(), &mut wrong);
    show("at rest", (0..15).map(|_| look(&lab)).collect(), &mut wrong);
    for host in hosts {
        shell(&lab, host, LOAD);
    }
    show(
        "under load",
        (0..25).map(|_| look(&lab)).collect(),
        &mut wrong,
    );
    for host in hosts {
        shell(&lab, host, REST);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// How long it took and what was found, in words.
type Look = (Duration, String);

fn look(lab: &Lab) -> Look {
    let started = Instant::now();
    let outcome = lab.run_outside(&["--json", "doctor"]);
    let took = started.elapsed();
    let findings = outcome.json()["findings"].clone();
    let found = match findings.as_array() {
        Some(findings) if findings.is_empty() => String::new(),
        _ => findings.to_string(),
    };
    (took, found)
}

fn show(when: &str, looks: Vec<Look>, wrong: &mut Vec<String>) {
    let mut times: Vec<f64> = looks.iter().map(|(took, _)| took.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let found: Vec<String> = looks
        .into_iter()
        .map(|(_, found)| found)
        .filter(|found| !found.is_empty())
        .collect();
    say(&format!(
        "| {} | {when} | {} | {:.1} | {:.1} |\n",
        times.len(),
        found.len(),
        times.get(times.len() / 2).copied().unwrap_or_default(),
        times.last().copied().unwrap_or_default()
    ));
    wrong.extend(found.into_iter().map(|found| format!("{when}: {found}")));
}

#[track_caller]
fn shell(lab: &Lab, host: &str, line: &str) {
    lab.lab(&["exec", host, "--", "bash", "-ec", line])
        .expect(0);
}

/// Past the capture of the test harness: the table is the result.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

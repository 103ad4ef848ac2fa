//! `lab down` leaves no process, mount, link, cgroup or firewall rule; also after a kill -9.

#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use std::fs;
use std::process::Command;

use jitctl_tests::Lab;

/// What of a lab this machine shows.
fn traces(lab: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts can be read");
    found.extend(
        mounts
            .lines()
            .filter(|line| line.contains(lab))
            .map(str::to_owned),
    );
    for entry in fs::read_dir("/proc")
        .expect("processes can be listed")
        .flatten()
    {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let ours = entry.file_name().to_string_lossy() == std::process::id().to_string();
        if command.contains(lab) && !ours {
            found.push(command);
        }
    }
    found.extend(lines(
        "find",
        &["/sys/fs/cgroup", "-type", "d", "-name", &format!("*{lab}*")],
    ));
    found.extend(
        lines("losetup", &["-a"])
            .into_iter()
            .filter(|line| line.contains(lab)),
    );
    found
}

/// Links and packet filter of this machine itself.
fn outside() -> Vec<String> {
    let mut all = lines("ip", &["-o", "link"]);
    for line in &mut all {
        line.truncate(line.find("state").unwrap_or(line.len()));
    }
    all.extend(lines("nft", &["-s", "list", "ruleset"]));
    all
}

fn lines(program: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the program starts");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn nothing_is_left_after_a_kill_of_the_labs_own_process() {
    let before = outside();
    let lab = Lab::up("traces", 2);
    assert!(
        !traces(lab.name()).is_empty(),
        "the search finds a living lab"
    );
    assert_eq!(outside(), before, "a living lab is invisible outside");

    let holders = lines(
        "pgrep",
        &["-f", &format!("__lab-holder hold .*{}", lab.name())],
    );
    assert!(!holders.is_empty(), "the holder is found");
    for pid in holders {
        lines("kill", &["-KILL", &pid]);
    }
    lab.lab(&["down"]).expect(0);
    assert_eq!(traces(lab.name()), Vec::<String>::new());
    assert_eq!(outside(), before);
}

#[test]
fn a_killed_up_can_be_taken_down_or_up_again() {
    let lab = Lab::up("killed", 1);
    let mut up = lab.start(&["lab", "up", "--name", lab.name(), "--hosts", "3"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    up.kill().expect("it can be killed");
    up.wait().expect("it ends");
    let again = lab.lab(&["up", "--hosts", "3"]).expect(0);
    assert!(again.stdout.contains("h3"), "{again}");
    lab.lab(&["down"]).expect(0);
    assert_eq!(traces(lab.name()), Vec::<String>::new());
}

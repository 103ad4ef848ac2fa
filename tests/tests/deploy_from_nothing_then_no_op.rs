//! From three bare hosts to a site, and a second apply that touches nothing.

#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use jitctl_tests::Lab;

/// Everything that an apply could touch, with the time it was last changed; and when each unit
/// was last started. `ctime` cannot be set back by a program that rewrites a file.
const FINGERPRINT: &str = "find /etc /usr/lib/jitctl /usr/local /var/lib/jitctl/releases \
     -xdev -printf '%p %C@ %T@ %m %u:%g %l\\n' | sort; \
     for unit in prosody nginx jitctl-focus jitctl-bridge jitctl-firewall nftables; do \
     systemctl show -p Id,ActiveEnterTimestampMonotonic,ExecReloadStartTimestamp,MainPID $unit; done; \
     nft -s list ruleset";

/// The sandbox of our units, and what they take with nobody in a room.
fn daemons_are_confined_and_small(lab: &Lab) {
    for (host, unit) in [
        ("h1", "jitctl-focus.service"),
        ("h2", "jitctl-bridge.service"),
    ] {
        let analysis = lab.on(host, &format!("systemd-analyze security --no-pager {unit}"));
        let exposure: f64 = analysis
            .lines()
            .find_map(|line| line.split_once("Overall exposure level for "))
            .and_then(|(_, line)| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or_else(|| panic!("{host}: {analysis}"));
        assert!(exposure <= 2.0, "{host}: {analysis}");
        let resident = lab.on(
            host,
            &format!(
                "sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' \
                 /proc/$(systemctl show -p MainPID --value {unit})/status"
            ),
        );
        let kibibytes: u32 = resident.trim().parse().expect("a number");
        assert!(
            kibibytes < 30 * 1024,
            "{host}: {unit} takes {kibibytes} KiB"
        );
    }
}

/// `h1` through another host, as somebody who becomes root by sudo.
fn a_jump_host_and_sudo_will_do(lab: &Lab) {
    let direct = lab.inventory();
    let through = |jump: &str| {
        let to = format!("ssh: {{ user: ops, jump: {jump}, config:");
        lab.write_inventory(&direct.replacen("ssh: { config:", &to, 1));
    };
    through("ops@h3");
    lab.run(&["plan"]).expect(0);
    assert_eq!(
        lab.on("h1", "echo $SUDO_USER is $(id -un)"),
        "ops is root\n"
    );
    through("ops@nobody.test");
    let failed = lab.run(&["plan", "--on", "h1"]).expect(5);
    assert!(failed.stderr.contains("jump host"), "{failed}");
    lab.write_inventory(&direct);
}

#[test]
fn a_bare_site_is_deployed_and_a_second_apply_changes_nothing() {
    let lab = Lab::with_inventory("deploy", 3);

    let plan = lab.run(&["plan"]).expect(2);
    for expected in ["prosody", "nginx", "jitctl-bridge", "5222"] {
        assert!(
            plan.stdout.contains(expected),
            "the plan names {expected}: {plan}"
        );
    }

    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);

    let status = lab.run(&["--json", "status"]).expect(0);
    let bridges = status.json()["bridges"].clone();
    let counted = bridges
        .as_array()
        .into_iter()
        .flatten()
        .filter(|bridge| bridge["operational"] == true)
        .count();
    assert_eq!(counted, 2, "the focus counts both bridges: {status}");

    let before: Vec<String> = ["h1", "h2", "h3"]
        .map(|host| lab.on(host, FINGERPRINT))
        .into();
    lab.run(&["apply", "--yes"]).expect(0);
    let after: Vec<String> = ["h1", "h2", "h3"]
        .map(|host| lab.on(host, FINGERPRINT))
        .into();
    for (host, (before, after)) in before.iter().zip(&after).enumerate() {
        let changed: Vec<&str> = after
            .lines()
            .filter(|line| !before.contains(*line))
            .collect();
        assert!(changed.is_empty(), "h{} changed: {changed:#?}", host + 1);
    }

    daemons_are_confined_and_small(&lab);
    a_jump_host_and_sudo_will_do(&lab);

    // The site's own authority: what a browser would have to trust.
    let certificate = lab
        .run(&["secrets", "show", "pki-ca-cert"])
        .expect(0)
        .stdout;
    let authority = lab.folder().join("ca.crt");
    std::fs::write(&authority, certificate).expect("the folder is ours");
    let authority = authority.display().to_string();
    let page = lab.as_client(&["curl", "-fsS", "--cacert", &authority, "https://meet.test/"]);
    assert!(
        page.expect(0).stdout.contains("<html"),
        "the page is served"
    );
}

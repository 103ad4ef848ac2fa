//! MAIN's XMPP port answers bridges and nobody else; private ports answer nobody.

use jitctl_tests::Lab;

const MAIN: &str = "10.77.0.11";

#[test]
fn only_bridges_reach_5222_and_nobody_reaches_private_ports() {
    let lab = Lab::with_strangers("ports", 4, &["h2", "h3"]);
    lab.run(&["apply", "--yes"]).expect(0);

    let reach = |from: &str, port: u16| {
        let probe = format!("nc -z -w 2 {MAIN} {port}");
        let outcome = lab.lab(&["exec", from, "--", "sh", "-c", &probe]);
        outcome.code == Some(0)
    };
    for bridge in ["h2", "h3"] {
        assert!(reach(bridge, 5222), "{bridge} is a bridge");
    }
    assert!(!reach("h4", 5222), "a host that is no bridge is refused");
    for port in [80, 443] {
        assert!(reach("h4", port), "{port} is for the world");
    }
    for port in [5347, 5280, 8888] {
        assert!(!reach("h2", port), "{port} is for nobody, not even bridges");
    }
    assert!(
        lab.status_on("h1", "nft list table inet jitctl") == 0,
        "the table is there"
    );
    lab.lab(&["reboot", "h1"]).expect(0);
    assert!(!reach("h4", 5222), "the rules survive a reboot");
}

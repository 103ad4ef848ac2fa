//! Participants without a browser meet in a deployed site: calls through each bridge, a big room
//! that leaves no trace, and many small rooms that spread over the bridges.

use std::time::Duration;

use jitctl_tests::{Lab, Outcome, eventually, jitctl};
use serde_json::Value;

/// Runs `jitctl` where people are: on the lab's internet.
fn as_client(lab: &Lab, arguments: &[&str]) -> Outcome {
    let program = jitctl();
    let program = program.to_string_lossy();
    lab.as_client(&[&[&*program, "--json"], arguments].concat())
}

fn page(lab: &Lab, host: &str, url: &str) -> Value {
    let text = lab.on(host, &format!("curl -fsS {url}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn prosody(lab: &Lab, question: &str) -> String {
    lab.on(
        "h1",
        &format!("prosodyctl shell '{question}' 2>&1 | tail -n 1"),
    )
}

#[test]
fn calls_big_rooms_and_many_rooms_go_through_the_bridges() {
    let lab = Lab::deployed("people", 3);

    let calls = as_client(&lab, &["call"]).expect(0).json();
    let calls = calls["calls"].as_array().expect("a list").clone();
    let hosts: Vec<&str> = calls
        .iter()
        .filter_map(|call| call["host"].as_str())
        .collect();
    assert_eq!(hosts, ["h2", "h3"]);
    for (call, address) in calls.iter().zip(["10.77.0.12", "10.77.0.13"]) {
        assert!(call["failed"].is_null(), "{call:#}");
        let offered = call["bridge"].as_array().expect("addresses");
        assert!(offered.contains(&address.into()), "pinned to it: {call:#}");
    }

    // Forty rooms of three; first, while both bridges are as idle as each other.
    let many = [
        "load",
        "--rooms",
        "40",
        "--people",
        "3",
        "--video",
        "0",
        "--seconds",
        "5",
    ];
    let many = as_client(&lab, &many).expect(0).json();
    assert_eq!(many["good"], 120, "{many:#}");
    let bridges = many["bridges"].as_array().expect("a list");
    let rooms: Vec<u64> = bridges.iter().filter_map(|b| b["rooms"].as_u64()).collect();
    assert_eq!(rooms.iter().sum::<u64>(), 40, "{many:#}");
    assert!(
        rooms.len() == 2 && rooms.iter().all(|count| (16..=24).contains(count)),
        "20 each, give or take a fifth: {rooms:?}"
    );

    // Thirty in one room, and gone again.
    let sessions = prosody(&lab, "c2s:show()");
    let one = ["load", "--rooms", "1", "--people", "30", "--video", "2"];
    let more = ["--seconds", "5", "--kilobits", "300", "--single-layer"];
    let big = as_client(&lab, &[&one[..], &more[..]].concat())
        .expect(0)
        .json();
    assert_eq!(big["good"], 30, "{big:#}");
    assert_eq!(big["complete"], 30, "everybody got everything: {big:#}");
    assert!(
        big["all_joined"]
            .as_u64()
            .is_some_and(|time| time <= 10_000),
        "within 10 s: {big:#}"
    );
    eventually("no trace is left", Duration::from_secs(20), || {
        let focus = page(&lab, "h1", "http://127.0.0.1:8888/stats");
        let bridges =
            ["h2", "h3"].map(|host| page(&lab, host, "http://127.0.0.1:8080/colibri/stats"));
        focus["participants"] == 0
            && focus["conferences"] == 0
            && bridges
                .iter()
                .all(|bridge| bridge["participants"] == 0 && bridge["conferences"] == 0)
            && prosody(&lab, r#"muc:list("conference.meet.test")"#).contains("OK: 0 rooms")
            && prosody(&lab, "c2s:show()") == sessions
    });

    // The leg that fails is named.
    lab.lab(&["fault", "block", "h2", "10000/udp", "--from", "client"])
        .expect(0);
    let blocked = as_client(&lab, &["call", "--limit", "5"]).expect(4).json();
    assert_eq!(blocked["calls"][0]["failed"]["leg"], "ice", "{blocked:#}");
    assert!(blocked["calls"][1]["failed"].is_null(), "{blocked:#}");

    // It is the last gate of an apply: everything on the host is green, and nobody can be heard.
    let before = lab.on("h2", "cat /etc/jitctl/bridge.toml");
    let changed = lab
        .inventory()
        .replacen("  h2:\n", "  h2:\n    region: elsewhere\n", 1);
    std::fs::write(lab.folder().join("jitctl.yaml"), &changed).expect("the inventory is ours");
    let red = as_client(&lab, &["apply", "--yes", "--on", "h2"]).expect(7);
    assert!(red.to_string().contains("call through h2: ICE"), "{red}");
    assert_eq!(lab.on("h2", "cat /etc/jitctl/bridge.toml"), before);
    lab.lab(&["fault", "clear"]).expect(0);
    let green = as_client(&lab, &["apply", "--yes", "--on", "h2"]).expect(0);
    assert!(
        green.to_string().contains("a call through h2 went well"),
        "{green}"
    );
}

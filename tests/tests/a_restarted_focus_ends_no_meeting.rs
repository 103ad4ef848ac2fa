//! A focus that is restarted keeps its place in every room; operators see and end meetings.

use jitctl_tests::{DOMAIN, Lab, Person};

/// The statuses of conference requests that are made while a command takes the focus away, until
/// another process has served some.
fn answers_while(lab: &Lab, command: &str) -> Vec<String> {
    let script = format!(
        r#"process() {{ systemctl show -p MainPID --value jitctl-focus; }}
ask() {{
    curl -s -o /dev/null -m 20 -w '%{{http_code}}\n' -H 'Content-Type: application/json' \
        -d '{{"room":"other@conference.{DOMAIN}"}}' http://127.0.0.1:8888/conference-request/v1
}}
before=$(process)
{command}
while [ "$(process)" = "$before" ] || [ "$(process)" = 0 ]; do ask; done
ask
ask"#
    );
    let mut answers: Vec<String> = lab.on("h1", &script).lines().map(str::to_owned).collect();
    answers.sort();
    answers.dedup();
    answers
}

#[test]
fn people_notice_no_restart_and_operators_see_their_room() {
    let lab = Lab::with_inventory("restart", 2);
    lab.run(&["apply", "--yes"]).expect(0);
    assert!(lab.run(&["rooms"]).expect(0).stdout.contains("nobody"));
    lab.run(&["room", "standup", "show"]).expect(3);

    let ann = Person::guest(&lab, DOMAIN);
    let ben = Person::guest(&lab, DOMAIN);
    let opened = ann.ask_for_room("standup");
    assert!(opened.contains("ready='true'"), "{opened}");
    let mut heard = ann.enter("standup", "aaaa1111");
    heard.push_str(&ben.enter("standup", "bbbb2222"));

    let people = |lab: &Lab| {
        let rooms = lab.run(&["--json", "rooms"]).expect(0).json();
        let rooms = rooms["rooms"].as_array().expect("a list").iter();
        rooms
            .filter_map(|room| room["participants"].as_array())
            .map(Vec::len)
            .sum::<usize>()
    };
    assert_eq!(people(&lab), 2);
    let cleo = Person::guest(&lab, DOMAIN);
    for how in [
        "systemctl restart --no-block jitctl-focus",
        "systemctl kill -s KILL jitctl-focus",
    ] {
        let over_http = std::thread::scope(|scope| {
            let over_http = scope.spawn(|| answers_while(&lab, how));
            while !over_http.is_finished() {
                let told = cleo.ask_for_room("other");
                assert!(told.contains("ready="), "nobody is refused: {how}: {told}");
            }
            over_http.join().expect("it asks")
        });
        assert_eq!(over_http, ["200"], "nobody is refused: {how}");
        assert_eq!(people(&lab), 2, "the new focus has the room: {how}");
    }
    heard.push_str(&ann.hear());
    heard.push_str(&ben.hear());
    let left = |presence: &str| {
        presence.contains("conference.meet.test/focus") && presence.contains("unavailable")
    };
    assert!(
        !heard.split("<presence").any(left),
        "the focus never left: {heard}"
    );

    let shown = lab.run(&["room", "standup", "show"]).expect(0).stdout;
    assert!(shown.contains("aaaa1111"), "{shown}");
    lab.run(&["room", "standup", "kick", "bbbb2222"]).expect(0);
    lab.run(&["room", "standup", "kick", "nobody"]).expect(3);
    lab.run(&["room", "standup", "end"]).expect(0);
    let mut end = ann.hear();
    end.push_str(&ann.hear());
    assert!(end.contains("<destroy"), "Ann is told: {end}");
    let rooms = lab.run(&["rooms"]).expect(0).stdout;
    assert!(!rooms.contains("standup"), "{rooms}");
}

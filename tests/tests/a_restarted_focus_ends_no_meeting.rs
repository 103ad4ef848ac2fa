//! A focus that is restarted keeps its place in every room; operators see and end meetings.

use jitctl_tests::{DOMAIN, Lab, Person};

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
        rooms["rooms"][0]["participants"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!(people(&lab), 2);
    lab.on("h1", "systemctl restart jitctl-focus");
    assert_eq!(people(&lab), 2, "the new focus has the room");
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
    assert!(lab.run(&["rooms"]).expect(0).stdout.contains("nobody"));
}

//! In a secure domain an account opens a room; a guest waits, and comes in once it is open.

use jitctl_tests::{DOMAIN, Lab, Person};

#[test]
fn accounts_open_rooms_and_guests_wait() {
    let lab = Lab::with_inventory("secure", 2);
    let secure = lab.inventory().replace(
        "# authentication: { mode: secure_domain }",
        "authentication: { mode: secure_domain }",
    );
    lab.write_inventory(&secure);
    lab.run(&["apply", "--yes"]).expect(0);
    lab.run_with_input(&["user", "add", "ann"], "correct horse\n")
        .expect(0);
    let users = lab.run(&["--json", "user", "list"]).expect(0).json();
    assert_eq!(users["users"], serde_json::json!(["ann"]));

    let guest = Person::guest(&lab, &format!("guest.{DOMAIN}"));
    let refused = guest.ask_for_room("standup");
    assert!(
        refused.contains("not-authorized"),
        "a guest cannot open a room: {refused}"
    );
    assert!(
        !guest.may_enter("standup"),
        "a guest does not open a room by entering it either"
    );
    assert!(
        Person::account(&lab, DOMAIN, "ann", "wrong horse").is_none(),
        "a wrong password is refused"
    );

    let ann = Person::account(&lab, DOMAIN, "ann", "correct horse").expect("Ann may log in");
    let opened = ann.ask_for_room("standup");
    assert!(opened.contains("ready='true'"), "Ann opens it: {opened}");
    let ready = guest.ask_for_room("standup");
    assert!(
        ready.contains("ready='true'"),
        "the guest is let in now: {ready}"
    );
    assert!(guest.may_enter("standup"), "and enters the room");

    lab.run(&["user", "remove", "ann"]).expect(0);
    assert!(
        Person::account(&lab, DOMAIN, "ann", "correct horse").is_none(),
        "a removed account cannot log in"
    );
    lab.run(&["plan"]).expect(0);
}

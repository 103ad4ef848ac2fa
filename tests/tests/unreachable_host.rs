//! One host does not answer: the others finish, or nothing starts; the summary says which.

use jitctl_tests::Lab;

#[test]
fn the_rest_finish_or_nothing_starts() {
    let lab = Lab::with_inventory("away", 3);
    lab.lab(&["fault", "power-off", "h3"]).expect(0);

    let nothing = lab.run(&["apply", "--yes", "--all-or-nothing"]).expect(5);
    assert!(
        nothing.stderr.contains("h3"),
        "the summary names h3: {nothing}"
    );
    assert_eq!(
        lab.status_on("h1", "test -e /etc/jitctl"),
        1,
        "nothing was started on the others"
    );

    let rest = lab.run(&["apply", "--yes"]).expect(5);
    let said = format!("{}{}", rest.stdout, rest.stderr);
    assert!(said.contains("h3"), "the summary names h3: {rest}");
    assert_eq!(
        lab.status_on("h1", "systemctl is-active prosody jitctl-focus"),
        0
    );
    assert_eq!(lab.status_on("h2", "systemctl is-active jitctl-bridge"), 0);

    lab.lab(&["fault", "clear", "h3"]).expect(0);
    lab.run(&["apply", "--yes"]).expect(0);
    lab.run(&["plan"]).expect(0);
}

//! Edits add or remove one host and keep every other byte.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jitctl_inventory::edit::{EditError, add_host, remove_host};
use jitctl_inventory::load_text;
use jitctl_inventory::model::{Addresses, Host, Overrides, Role, Ssh};
use jitctl_inventory::names::{HostName, MucNick};
use proptest::prelude::*;

fn bridge() -> Host {
    Host {
        roles: BTreeSet::from([Role::Bridge]),
        ssh: Ssh {
            address: Some("192.0.2.9".to_owned()),
            user: Some("root".to_owned()),
            ..Ssh::default()
        },
        address: Addresses {
            private: vec!["10.0.0.9".parse().unwrap()],
            public: vec!["2001:db8::9".parse().unwrap()],
        },
        region: Some("eu".to_owned()),
        labels: [("rack".to_owned(), "007".to_owned())].into(),
        nickname: Some(MucNick::new("b9-0001")),
        foreign: None,
        overrides: Overrides::default(),
    }
}

fn name(text: &str) -> HostName {
    HostName::new(text)
}

const SITE: &str = "# head
version: 1
site: { domain: meet.test } # the site
hosts:
  # the one
  m1: # MAIN
    roles: [main]
    address:
      private:
        - 10.0.0.1 # eth1
    # last words of m1

  # the bridges
  b1:
    roles: [bridge]
    address: { private: [10.0.0.2] }
# foot
";

#[test]
fn a_host_is_added_below_the_others() {
    let text = add_host(SITE, &name("b9"), &bridge()).unwrap();
    let expected = SITE.replace(
        "# foot",
        "
  b9:
    roles: [bridge]
    nickname: b9-0001
    region: eu
    labels: { rack: \"007\" }
    ssh: { address: 192.0.2.9, user: root }
    address: { private: [10.0.0.9], public: [\"2001:db8::9\"] }
# foot",
    );
    assert_eq!(text, expected);
    assert_eq!(
        load_text("x", &text).unwrap().inventory.hosts[&name("b9")],
        bridge()
    );
    assert_eq!(
        remove_host(&text, &name("b9")).unwrap(),
        SITE.replace("# foot", "\n# foot")
    );
}

#[test]
fn a_removed_host_takes_its_own_lines_only() {
    let expected = "# head
version: 1
site: { domain: meet.test } # the site
hosts:
  # the one

  # the bridges
  b1:
    roles: [bridge]
    address: { private: [10.0.0.2] }
# foot
";
    assert_eq!(remove_host(SITE, &name("m1")).unwrap(), expected);
}

#[test]
fn the_indentation_of_the_file_is_kept() {
    let text = "version: 1\nsite: {domain: a.test}\nhosts:\n    m1:\n        roles: [main]\n        address: {private: [10.0.0.1]}";
    let added = add_host(text, &name("b9"), &bridge()).unwrap();
    assert!(
        added.contains("]}\n    b9:\n        roles: [bridge]\n"),
        "{added}"
    );
    assert_eq!(
        remove_host(&added, &name("b9")).unwrap(),
        format!("{text}\n")
    );
}

#[test]
fn windows_line_ends_are_kept() {
    let text = SITE.replace('\n', "\r\n");
    let added = add_host(&text, &name("b9"), &bridge()).unwrap();
    assert_eq!(added.matches('\n').count(), added.matches("\r\n").count());
}

#[test]
fn inline_hosts_are_edited_inline() {
    let text = "{version: 1, site: {domain: a.test}, hosts: {m1: {roles: [main], address: {private: [10.0.0.1]}}, b1: {roles: [bridge], address: {private: [10.0.0.2]}}}}";
    let added = add_host(text, &name("b9"), &bridge()).unwrap();
    assert_eq!(load_text("x", &added).unwrap().inventory.hosts.len(), 3);
    let removed = remove_host(&added, &name("m1")).unwrap();
    assert!(removed.contains("hosts: {b1: "), "{removed}");
    let removed = remove_host(&remove_host(&removed, &name("b1")).unwrap(), &name("b9")).unwrap();
    let filled = add_host(&removed, &name("b9"), &bridge()).unwrap();
    assert!(filled.contains("b9:"), "{filled}");
}

#[test]
fn the_first_and_the_last_host_work_too() {
    for empty in [
        "hosts: {} # none\nx-after: 1\n",
        "hosts: # none\nx-after: 1\n",
        "hosts: ~ # none\nx-after: 1\n",
    ] {
        let text = format!("version: 1\nsite: {{ domain: a.test }}\n{empty}");
        let added = add_host(&text, &name("b9"), &bridge()).unwrap();
        assert!(added.contains("# none\n  b9:\n    roles"), "{added}");
        let removed = remove_host(&added, &name("b9")).unwrap();
        assert!(removed.contains("hosts: {}"), "{removed}");
    }
}

#[test]
fn impossible_edits_are_refused_with_the_reason() {
    assert_eq!(
        add_host(SITE, &name("b1"), &bridge()),
        Err(EditError::AlreadyThere(name("b1")))
    );
    assert_eq!(
        remove_host(SITE, &name("b7")),
        Err(EditError::NotThere(name("b7")))
    );
    assert_eq!(
        add_host("a: [", &name("b1"), &bridge()),
        Err(EditError::Unreadable)
    );
    let anchored = SITE.replace("m1: # MAIN", "m1: &m # MAIN") + "x-copy: *m\n";
    assert_eq!(
        remove_host(&anchored, &name("m1")),
        Err(EditError::Anchor(name("m1")))
    );
}

/// Inventories in many hands' styles.
fn sites() -> impl Strategy<Value = (String, Vec<String>)> {
    let host = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let hosts = prop::collection::vec(host, 1..5);
    (hosts, prop::sample::select(vec![2_usize, 3, 4]), any::<bool>(), any::<bool>()).prop_map(
        |(hosts, step, after, windows)| {
            let margin = " ".repeat(step);
            let mut text = "# head\nversion: 1\nsite:\n  domain: a.test\nhosts:\n".to_owned();
            let mut names = Vec::new();
            for (index, (above, inside, blank, flow)) in hosts.into_iter().enumerate() {
                if above {
                    text.write_fmt(format_args!("{margin}# above {index}\n")).unwrap();
                }
                let address = format!("address: {{ private: [10.0.1.{index}] }}");
                if flow {
                    text.write_fmt(format_args!("{margin}h{index}: {{ roles: [main], {address} }} # beside {index}\n")).unwrap();
                } else {
                    text.write_fmt(format_args!("{margin}h{index}:\n{margin}{margin}roles:\n{margin}{margin}- main # role\n{margin}{margin}{address}\n")).unwrap();
                }
                if inside {
                    text.write_fmt(format_args!("{margin}{margin}# inside {index}\n")).unwrap();
                }
                if blank {
                    text.push('\n');
                }
                names.push(format!("h{index}"));
            }
            if after {
                text += "# after\nx-mine: [1, 2]\n";
            }
            if windows {
                text = text.replace('\n', "\r\n");
            }
            (text, names)
        },
    )
}

/// Whether all lines of `part` stand in `whole`, in order.
fn is_subsequence(part: &str, whole: &str) -> bool {
    let mut lines = whole.lines();
    part.lines().all(|line| lines.any(|other| other == line))
}

proptest! {
    #[test]
    fn adding_keeps_every_line((text, names) in sites()) {
        let added = add_host(&text, &name("b9"), &bridge()).unwrap();
        prop_assert!(is_subsequence(&text, &added), "{added}");
        let inventory = load_text("x", &added).unwrap().inventory;
        prop_assert_eq!(&inventory.hosts[&name("b9")], &bridge());
        prop_assert_eq!(inventory.hosts.len(), names.len() + 1);
    }

    #[test]
    fn removing_keeps_all_comments_of_others((text, names) in sites(), pick in any::<prop::sample::Index>()) {
        let index = pick.index(names.len());
        let removed = remove_host(&text, &name(&names[index])).unwrap();
        prop_assert!(removed.lines().filter(|line| !line.contains("hosts:")).all(|line| text.contains(line)));
        for comment in text.lines().filter(|line| line.contains('#')) {
            let own = [format!("inside {index}"), format!("beside {index}"), "# role".to_owned()];
            if !own.iter().any(|own| comment.ends_with(own)) {
                prop_assert!(removed.lines().any(|line| line == comment), "{comment} lost in:\n{removed}");
            }
        }
    }

    #[test]
    fn arbitrary_text_is_never_a_panic(text in "[-a-z0-9:{}\\[\\]#&*,\n\r \t'\"]{0,120}") {
        let _ = add_host(&format!("hosts:{text}"), &name("b9"), &bridge());
        let _ = remove_host(&format!("hosts:{text}"), &name("a"));
    }
}

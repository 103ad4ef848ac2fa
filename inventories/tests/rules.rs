//! Every rule has an inventory that breaks it, and points at the place that breaks it.

use jitctl_inventory::{Diagnostic, load_text, rules};

/// A site of one MAIN and one BRIDGE; `lines` are put in at `MARK`.
fn with_host(lines: &str) -> String {
    format!(
        "version: 1\nsite:\n  domain: meet.example.org\nhosts:\n  m1:\n    roles: [main]\n    \
         address: {{ private: [10.0.0.1], public: [203.0.113.1] }}\n  b1:\n    \
         roles: [bridge]\n    address: {{ private: [10.0.0.2], public: [203.0.113.2] }}\n{lines}"
    )
}

fn with_site(lines: &str) -> String {
    with_host("").replace("hosts:\n", &format!("{lines}hosts:\n"))
}

fn findings(text: &str) -> Vec<Diagnostic> {
    match load_text("site.yaml", text) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => diagnostics,
    }
}

/// Code, the text that must be marked, the inventory.
fn cases() -> Vec<(&'static str, &'static str, String)> {
    let b2 = |rest: &str| with_host(&format!("  b2:\n    roles: [bridge]\n{rest}"));
    let main_only = |rest: &str| {
        format!(
            "version: 1\nsite: {{ domain: meet.test }}\nhosts:\n  m1:\n    roles: [main, bridge]\n{rest}"
        )
    };
    let address = "    address: { private: [10.0.0.3] }\n";
    vec![
        ("E001", "", "version: [1\n".to_owned()),
        ("E002", "rolse", with_host("    rolse: [main]\n")),
        ("E003", "region", with_host("    region: eu\n    region: us\n")),
        ("E004", "m1", "version: 1\nsite: { domain: m.test }\nhosts: { m1: { roles: [main] } }\n".to_owned()),
        ("E005", "x", with_host("    ssh: x\n")),
        ("E006", "pf", with_site("  firewall: pf\n")),
        ("E007", "65536", with_host("    ssh: { port: 65536 }\n")),
        ("E008", "10.0.0.3/24", b2("    address: { private: [10.0.0.3/24] }\n")),
        ("E009", "2", "version: 2\n".to_owned()),
        ("E010", "", String::new()),
        ("E011", "!x", with_host("    region: !x y\n")),
        ("E012", "b1", b2("    nickname: b1\n    address: { private: [10.0.0.3] }\n").replace("roles: [bridge]\n    address: { private: [10.0.0.2]", "nickname: b1\n    roles: [bridge]\n    address: { private: [10.0.0.2]")),
        ("E013", "a b", with_host("    nickname: a b\n")),
        ("E014", "focus", with_host("    nickname: focus\n")),
        ("E015", "x", with_host("").replace("[main]", "[main]\n    nickname: x")),
        ("E016", "b 2", with_host("").replace("b1:", "b 2:")),
        ("E017", "B1", with_host("  B1:\n    roles: [bridge]\n    nickname: q\n    address: { private: [10.0.0.3] }\n")),
        ("E018", "Meet_.x", with_host("").replace("meet.example.org", "Meet_.x")),
        ("E019", "10.0.0.1", with_host("").replace("meet.example.org", "10.0.0.1")),
        ("E020", "address", b2("    address: {}\n")),
        ("E021", "10.0.0.2", b2("    address: { private: [10.0.0.2] }\n")),
        ("E022", "10.0.0.3", b2("    address: { private: [10.0.0.3, 10.0.0.3] }\n")),
        ("E023", "127.0.0.1", b2("    address: { private: [127.0.0.1] }\n")),
        ("E024", "10.0.0.3", b2("    address: { public: [10.0.0.3] }\n")),
        ("E025", "198.51.100.3", b2("    address: { private: [198.51.100.3] }\n")),
        ("E026", "auth.meet.test", with_host("").replace("meet.example.org", "auth.meet.test")),
        ("E027", "x y", with_host("    labels: { rack: x y }\n")),
        ("E028", "region", with_host("    labels: { region: eu }\n")),
        ("E029", "e u", with_host("    region: e u\n")),
        ("E030", "[]", b2("").replace("[bridge]\n", "[]\n") + address),
        ("E031", "bridge", b2(address).replace("  b2:\n    roles: [bridge]", "  b2:\n    roles: [bridge, bridge]")),
        ("E032", "hosts", with_host("").replace("[main]", "[bridge]")),
        ("E033", "hosts", with_host("").replace("[bridge]", "[main]")),
        ("E034", "[main, bridge]", with_host("").replace("[bridge]", "[main, bridge]")),
        ("E035", "bridge", with_host("").replace("[main]", "[main]\n    overrides: { bridge: { media_port: 9 } }")),
        ("E036", "xmpp_via", with_host("").replace("[main]", "[main]\n    overrides: { xmpp_via: public }")),
        ("E037", "region", with_host("").replace("[main]", "[main]\n    region: eu")),
        ("E038", "0", with_host("    overrides: { bridge: { media_port: 0 } }\n")),
        ("E038", "3478", main_only("    overrides: { bridge: { media_port: 3478 } }\n    address: { private: [10.0.0.1] }\n").replace("meet.test }", "meet.test, turn: { enabled: true } }")),
        ("E064", "stun.example.org", with_host("    overrides: { bridge: { stun_servers: [stun.example.org] } }\n")),
        ("E064", "s t:1", with_host("    overrides: { bridge: { stun_servers: ['[fd00::1]:3478', 's t:1'] } }\n")),
        ("E062", "foreign", with_host("").replace("[bridge]", "[bridge]\n    foreign: { domain: auth.x.test, username: jvb, brewery: a@b.test }")),
        ("E063", "jvb brewery", with_host("").replace("[main]", "[main]\n    foreign: { domain: auth.x.test, username: jvb, brewery: jvb brewery }")),
        ("E039", "b2", b2(address).replace("b1:", "b1:\n    region: eu")),
        ("E040", "address", with_site("  xmpp_via: private\n").replace("private: [10.0.0.1], ", "")),
        ("E041", "address", with_site("  xmpp_via: public\n").replace(", public: [203.0.113.1]", "")),
        ("E042", "address", b2("    address: { private: ['fd00::3'] }\n")),
        ("E043", "false", b2("    address: { private: [10.0.0.3] }\n    overrides: { bridge: { advertise_private: false } }\n")),
        ("E044", "address", with_site("  tls: { mode: acme, email: a@example.org }\n").replace(", public: [203.0.113.2]", "")),
        ("E045", "root@b1", with_host("    ssh: { jump: root@b1 }\n")),
        ("E046", "b1", with_host("    ssh: { jump: m1 }\n").replace("[main]", "[main]\n    ssh: { jump: b1 }")),
        ("E047", "-oProxyCommand=x", with_host("    ssh: { address: -oProxyCommand=x }\n")),
        ("E048", "m1", with_host("    ssh: { address: m1 }\n")),
        ("E049", "false", with_host("    ssh: { user: deploy, sudo: false }\n")),
        ("E055", "admin", with_site("  tls: { mode: acme, email: admin }\n")),
        ("E056", "http://x", with_site("  tls: { mode: acme, email: a@example.org, directory: 'http://x' }\n")),
        ("E057", "meet.test", with_site("  tls: { mode: acme, email: a@example.org }\n").replace("meet.example.org", "meet.test")),
        ("E058", "{ private: [10.0.0.1] }", with_site("  tls: { mode: acme, email: a@example.org }\n").replace(", public: [203.0.113.1]", "")),
        ("E059", "x.pem", with_site("  tls: { mode: files, certificate: x.pem, key: x.pem }\n")),
        ("E061", "x", with_site("  web: { source: jitsi-apt, repository: x, key: '-----BEGIN PGP PUBLIC KEY BLOCK----- -----END PGP PUBLIC KEY BLOCK-----' }\n")),
    ]
}

#[test]
fn the_inventory_that_the_cases_start_from_is_clean() {
    assert_eq!(findings(&with_host("")).len(), 0);
}

#[test]
fn every_case_is_found_at_its_place() {
    let mut wrong = Vec::new();
    for (code, marked, text) in cases() {
        let all = findings(&text);
        let summary: Vec<String> = all
            .iter()
            .map(|one| format!("{}: {one}", one.code))
            .collect();
        let Some(found) = all.iter().find(|one| one.code == code) else {
            panic!("{code} not found, only {summary:#?} in:\n{text}")
        };
        let severity = rules::rule(code).unwrap().severity;
        assert_eq!(found.severity, severity, "{code}");
        if marked.is_empty() {
            continue;
        }
        let place = found.place.as_ref().unwrap();
        let text_at = &text[place.offset..place.offset + place.length];
        if text_at.trim_matches('\'') != marked {
            wrong.push(format!("{code} marks {text_at:?}, not {marked:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_rule_has_a_case() {
    // Concern files on the disk: tests of their own.
    let on_disk = ["E000", "E050", "E051", "E052", "E053", "E054", "E060"];
    let cases = cases();
    for rule in rules::rules().filter(|rule| !on_disk.contains(&rule.code)) {
        assert!(
            cases.iter().any(|case| case.0 == rule.code),
            "{} has no case",
            rule.code
        );
    }
}

#[test]
fn all_errors_come_at_once_and_in_order() {
    let text = "version: 1\nsite:\n  domain: Meet.example\n  fierwall: ufw\nhosts:\n  b1:\n    \
                roles: [brigde]\n    address: { public: [10.0.0.1, 10.0.0.300] }\n    ssh: { port: ssh }\n";
    let codes: Vec<&str> = findings(text).iter().map(|one| one.code).collect();
    assert_eq!(codes, ["E018", "E002", "E006", "E024", "E008", "E005"]);
}

#[test]
fn addresses_behind_one_that_cannot_be_read_are_judged_at_their_own_places() {
    let list = "public: [203.0.113.300, 203.0.113.9, 203.0.113.9, 127.0.0.1]";
    let text = with_host("").replace("public: [203.0.113.2]", list);
    let found = findings(&text);
    let marked = found.iter().map(|one| {
        let place = one.place.as_ref().unwrap();
        let column = place.column - found[0].place.as_ref().unwrap().column;
        (
            one.code,
            column,
            &text[place.offset..place.offset + place.length],
        )
    });
    assert_eq!(
        marked.collect::<Vec<_>>(),
        [
            ("E008", 0, "203.0.113.300"),
            ("E022", 28, "203.0.113.9"),
            ("E023", 41, "127.0.0.1"),
        ]
    );
}

#[test]
fn rules_do_not_speak_about_what_was_only_guessed() {
    // The one MAIN has a typing error in its role: "no main" would be noise.
    let codes: Vec<&str> = findings(&with_host("").replace("[main]", "[mian]"))
        .iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, ["E006"]);
}

#[test]
fn hints_name_what_was_meant() {
    let help = |text: &str| findings(text)[0].help.clone().unwrap();
    assert!(help(&with_host("    rolse: [main]\n")).contains("`roles`"));
    assert!(help(&with_host("").replace("[bridge]", "[brdige]")).contains("did you mean `bridge`"));
    assert!(help(&with_host("").replace("10.0.0.2", "10.0.0.2/24")).contains("`10.0.0.2`"));
    assert!(help(&with_host("    <<: x\n")).contains("merge"));
}

#[test]
fn the_source_line_is_shown_with_a_mark() {
    let found = findings(&with_host("    rolse: [main]\n")).remove(0);
    let handler =
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    let mut shown = String::new();
    handler.render_report(&mut shown, &found).unwrap();
    let expected = "E002

  × `hosts.b1` has no key `rolse`
    ╭─[site.yaml:11:5]
 10 │     address: { private: [10.0.0.2], public: [203.0.113.2] }
 11 │     rolse: [main]
    ·     ──┬──
    ·       ╰── unknown key
    ╰────
  help: did you mean `roles`? (What the host carries.)
";
    assert_eq!(shown, expected);
}

#[test]
fn the_json_twin_has_place_and_remedy() {
    let found = findings(&with_host("    rolse: [main]\n")).remove(0);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["code"], "E002");
    assert_eq!(json["severity"], "error");
    assert_eq!(json["path"], "hosts.b1.rolse");
    assert_eq!(json["place"]["line"], 11);
    assert_eq!(json["place"]["column"], 5);
    assert_eq!(json["place"]["length"], 5);
}

#[test]
fn a_misspelled_required_key_is_reported_once() {
    let codes: Vec<&str> = findings(&with_host("").replacen("roles:", "rolse:", 1))
        .iter()
        .map(|one| one.code)
        .collect();
    assert_eq!(codes, ["E002"]);
}

#[test]
fn the_cause_stands_between_message_and_help() {
    let text = with_host("  b2: { roles: [bridge], address: { private: [10.0.0.2] } }\n");
    let found = findings(&text).remove(0);
    let mut shown = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    miette::GraphicalReportHandler::new_themed(theme)
        .render_report(&mut shown, &found)
        .unwrap();
    let expected = "  × `b2` and `b1` have the same address 10.0.0.2\n  ╰─▶ whatever is meant for";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn hosts_behind_one_nat_share_a_public_address_as_long_as_no_port_is_wanted_twice() {
    let nat = |host: &str| with_host(host).replace("203.0.113.2]", "203.0.113.1]");
    let codes = |text: &str| {
        findings(text)
            .iter()
            .map(|one| one.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&nat("")), [""; 0]);
    let b2 =
        "  b2:\n    roles: [bridge]\n    address: { private: [10.0.0.3], public: [203.0.113.1] }\n";
    assert_eq!(codes(&nat(b2)), ["E021"]);
    let port = format!("{b2}    overrides: {{ bridge: {{ media_port: 10001 }} }}\n");
    assert_eq!(codes(&nat(&port)), [""; 0]);
    assert!(codes(&nat(&port).replace("[bridge]", "[main, bridge]")).contains(&"E021"));
}

#[test]
fn one_host_without_the_address_that_many_need_is_one_finding() {
    let b2 = "  b2:\n    roles: [bridge]\n    address: { private: [10.0.0.3] }\n";
    let text = with_host(b2)
        .replace("hosts:\n", "  xmpp_via: private\nhosts:\n")
        .replace("private: [10.0.0.1], ", "");
    let codes: Vec<&str> = findings(&text).iter().map(|one| one.code).collect();
    assert_eq!(codes, ["E040"]);
}

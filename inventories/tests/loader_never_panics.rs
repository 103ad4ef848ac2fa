//! Whatever the text, the loader answers with an inventory or with findings inside the text.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use jitctl_inventory::load_text;
use proptest::prelude::*;

fn check(text: &str) {
    let diagnostics = match load_text("x.yaml", text) {
        Ok(loaded) => loaded.warnings,
        Err(diagnostics) => {
            assert!(
                diagnostics
                    .iter()
                    .any(jitctl_inventory::Diagnostic::is_error)
            );
            diagnostics
        }
    };
    for diagnostic in diagnostics {
        for place in diagnostic.place.iter().chain(&diagnostic.related) {
            assert!(
                text.get(place.offset..place.offset + place.length)
                    .is_some()
            );
        }
        let mut shown = String::new();
        miette::GraphicalReportHandler::new()
            .render_report(&mut shown, &diagnostic)
            .unwrap();
    }
}

/// Lines that are nearly an inventory.
fn nearly() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "version: 1",
        "version: 2",
        "site:",
        "  domain: meet.test",
        "  tls: { mode: acme }",
        "  tls: { mode: files, key: x",
        "hosts:",
        "hosts: {}",
        "  m1:",
        "  b1: &b1",
        "  b2: *b1",
        "    roles: [main, bridge]",
        "    roles: bridge",
        "    roles:",
        "      - bridge",
        "    ssh:",
        "    ssh: { jump: b1, port: 0 }",
        "    address: { private: [10.0.0.1] }",
        "    address:",
        "      public: ['2001:db8::1', 203.0.113.300]",
        "    nickname: ~",
        "    nickname: ü",
        "\t",
        "# comment",
        "---",
        "? [a]",
        "<<: *b1",
        "x-any: [1, 2",
        "    labels: { a: 1, region: x }",
        "    overrides: { bridge: { media_port: -1 } }",
        "\u{feff}",
        "    region: |",
        "        eu",
    ]);
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn arbitrary_text(text in ".{0,200}") {
        check(&text);
    }

    #[test]
    fn arbitrary_text_of_yaml_characters(text in "[-a-z0-9:{}\\[\\]#&*!|>'\"%@`?, \n\t\r\\\\~ü]{0,200}") {
        check(&text);
    }

    #[test]
    fn nearly_an_inventory(text in nearly()) {
        check(&text);
    }
}

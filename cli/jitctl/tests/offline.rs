//! Commands that reach no host: complete output and exit codes.

#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use std::path::Path;
use std::process::Command;

/// Runs in this crate's folder, so that paths in outputs are the same everywhere.
fn jitctl(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_jitctl"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("JITCTL_FILE")
        .output()
        .expect("jitctl starts");
    format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().expect("no signal"),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn all_errors_of_an_inventory_are_shown_at_once_with_their_places() {
    insta::assert_snapshot!(jitctl(&["-f", "tests/fixtures/wrong.yaml", "check"]));
}

#[test]
fn the_same_errors_for_programs_are_one_line_each() {
    insta::assert_snapshot!(jitctl(&[
        "--json",
        "-f",
        "tests/fixtures/wrong.yaml",
        "check"
    ]));
}

#[test]
fn a_missing_inventory_names_the_way_to_one() {
    let said = jitctl(&["-f", "nowhere.yaml", "check"]);
    assert!(said.starts_with("exit 3\n"), "{said}");
    assert!(said.contains("jitctl init"), "{said}");
}

#[test]
fn a_host_that_is_not_in_the_inventory_is_a_usage_error() {
    let said = jitctl(&["-f", "../../inventories/samples/lab.yaml", "ssh", "b9"]);
    insta::assert_snapshot!(said);
}

#[test]
fn the_committed_schema_is_the_printed_one() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../inventories/schema.json");
    let committed = std::fs::read_to_string(committed).expect("the schema is committed");
    let said = jitctl(&["schema"]);
    assert!(said.contains(&committed), "run `cargo xtask schema`");
}

#[test]
fn every_sample_is_good_apart_from_files_that_it_only_names() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../inventories/samples");
    let mut count = 0;
    for entry in std::fs::read_dir(samples).expect("samples are there") {
        let path = entry.expect("a folder entry").path();
        let said = jitctl(&["--json", "-f", &path.display().to_string(), "check"]);
        let errors = said
            .lines()
            .filter(|line| line.contains(r#""severity":"error""#));
        for error in errors {
            // Rules E050 to E054 and E060: the operator's own keys, certificates and page.
            let own = [r#""code":"E05"#, r#""code":"E060"#];
            assert!(own.iter().any(|code| error.contains(code)), "{error}");
        }
        count += 1;
    }
    assert!(count > 5, "the samples were found");
}

#[test]
fn manual_pages_are_written_one_a_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let said = jitctl(&["man", "--out", &folder.path().display().to_string()]);
    assert!(said.starts_with("exit 0\n"), "{said}");
    let page = std::fs::read_to_string(folder.path().join("jitctl-check.1")).expect("a page");
    assert!(page.contains("Check the inventory"), "{page}");
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = jitctl(&["completions", shell]);
        assert!(
            said.starts_with("exit 0\n") && said.contains("jitctl"),
            "{shell}"
        );
    }
}

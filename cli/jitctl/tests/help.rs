//! Every `--help`, as an operator sees it.

#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use std::process::Command;

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_jitctl"))
        .args(arguments)
        .arg("--help")
        .env_remove("JITCTL_FILE")
        .output()
        .expect("jitctl starts");
    assert!(output.status.success(), "{arguments:?} has a help");
    String::from_utf8(output.stdout).expect("help is text")
}

/// The names under "Commands:".
fn commands(text: &str) -> Vec<String> {
    text.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn visit(path: &[&str], check: &mut impl FnMut(&[&str], &str)) {
    let text = help(path);
    check(path, &text);
    for name in commands(&text) {
        let longer: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
        visit(&longer, check);
    }
}

#[test]
fn every_help_is_as_reviewed() {
    visit(&[], &mut |path, text| {
        let name = format!("help_{}", path.join("_"));
        insta::assert_snapshot!(name.trim_end_matches('_'), text);
    });
}

#[test]
fn every_command_has_an_example_and_its_exit_codes() {
    visit(&[], &mut |path, text| {
        assert!(text.contains("\nExamples:\n"), "{path:?} has an example");
        assert!(text.contains("\nExit codes:\n"), "{path:?} has exit codes");
    });
}

#[test]
fn a_wrong_option_exits_with_3() {
    let output = Command::new(env!("CARGO_BIN_EXE_jitctl"))
        .args(["completions", "--colour-me"])
        .output()
        .expect("jitctl starts");
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty(), "chatter is no data");
}

#[test]
fn a_script_that_asks_for_json_gets_its_usage_errors_as_json() {
    let output = Command::new(env!("CARGO_BIN_EXE_jitctl"))
        .args(["--json", "aply"])
        .output()
        .expect("jitctl starts");
    assert_eq!(output.status.code(), Some(3));
    let said: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one JSON value");
    assert_eq!(said["message"], "unrecognized subcommand 'aply'");
    let help = said["help"].as_str().expect("a remedy");
    assert!(help.contains("'apply'"), "{help}");
    assert_eq!(said["exit"], 3);
}

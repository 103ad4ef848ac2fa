//! `jitctl-focus` as a service: arguments and exit codes.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::{Command, Output, Stdio};

use jitctl_testing::Authority;

fn focus(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jitctl-focus"))
        .args(arguments)
        .env_remove("CREDENTIALS_DIRECTORY")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_configuration_that_cannot_be_used_ends_with_78_and_names_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("focus.toml");
    fs::write(&path, "[xmpp]\naddress = \"nowhere\"\n").unwrap();
    let path = path.to_str().unwrap();
    for arguments in [
        &["--config", path][..],
        &["--check-config", "--config", path],
    ] {
        let output = focus(arguments);
        assert_eq!(output.status.code(), Some(78));
        let shown = text(&output.stderr);
        assert!(
            shown.contains(&format!("{path}:2:11: `nowhere` is not `host:port`")),
            "{shown}"
        );
    }
}

#[test]
fn the_reference_is_printed_and_passes_the_check_once_its_files_exist() {
    let directory = tempfile::tempdir().unwrap();
    let reference = text(&focus(&["--print-config"]).stdout);
    let authority = directory.path().join("ca.crt");
    fs::write(&authority, Authority::new("x").certificate_pem()).unwrap();
    let config = reference.replace("/etc/jitctl/pki/ca.crt", authority.to_str().unwrap());
    let path = directory.path().join("focus.toml");
    fs::write(&path, config).unwrap();
    let output = focus(&["--check-config", "--config", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = focus(&["--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("LoadCredential=xmpp-password"));
    assert!(text(&focus(&["--version"]).stdout).starts_with("jitctl-focus 0."));
}

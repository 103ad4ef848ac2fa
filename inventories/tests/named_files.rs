//! `check` looks at the files that an inventory names; loading does not.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use jitctl_inventory::load;
use jitctl_inventory::rules::files::check_files;

const SITE: &str = "version: 1
site:
  domain: meet.example.org
  tls: { mode: files, certificate: chain.pem, key: key.pem }
hosts:
  m1:
    roles: [main, bridge]
    ssh: { key: ~/id, config: ssh_config }
    address: { public: [203.0.113.1] }
";

fn codes(folder: &Path) -> Vec<(&'static str, String)> {
    let path = folder.join("site.yaml");
    fs::write(&path, SITE).unwrap();
    let loaded = load(&path).unwrap();
    let mut found: Vec<_> = check_files(&loaded, Some(folder))
        .into_iter()
        .map(|one| (one.code, one.path.unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn missing_files_are_all_named() {
    let folder = tempfile::tempdir().unwrap();
    let expected = [
        ("E050", "hosts.m1.ssh.key"),
        ("E052", "hosts.m1.ssh.config"),
        ("E053", "site.tls.certificate"),
        ("E054", "site.tls.key"),
    ];
    assert_eq!(
        codes(folder.path()),
        expected.map(|(code, path)| (code, path.to_owned()))
    );
}

#[test]
fn wrong_content_and_open_keys_are_found_and_good_files_pass() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let mode = |mode| {
        fs::set_permissions(folder.path().join("id"), fs::Permissions::from_mode(mode)).unwrap();
    };
    write("ssh_config", "");
    write("id", "key");
    mode(0o644);
    write("chain.pem", "-----BEGIN PRIVATE KEY-----\n");
    write("key.pem", "-----BEGIN CERTIFICATE-----\n");
    let found: Vec<&str> = codes(folder.path())
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    assert_eq!(found, ["E051", "E053", "E054"]);

    mode(0o600);
    write(
        "chain.pem",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    );
    write(
        "key.pem",
        "-----BEGIN EC PRIVATE KEY-----\nMIIB\n-----END EC PRIVATE KEY-----\n",
    );
    assert_eq!(codes(folder.path()), []);
}

#[test]
fn an_inventory_that_cannot_be_read_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = load(&folder.path().join("none.yaml")).unwrap_err();
    assert_eq!(missing[0].code, "E000");
    assert!(missing[0].help.as_ref().unwrap().contains("jitctl init"));
    let binary = folder.path().join("binary.yaml");
    fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(load(&binary).unwrap_err()[0].code, "E000");
}

#[test]
fn a_page_needs_its_folder_and_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.yaml");
    let text = "version: 1
site:
  domain: meet.example.org
  web: { source: dir, path: page }
hosts:
  m1:
    roles: [main, bridge]
    address: { public: [203.0.113.1] }
";
    fs::write(&path, text).unwrap();
    let found = || {
        check_files(&load(&path).unwrap(), None)
            .into_iter()
            .map(|one| (one.code, one.path.unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(), [("E060", "site.web.path".to_owned())]);
    fs::create_dir(folder.path().join("page")).unwrap();
    fs::write(folder.path().join("page/index.html"), "<p>page</p>").unwrap();
    assert_eq!(found(), []);
}

//! The secrets file on the disk: private, atomic, one writer, optionally encrypted.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use age::secrecy::ExposeSecret as _;
use jitctl_inventory::secrets::{Location, SecretsError, Store, edit, encrypt, open, os_random};
use tempfile::TempDir;

fn place() -> (TempDir, Location) {
    let folder = tempfile::tempdir().unwrap();
    let location = Location {
        folder: folder.path().to_path_buf(),
        identity: None,
    };
    (folder, location)
}

fn fill(location: &Location) {
    let ensure = |store: &mut Store| {
        store.ensure(["turn", "xmpp-focus-a"], &mut os_random)?;
        Ok::<_, SecretsError>(())
    };
    edit(location, ensure).unwrap();
}

fn value(location: &Location, name: &str) -> String {
    open(location)
        .unwrap()
        .value(name)
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn files(location: &Location) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(&location.folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_store_is_private_and_survives() {
    let (_folder, location) = place();
    assert!(matches!(open(&location), Err(SecretsError::Missing { .. })));
    fill(&location);
    let mode = fs::metadata(location.plain()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(value(&location, "turn").len(), 32);
    assert_eq!(files(&location), [".secrets.lock", "secrets.yaml"]);
}

#[test]
fn filling_again_does_not_touch_the_file() {
    let (_folder, location) = place();
    fill(&location);
    let before = (
        fs::read(location.plain()).unwrap(),
        fs::metadata(location.plain()).unwrap().modified().unwrap(),
    );
    fill(&location);
    let after = (
        fs::read(location.plain()).unwrap(),
        fs::metadata(location.plain()).unwrap().modified().unwrap(),
    );
    assert_eq!(before, after);
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_cure() {
    let (_folder, location) = place();
    fill(&location);
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(location.plain(), fs::Permissions::from_mode(mode)).unwrap();
        let error = open(&location).unwrap_err();
        assert!(matches!(error, SecretsError::Mode { .. }), "{error}");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert_eq!(help, format!("chmod 600 {}", location.plain().display()));
    }
}

#[test]
fn a_link_is_refused() {
    let (_folder, location) = place();
    fill(&location);
    let target = location.folder.join("elsewhere");
    fs::rename(location.plain(), &target).unwrap();
    symlink(&target, location.plain()).unwrap();
    assert!(matches!(
        open(&location),
        Err(SecretsError::NotAFile { .. })
    ));
}

#[test]
fn two_writers_exclude_each_other() {
    let (_folder, location) = place();
    let inner = edit(&location, |_| {
        let second = edit(&location, |_| Ok::<_, SecretsError>(()));
        Ok::<_, SecretsError>(second)
    });
    assert!(matches!(inner.unwrap(), Err(SecretsError::Locked { .. })));
}

#[test]
fn a_failed_change_leaves_the_file_as_it_was() {
    let (_folder, location) = place();
    fill(&location);
    let before = value(&location, "turn");
    let result = edit(&location, |store| {
        store.begin("turn", "fresh".into())?;
        store.promote("turn")?;
        store.promote("turn")
    });
    assert!(matches!(result, Err(SecretsError::Rotation { .. })));
    assert_eq!(value(&location, "turn"), before);
}

#[test]
fn what_a_killed_writer_left_behind_is_replaced() {
    let (_folder, location) = place();
    fs::write(location.folder.join(".secrets.yaml.new"), "half").unwrap();
    fill(&location);
    assert_eq!(files(&location), [".secrets.lock", "secrets.yaml"]);
}

#[test]
fn an_encrypted_store_opens_with_the_identity_only() {
    let (folder, mut location) = place();
    let identity = age::x25519::Identity::generate();
    fs::write(
        location.recipients(),
        format!("# me\n{}\n", identity.to_public()),
    )
    .unwrap();
    fill(&location);
    assert_eq!(
        files(&location),
        [".secrets.lock", "secrets.recipients", "secrets.yaml.age"]
    );
    assert!(matches!(
        open(&location),
        Err(SecretsError::NoIdentity { .. })
    ));

    let key = folder.path().join("key");
    fs::write(&key, identity.to_string().expose_secret()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    location.identity = Some(key.clone());
    assert_eq!(value(&location, "turn").len(), 32);

    let other = age::x25519::Identity::generate();
    fs::write(&key, other.to_string().expose_secret()).unwrap();
    assert!(matches!(open(&location), Err(SecretsError::Seal { .. })));
}

#[test]
fn a_plain_store_can_be_encrypted_later() {
    let (folder, mut location) = place();
    fill(&location);
    let before = value(&location, "turn");
    let identity = age::x25519::Identity::generate();
    let key = folder.path().join("key");
    fs::write(&key, identity.to_string().expose_secret()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    location.identity = Some(key);
    encrypt(&location).unwrap();
    assert!(!location.plain().exists());
    assert_eq!(value(&location, "turn"), before);
}

#[test]
fn errors_show_no_value() {
    let (_folder, location) = place();
    fs::write(
        location.plain(),
        "version: 1\nsecrets:\n  turn: \"hunter2\n",
    )
    .unwrap();
    fs::set_permissions(location.plain(), fs::Permissions::from_mode(0o600)).unwrap();
    let error = open(&location).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(matches!(error, SecretsError::Malformed { .. }));
}

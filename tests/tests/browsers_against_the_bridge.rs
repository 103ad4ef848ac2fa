//! Real browsers meet on the bridge alone: every codec, channel and kind of path that people have.
//!
//! One headless Chromium and the static bridge, in a network of their own that has nothing but
//! loopback; `tests/browser/bridge` is the focus's part, the paths and the matrix. What was measured
//! is printed, and kept in `target/browsers/bridge.json`.
#![expect(clippy::unwrap_used, reason = "a helper of tests is a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jitctl_tests::browsers::{packages, pictures};

#[test]
fn browsers_see_and_hear_each_other_over_every_kind_of_path() {
    let folder = Folder::new();
    let config = folder.configuration();
    let report = pictures().join("bridge.json");
    fs::create_dir_all(pictures()).unwrap();
    // Loopback starts down in a new network.
    let output = Command::new("unshare")
        .args(["--net", "--", "sh", "-c"])
        .arg(r#"ip link set lo up && exec "$@""#)
        .args(["sh", "node"])
        .arg(packages().join("bridge/prove.mjs"))
        .arg("--bridge")
        .arg(bridge())
        .arg("--config")
        .arg(&config)
        .arg("--report")
        .arg(&report)
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    println!("{table}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{table}\n{errors}");
}

/// The bridge that people get.
fn bridge() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let path = top.join("dist/artifacts/x86_64/jitctl-bridge");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask dist` first, or all tests with `cargo xtask test`",
        path.display()
    );
    path
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("jitctl-test-bridge-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A bridge that nobody's focus finds: conferences are made over HTTP.
    fn configuration(&self) -> PathBuf {
        let password = self.0.join("password");
        fs::write(&password, "unused").unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let authority = self.0.join("ca.crt");
        let made = rcgen::generate_simple_self_signed(vec!["auth.meet.test".to_owned()]).unwrap();
        fs::write(&authority, made.cert.pem()).unwrap();
        let config = self.0.join("bridge.toml");
        let text = format!(
            r#"[identity]
nickname = "b1"
[[xmpp]]
address = "127.0.0.1:5222"
domain = "auth.meet.test"
username = "jvb"
password_file = "{}"
brewery = "jvbbrewery@internal.auth.meet.test"
ca_file = "{}"
[http]
private = "127.0.0.1:8080"
conferences = true
[media]
port = 10000
loopback = true
allowed_addresses = ["127.0.0.1"]
[websocket]
listen = "127.0.0.1:9090"
domains = ["127.0.0.1:9090"]
tls = false
"#,
            password.display(),
            authority.display(),
        );
        fs::write(&config, text).unwrap();
        config
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

//! `jitctl-bridge` as a service: arguments, exit codes, systemd, signals.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jitctl_testing::{
    BRIDGE_PASSWORD, Prosody, Setup, bridge_configuration, free_port, read, wait_for,
};

fn bridge(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jitctl-bridge"))
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
    let path = directory.path().join("bridge.toml");
    let path = path.to_str().unwrap();
    let output = bridge(&["--config", path]);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        text(&output.stderr).contains("cannot read"),
        "{}",
        text(&output.stderr)
    );

    fs::write(path, "[identity]\nnickname = \"b 1\"\n").unwrap();
    for arguments in [
        &["--config", path][..],
        &["--check-config", "--config", path],
    ] {
        let output = bridge(arguments);
        assert_eq!(output.status.code(), Some(78));
        let shown = text(&output.stderr);
        assert!(shown.contains(&format!("{path}:2:12: ")), "{shown}");
        assert!(shown.contains("help:"), "{shown}");
    }
    assert_eq!(bridge(&["--frobnicate"]).status.code(), Some(78));
}

#[test]
fn the_reference_is_printed_and_passes_the_check_once_its_files_exist() {
    let directory = tempfile::tempdir().unwrap();
    let reference = text(&bridge(&["--print-config"]).stdout);
    let authority = directory.path().join("ca.crt");
    let pem = jitctl_testing::Authority::new("x").certificate_pem();
    let text_with_file = reference.replace("/etc/jitctl/pki/ca.crt", authority.to_str().unwrap());
    let path = directory.path().join("bridge.toml");
    fs::write(&path, text_with_file).unwrap();
    let check = ["--check-config", "--config", path.to_str().unwrap()];
    let output = bridge(&check);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        text(&output.stderr).contains("ca.crt"),
        "{}",
        text(&output.stderr)
    );
    fs::write(&authority, pem).unwrap();
    let output = bridge(&check);
    assert!(output.status.success(), "{}", text(&output.stderr));
    // To run, it needs the password as well.
    let output = bridge(&["--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("LoadCredential=xmpp-password"));
    assert!(text(&bridge(&["--version"]).stdout).starts_with("jitctl-bridge 0."));
}

/// A configuration whose password comes as systemd gives it.
fn configure(prosody: &Prosody, http_port: u16) -> PathBuf {
    prosody.secret_file("credentials/xmpp-password", &format!("{BRIDGE_PASSWORD}\n"));
    let media = format!("[media]\nport = {}\nloopback = true\n", free_port());
    let path = bridge_configuration(prosody, "b1", http_port, &media);
    let config = read(&path).replace(
        &format!(
            "password_file = \"{}\"",
            prosody.path("jvb-password").display()
        ),
        "password_credential = \"xmpp-password\"",
    );
    assert!(config.contains("password_credential"), "{config}");
    fs::write(&path, config).unwrap();
    path
}

/// What the service told systemd so far.
fn told(socket: &UnixDatagram, log: &mut String) -> String {
    let mut buffer = [0; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        log.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    log.clone()
}

fn notify_socket(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

#[test]
fn systemd_hears_of_readiness_brewery_watchdog_and_stop_and_no_secret_is_logged() {
    let prosody = Prosody::start(&Setup::default());
    let config = configure(&prosody, free_port());
    let notify = prosody.path("notify");
    let socket = notify_socket(&notify);
    let log = prosody.path("bridge.log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_jitctl-bridge"))
        .arg("--config")
        .arg(&config)
        .env("CREDENTIALS_DIRECTORY", prosody.path("credentials"))
        .env("NOTIFY_SOCKET", &notify)
        .env("WATCHDOG_USEC", "600000")
        .stdin(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut heard = String::new();
    for expected in ["READY=1", "STATUS=in 1 of 1 breweries", "WATCHDOG=1"] {
        wait_for(expected, || {
            told(&socket, &mut heard).contains(expected).then_some(())
        });
    }
    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    let status = wait_for("the end of the bridge", || child.try_wait().unwrap());
    assert!(status.success(), "{status:?}");
    assert!(told(&socket, &mut heard).contains("STOPPING=1"), "{heard}");
    let log = read(&log);
    for line in [
        "INFO joined the brewery",
        "INFO left the brewery",
        "INFO jitctl-bridge stopped",
    ] {
        assert!(log.contains(line), "{log}");
    }
    assert!(!log.contains(BRIDGE_PASSWORD), "{log}");
}

#[test]
fn an_occupied_http_port_is_named() {
    let prosody = Prosody::start(&Setup::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let config = configure(&prosody, listener.local_addr().unwrap().port());
    let output = Command::new(env!("CARGO_BIN_EXE_jitctl-bridge"))
        .arg("--config")
        .arg(&config)
        .env("CREDENTIALS_DIRECTORY", prosody.path("credentials"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("`http.private`"),
        "{}",
        text(&output.stderr)
    );
}

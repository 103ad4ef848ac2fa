//! End-to-end support: a lab of real hosts, and `jitctl` driven as an operator would drive it.
//!
//! Tests use the programs in `dist/` (built by `cargo xtask dist`), never the crates: what is
//! proved is what people get. Each test has a lab of its own, taken down when the test ends, well
//! or not. A missing program or missing root is a failure, not a skip.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    reason = "test support: a broken set-up ends the test"
)]

pub mod browsers;
mod person;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use person::Person;

/// The DNS name of every test site.
pub const DOMAIN: &str = "meet.test";

/// A lab with an inventory beside it.
#[derive(Debug)]
pub struct Lab {
    name: String,
    folder: PathBuf,
}

/// How a command ended and what it said.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was run.
    pub command: String,
    /// Its exit code; none after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` ended with {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.code, self.stdout, self.stderr
        )
    }
}

impl Outcome {
    fn of(output: &Output, shown: &[&str]) -> Self {
        Self {
            command: format!("jitctl {}", shown.join(" ")),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Holds that the command ended with `code`, and shows everything when not.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "an assertion")]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

/// `dist/jitctl`.
///
/// # Panics
/// When it was not built.
pub fn jitctl() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are inside the workspace");
    let path = top.join("dist/jitctl");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask dist` first, or all tests with `cargo xtask test`",
        path.display()
    );
    path
}

impl Lab {
    /// Starts `hosts` bare hosts under a name of their own.
    ///
    /// # Panics
    /// When they do not come up, for want of root for example.
    #[track_caller]
    pub fn up(name: &str, hosts: u8) -> Self {
        Self::up_with(name, &["--hosts", &hosts.to_string()])
    }

    /// The same with other arguments of `jitctl lab up`.
    #[track_caller]
    fn up_with(name: &str, arguments: &[&str]) -> Self {
        let folder =
            std::env::temp_dir().join(format!("jitctl-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
        let lab = Self {
            name: format!("t-{name}"),
            folder,
        };
        // What an earlier, killed run of this test may have left.
        lab.lab(&["down"]);
        let up: Vec<&str> = ["up"].iter().chain(arguments).copied().collect();
        lab.lab(&up).expect(0);
        lab
    }

    /// Starts hosts and writes the inventory: `h1` is MAIN, the others are bridges.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn with_inventory(name: &str, hosts: u8) -> Self {
        let lab = Self::up(name, hosts);
        lab.run(&["init", "--lab", &lab.name, "--domain", DOMAIN])
            .expect(0);
        lab
    }

    /// Starts hosts, and writes an inventory with `h1` as MAIN and only these as bridges: the others
    /// are up, and in nobody's inventory.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn with_strangers(name: &str, hosts: u8, bridges: &[&str]) -> Self {
        let lab = Self::up(name, hosts);
        let mut words = vec!["init", "--lab", lab.name(), "--domain", DOMAIN];
        words.extend(["--main", "h1"]);
        for bridge in bridges {
            words.extend(["--bridge", bridge]);
        }
        lab.run(&words).expect(0);
        lab
    }

    /// Starts hosts and deploys the whole site.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn deployed(name: &str, hosts: u8) -> Self {
        let lab = Self::with_inventory(name, hosts);
        lab.run(&["apply", "--yes"]).expect(0);
        lab
    }

    /// The same with a TURN server and bridge channels over WebSocket, on hosts whose disks of so many MiB are their own, so that they
    /// can be filled.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn deployed_with_everything(name: &str, hosts: u8, mebibytes: u32) -> Self {
        let disk = mebibytes.to_string();
        let lab = Self::up_with(name, &["--hosts", &hosts.to_string(), "--disk", &disk]);
        lab.run(&["init", "--lab", &lab.name, "--domain", DOMAIN])
            .expect(0);
        let inventory = lab.inventory();
        let tls = "  tls: { mode: private_ca }\n";
        let more = format!("{tls}  turn: {{ enabled: true }}\n  bridge_channel: websocket\n");
        lab.write_inventory(&inventory.replacen(tls, &more, 1));
        lab.run(&["secrets", "init"]).expect(0);
        lab.run(&["apply", "--yes"]).expect(0);
        lab
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder with the inventory and its secrets.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The inventory's text.
    ///
    /// # Panics
    /// When there is none.
    pub fn inventory(&self) -> String {
        std::fs::read_to_string(self.folder.join("jitctl.yaml")).expect("the inventory is there")
    }

    /// Replaces the inventory's text.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_inventory(&self, text: &str) {
        std::fs::write(self.folder.join("jitctl.yaml"), text).expect("the inventory is ours");
    }

    /// Replaces the first place of some words in the inventory.
    ///
    /// # Panics
    /// When they are not there.
    #[track_caller]
    pub fn edit_inventory(&self, words: &str, others: &str) {
        let text = self.inventory();
        assert!(text.contains(words), "no `{words}` in {text}");
        self.write_inventory(&text.replacen(words, others, 1));
    }

    /// Runs `jitctl` with this site's inventory.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        finish(&mut self.command(arguments), arguments)
    }

    /// The same with something on standard input.
    ///
    /// # Panics
    /// When `jitctl` does not start.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("jitctl starts");
        let mut stdin = child.stdin.take().expect("standard input is a pipe");
        stdin.write_all(input.as_bytes()).expect("it is read");
        drop(stdin);
        let output = child.wait_with_output().expect("jitctl ends");
        Outcome::of(&output, arguments)
    }

    /// Runs a program of this machine as a client on the lab's internet.
    pub fn as_client(&self, words: &[&str]) -> Outcome {
        self.run(&self.client_words(words))
    }

    /// The words for `jitctl` that run `words` as a client on the lab's internet.
    #[must_use]
    pub fn client_words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let client = ["lab", "exec", "--name", &self.name, "client", "--"];
        client.into_iter().chain(words.iter().copied()).collect()
    }

    /// Runs `jitctl lab … --name THIS`.
    ///
    /// # Panics
    /// Without a verb.
    pub fn lab(&self, arguments: &[&str]) -> Outcome {
        let (verb, rest) = arguments.split_first().expect("a lab command has a verb");
        let all: Vec<&str> = ["lab", verb, "--name", &self.name]
            .into_iter()
            .chain(rest.iter().copied())
            .collect();
        self.run(&all)
    }

    /// Runs `jitctl` with this site's inventory as a client on the lab's internet: what it sees of
    /// the site past ssh is what people see. A file `hosts` in the folder stands for `/etc/hosts`.
    pub fn run_outside(&self, arguments: &[&str]) -> Outcome {
        let program = jitctl();
        let program = program.to_string_lossy();
        let line = "[ ! -f hosts ] || mount --bind hosts /etc/hosts; exec \"$@\"";
        let client = ["sh", "-c", line, "client", &program];
        let all: Vec<&str> = client.iter().chain(arguments).copied().collect();
        self.as_client(&all)
    }

    /// Starts `jitctl` and leaves it running.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("jitctl starts")
    }

    /// Starts `jitctl` to be talked to; what it complains goes to the test's own output.
    ///
    /// # Panics
    /// When it does not start.
    pub fn converse(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("jitctl starts")
    }

    /// The standard output of a shell line on a host, as root.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn on(&self, host: &str, line: &str) -> String {
        let answer = self
            .run(&["--json", "exec", "--on", host, "--", line])
            .expect(0)
            .json();
        answer["hosts"][0]["stdout"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The exit status of a shell line on a host, as root.
    ///
    /// # Panics
    /// When the host cannot be reached.
    #[track_caller]
    pub fn status_on(&self, host: &str, line: &str) -> i64 {
        let outcome = self.run(&["--json", "exec", "--on", host, "--", line]);
        outcome.json()["hosts"][0]["status"]
            .as_i64()
            .unwrap_or_else(|| panic!("{outcome}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(jitctl());
        command
            .current_dir(&self.folder)
            .args(arguments)
            .env_remove("JITCTL_FILE")
            .env("NO_COLOR", "1");
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = self.lab(&["down"]);
        assert!(down.code == Some(0) || std::thread::panicking(), "{down}");
        // Kept on failure, to look at.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// Runs a command to its end.
///
/// # Panics
/// When it does not start.
pub fn finish(command: &mut Command, shown: &[&str]) -> Outcome {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    Outcome::of(&output, shown)
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not within `limit`.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

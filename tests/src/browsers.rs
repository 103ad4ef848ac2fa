//! People in headless Chromiums, inside the lab's client network: `tests/browser/meet.mjs` drives
//! them, this talks to it in lines of JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{DOMAIN, Lab};

/// People in a room of the site.
#[derive(Debug)]
pub struct Browsers {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are inside the workspace")
}

/// The folder of the browsers' drivers.
///
/// # Panics
/// When it has no packages.
pub fn packages() -> PathBuf {
    let folder = top().join("tests/browser");
    assert!(
        folder.join("node_modules/puppeteer-core").is_dir(),
        "{} has no packages: run `npm ci --ignore-scripts` there, or all tests with `cargo xtask \
         test`",
        folder.display()
    );
    folder
}

/// Where pictures of pages are kept.
pub fn pictures() -> PathBuf {
    top().join("target/browsers")
}

/// Keeps what was measured beside the pictures.
///
/// # Panics
/// When it cannot be written.
pub fn keep(name: &str, figures: &Value) {
    let folder = pictures();
    std::fs::create_dir_all(&folder).expect("the folder is ours");
    let file = folder.join(format!("{name}.json"));
    std::fs::write(file, format!("{figures:#}\n")).expect("the folder is ours");
}

impl Browsers {
    /// Starts a browser that trusts the site's authority; nobody has opened the room yet.
    ///
    /// # Panics
    /// When a program is missing.
    #[track_caller]
    pub fn open(lab: &Lab, room: &str) -> Self {
        let folder = packages();
        let authority = lab.folder().join("ca.crt");
        let certificate = lab.run(&["secrets", "show", "pki-ca-cert"]).expect(0);
        std::fs::write(&authority, certificate.stdout).expect("the folder is ours");
        let script = folder.join("meet.mjs").display().to_string();
        let mut child = lab.converse(&lab.client_words(&[
            "node",
            &script,
            "--url",
            &format!("https://{DOMAIN}/{room}"),
            "--authority",
            &authority.display().to_string(),
            "--pictures",
            &pictures().display().to_string(),
            "--cache",
            &top().join("target/web/cache").display().to_string(),
        ]));
        let output = child.stdout.take().expect("its output is a pipe");
        Self {
            input: child.stdin.take(),
            output: BufReader::new(output),
            child,
        }
    }

    /// One command, such as `{"do": "press", "who": 0, "command": "camera"}`, and its answer.
    ///
    /// # Panics
    /// When the driver or the command fails.
    #[track_caller]
    pub fn ask(&mut self, command: &Value) -> Value {
        let input = self.input.as_mut().expect("it is open");
        writeln!(input, "{command}").expect("the driver listens");
        let mut line = String::new();
        self.output
            .read_line(&mut line)
            .expect("the driver answers");
        let answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{command}: {error}: {line:?}"));
        assert!(answer["error"].is_null(), "{command}: {}", answer["error"]);
        answer
    }

    /// So many people open the room and press "Join", one after the other; returns when each sees
    /// and hears each.
    ///
    /// # Panics
    /// When they do not meet within a minute.
    #[track_caller]
    pub fn join(&mut self, people: u8) -> Value {
        let report = self.ask(&json!({"do": "join", "people": people, "camera": camera()}));
        assert!(met(&report), "they did not meet: {report:#}");
        report
    }

    /// One more opens the room and presses "Join".
    #[track_caller]
    pub fn enter(&mut self) {
        self.ask(&json!({"do": "enter", "camera": camera(), "loud": 0.5}));
    }

    /// The same with a client of 2022, as upstream built it then.
    #[track_caller]
    pub fn enter_with_older_client(&mut self) {
        self.ask(&json!({"do": "enter", "camera": camera(), "loud": 0.5, "older": true}));
    }

    /// What each sees and hears of each now.
    #[track_caller]
    pub fn look(&mut self) -> Value {
        self.ask(&json!({"do": "look"}))
    }

    /// What a screen reader says of the tiles on somebody's page, in their order.
    #[track_caller]
    pub fn tiles(&mut self, who: u8) -> Vec<String> {
        let answer = self.ask(&json!({
            "do": "attributes", "who": who, "selector": "li.tile", "name": "aria-label",
        }));
        texts(&answer["values"])
    }

    /// The texts at a selector on somebody's page.
    #[track_caller]
    pub fn texts(&mut self, who: u8, selector: &str) -> Vec<String> {
        let answer = self.ask(&json!({"do": "read", "who": who, "selector": selector}));
        texts(&answer["texts"])
    }

    /// Presses a button under the meeting.
    #[track_caller]
    pub fn press(&mut self, who: u8, command: &str) {
        self.ask(&json!({"do": "press", "who": who, "command": command}));
    }

    /// Clicks on something else of the page.
    #[track_caller]
    pub fn tap(&mut self, who: u8, selector: &str) {
        self.ask(&json!({"do": "tap", "who": who, "selector": selector}));
    }

    /// Keeps a picture of somebody's page.
    #[track_caller]
    pub fn picture(&mut self, who: u8, name: &str) {
        self.ask(&json!({"do": "picture", "who": who, "name": name}));
    }

    /// Waits until a look shows what `condition` wants.
    ///
    /// # Panics
    /// When it does not within `limit`.
    #[track_caller]
    pub fn until(
        &mut self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) {
        let end = Instant::now() + limit;
        while !condition(self) {
            if Instant::now() > end {
                let report = self.look();
                panic!("not within {limit:?}: {what}: {report:#}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Whether each sees the right picture of each and hears each.
pub fn met(report: &Value) -> bool {
    report["met"] == true
}

/// The pairs of a report or of gaps.
pub fn pairs(report: &Value) -> &[Value] {
    report["pairs"].as_array().map_or(&[], Vec::as_slice)
}

/// Small pictures: several browsers code and decode on this machine at once.
fn camera() -> Value {
    json!({"width": 320, "height": 180, "rate": 10})
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

impl Drop for Browsers {
    fn drop(&mut self) {
        // Without input it closes the browser and ends.
        self.input.take();
        let end = Instant::now() + Duration::from_secs(15);
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

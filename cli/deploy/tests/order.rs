//! Who is changed when, and what happens when a host is held, gone or red: with hosts that only
//! answer.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt as _};
use jitctl_deploy::executor::{Remotes, Site};
use jitctl_deploy::gates::RedGate;
use jitctl_deploy::lease::Holder;
use jitctl_deploy::plan::{SitePlan, plan_site};
use jitctl_deploy::proof::Proof;
use jitctl_deploy::{
    ApplyOptions, ApplyReport, Artifacts, Facts, HostOutcome, ResolvedHost, SecretValues, apply,
};
use jitctl_inventory::model::Inventory;
use jitctl_inventory::names::HostName;
use jitctl_templates::{RenderOptions, Renderer};
use jitctl_transport::{ConnectFailure, FakeRemote, Output, Remote, RemoteError, Script};
use secrecy::SecretString;

const INVENTORY: &str = "
version: 1
site: { domain: meet.test, tls: { mode: private_ca } }
hosts:
  main: { roles: [main], address: { private: [10.0.0.1] } }
  b1: { roles: [bridge], nickname: b1-1a2b, address: { private: [10.0.0.2] } }
  b2: { roles: [bridge], nickname: b2-1a2b, address: { private: [10.0.0.3] } }
  b3: { roles: [bridge], nickname: b3-1a2b, address: { private: [10.0.0.4] } }
";

struct Anything;

impl SecretValues for Anything {
    fn value(&self, name: &str) -> Option<SecretString> {
        Some(format!("value of {name}").into())
    }
}

fn inventory() -> Inventory {
    jitctl_inventory::load_text("jitctl.yaml", INVENTORY)
        .unwrap()
        .inventory
}

fn hosts() -> Vec<ResolvedHost> {
    let inventory = inventory();
    let renderer = Renderer::new(&RenderOptions::default()).unwrap();
    inventory
        .hosts
        .keys()
        .map(|name| {
            let mut desired = renderer.desired_host(&inventory, name).unwrap();
            let facts = Facts::bare();
            jitctl_deploy::firewall::settle(&renderer, &mut desired, &facts).unwrap();
            ResolvedHost::new(desired, &Anything).unwrap()
        })
        .collect()
}

fn artifacts() -> (tempfile::TempDir, Artifacts) {
    let folder = tempfile::tempdir().unwrap();
    let arch = folder.path().join("x86_64");
    std::fs::create_dir(&arch).unwrap();
    let sums = ["jitctl-bridge", "jitctl-focus", "jitctl-web"].map(|name| {
        std::fs::write(arch.join(name), name).unwrap();
        let sum = jitctl_deploy::resolved::sha256(name.as_bytes());
        format!("{sum}  {name}\n")
    });
    std::fs::write(arch.join("SHA256SUMS"), sums.concat()).unwrap();
    let artifacts = Artifacts::open(folder.path(), "0.1.0").unwrap();
    (folder, artifacts)
}

fn plan(hosts: &[ResolvedHost], artifacts: &Artifacts) -> (SitePlan, BTreeMap<HostName, Facts>) {
    let facts: BTreeMap<HostName, Facts> = hosts
        .iter()
        .map(|host| (host.desired.host.clone(), Facts::bare()))
        .collect();
    (
        plan_site(hosts, &facts, artifacts, &Anything).unwrap(),
        facts,
    )
}

type Answer = dyn Fn(&str, &Script) -> Result<Output, RemoteError> + Send + Sync;

fn green() -> Output {
    Output {
        status: Some(0),
        ..Output::default()
    }
}

struct Ran {
    report: ApplyReport,
    calls: Vec<(String, Script)>,
}

impl Ran {
    fn titles_of(&self, host: &str) -> Vec<&str> {
        let calls = self.calls.iter().filter(|(name, _)| name == host);
        calls.map(|(_, script)| script.title.as_str()).collect()
    }

    fn first(&self, host: &str, title: &str) -> usize {
        let found = |(name, script): &(String, Script)| name == host && script.title == title;
        self.calls.iter().position(found).unwrap()
    }

    fn last(&self, host: &str, title: &str) -> usize {
        let found = |(name, script): &(String, Script)| name == host && script.title == title;
        self.calls.iter().rposition(found).unwrap()
    }
}

async fn run(require_all: bool, answer: Arc<Answer>) -> Ran {
    run_proved(require_all, answer, None).await
}

async fn run_proved(require_all: bool, answer: Arc<Answer>, proof: Option<&dyn Proof>) -> Ran {
    let hosts = hosts();
    let (_folder, artifacts) = artifacts();
    let (plan, facts) = plan(&hosts, &artifacts);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let remotes: Remotes = hosts
        .iter()
        .map(|host| {
            let name = host.desired.host.clone();
            let (answer, calls) = (Arc::clone(&answer), Arc::clone(&calls));
            let remote = FakeRemote::answering(name.clone(), {
                let name = name.to_string();
                move |script: &Script| {
                    calls.lock().unwrap().push((name.clone(), script.clone()));
                    answer(&name, script)
                }
            });
            (name, Arc::new(remote) as Arc<dyn Remote>)
        })
        .collect();
    let mut options = ApplyOptions::new(Holder {
        id: "run-1".to_owned(),
        who: "anna@desk".to_owned(),
        why: "apply".to_owned(),
    });
    options.require_all = require_all;
    let (events, _receiver) = tokio::sync::mpsc::unbounded_channel();
    let site = Site {
        hosts: &hosts,
        facts: &facts,
        remotes: &remotes,
        artifacts: &artifacts,
        secrets: &Anything,
        proof,
    };
    let report = apply(&plan, site, &options, &events).await;
    let calls = calls.lock().unwrap().clone();
    Ran { report, calls }
}

#[tokio::test]
async fn main_comes_first_then_one_bridge_then_the_others() {
    let ran = run(false, Arc::new(|_, _| Ok(green()))).await;
    assert_eq!(ran.report.exit_code(), 0);
    let recorded = ran.first("main", "record the release");
    assert!(recorded < ran.first("b1", "switch files"));
    let canary = ran.first("b1", "record the release");
    for bridge in ["b2", "b3"] {
        assert!(canary < ran.first(bridge, "switch files"));
    }
    // Nothing is switched before all that can be refused was looked at.
    for host in ["main", "b1", "b2", "b3"] {
        assert!(ran.last(host, "check files") < ran.first("main", "switch files"));
    }
    let phases = [
        "take the lease",
        "carry files",
        "install packages",
        "check files",
        "switch files",
        "change the packet filter",
        "confirm the packet filter",
        "restart services",
        "wait until it works",
        "record the release",
    ];
    assert_eq!(ran.titles_of("b1"), phases);
    // MAIN is asked for every bridge after the bridge's own gates.
    assert!(ran.last("main", "ask the focus for its bridges") > canary);
}

#[tokio::test]
async fn a_held_host_keeps_all_from_being_changed() {
    let held = |host: &str, script: &Script| {
        if host == "b2" && script.title == "take the lease" {
            let lease = br#"{"id":"x","who":"berta","why":"apply","since":1,"until":99}"#;
            return Ok(Output {
                status: Some(75),
                stdout: lease.to_vec(),
                stderr: String::new(),
            });
        }
        Ok(green())
    };
    let ran = run(false, Arc::new(held)).await;
    assert_eq!(ran.report.exit_code(), 6);
    assert!(
        ran.calls
            .iter()
            .all(|(_, script)| script.title.contains("lease"))
    );
    assert_eq!(
        ran.titles_of("main"),
        ["take the lease", "give the lease back"]
    );
}

fn gone(host: &str, _: &Script) -> Result<Output, RemoteError> {
    if host == "b2" {
        return Err(RemoteError::Connect {
            host: host.into(),
            failure: ConnectFailure::Timeout,
            cause: "it did not answer in time".to_owned(),
            remedy: "look".to_owned(),
        });
    }
    Ok(green())
}

#[tokio::test]
async fn without_an_unreachable_host_the_rest_finish() {
    let ran = run(false, Arc::new(gone)).await;
    assert_eq!(ran.report.exit_code(), 5);
    for host in ["main", "b1", "b3"] {
        let outcome = &ran.report.hosts[&host.into()];
        assert!(
            matches!(outcome, HostOutcome::Applied { .. }),
            "{host}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn with_require_all_nothing_starts() {
    let ran = run(true, Arc::new(gone)).await;
    assert_eq!(ran.report.exit_code(), 5);
    assert!(
        ran.calls
            .iter()
            .all(|(_, script)| script.title.contains("lease"))
    );
}

#[tokio::test]
async fn a_red_canary_stops_the_other_bridges() {
    let red = |host: &str, script: &Script| {
        if host == "b1" && script.title == "wait until it works" {
            return Ok(Output {
                status: Some(70),
                stdout: b"red\tjitctl-bridge.service is active\na line of the log\n".to_vec(),
                stderr: String::new(),
            });
        }
        Ok(green())
    };
    let ran = run(false, Arc::new(red)).await;
    assert_eq!(ran.report.exit_code(), 7);
    assert_eq!(
        ran.titles_of("b1").last(),
        Some(&"put the previous state back")
    );
    assert_eq!(
        ran.titles_of("b2"),
        [
            "take the lease",
            "carry files",
            "install packages",
            "check files",
            "give up"
        ]
    );
    let outcome = &ran.report.hosts[&"b2".into()];
    assert!(matches!(outcome, HostOutcome::Skipped { .. }));
}

/// A host whose own program does not take its new files.
fn refusing(picky: &'static str) -> Arc<Answer> {
    Arc::new(move |host, script| {
        if host == picky && script.title == "check files" {
            return Ok(Output {
                status: Some(1),
                stdout: Vec::new(),
                stderr: "refused by: nginx -t\n".to_owned(),
            });
        }
        Ok(green())
    })
}

#[tokio::test]
async fn a_main_that_refuses_its_files_keeps_all_others_as_they_are() {
    nothing_is_switched(&run(false, refusing("main")).await);
}

#[tokio::test]
async fn with_require_all_a_bridge_that_refuses_its_files_does_so_too() {
    nothing_is_switched(&run(true, refusing("b3")).await);
}

fn nothing_is_switched(ran: &Ran) {
    assert_eq!(ran.report.exit_code(), 1);
    assert!(
        ran.calls
            .iter()
            .all(|(_, script)| script.title != "switch files")
    );
    for host in ["main", "b1", "b2", "b3"] {
        assert_eq!(ran.titles_of(host).last(), Some(&"give up"), "{host}");
    }
}

#[tokio::test]
async fn every_script_is_posix_shell_without_secrets() {
    let ran = run(false, Arc::new(|_, _| Ok(green()))).await;
    let titles: BTreeSet<&str> = ran
        .calls
        .iter()
        .map(|(_, script)| script.title.as_str())
        .collect();
    assert!(titles.len() >= 10, "{titles:?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    for (host, script) in &ran.calls {
        assert!(
            !script.text.contains("value of "),
            "{host}: {}",
            script.title
        );
        std::fs::write(&file, &script.text).unwrap();
        let output = Command::new("dash").arg("-n").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{host}: {}: {said}", script.title);
    }
}

#[test]
fn a_plan_survives_being_saved_and_holds_no_secret() {
    let hosts = hosts();
    let (_folder, artifacts) = artifacts();
    let (plan, _) = plan(&hosts, &artifacts);
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("value of "), "{text}");
    assert_eq!(serde_json::from_str::<SitePlan>(&text).unwrap(), plan);
}

const FOREIGN: &str = "
version: 1
site: { domain: meet.test }
hosts:
  main:
    roles: [main]
    foreign: { domain: auth.meet.test, username: jvb, brewery: jvbbrewery@internal.auth.meet.test }
    address: { private: [10.0.0.1] }
  b1: { roles: [bridge], nickname: b1-1a2b, address: { private: [10.0.0.2] } }
";

#[test]
fn a_main_of_others_gets_one_rule_of_its_packet_filter_and_no_records() {
    let inventory = jitctl_inventory::load_text("jitctl.yaml", FOREIGN).unwrap();
    let renderer = Renderer::new(&RenderOptions::default()).unwrap();
    let (_folder, artifacts) = artifacts();
    let plan = |facts: &Facts| {
        let name = HostName::new("main");
        let mut desired = renderer.desired_host(&inventory.inventory, &name).unwrap();
        jitctl_deploy::firewall::settle(&renderer, &mut desired, facts).unwrap();
        let host = ResolvedHost::new(desired, &Anything).unwrap();
        jitctl_deploy::plan::plan_host(&host, facts, &artifacts, &Anything).unwrap()
    };
    let others = plan(&Facts::bare());
    assert!(others.is_empty(), "another packet filter is not touched");
    assert!(others.warnings.iter().any(|one| one.contains("10.0.0.2")));

    let mut facts = Facts::bare();
    facts.firewall.ufw = true;
    let opened = plan(&facts);
    let change = opened.firewall.as_ref().unwrap();
    let rule = "ufw allow from 10.0.0.2 to any port 5222 proto tcp";
    assert!(change.delta[0].starts_with(rule), "{:?}", change.delta);
    assert_eq!(opened.count(), 1);
    assert!(opened.leaving.is_some(), "no trace stays");

    let why = opened.firewall.unwrap().commands[0].last().unwrap().clone();
    facts.firewall.rules = [format!("{rule} comment '{why}'")].into();
    assert!(plan(&facts).is_empty(), "the rule is there");

    let mut facts = Facts::bare();
    facts.firewall.firewalld = true;
    let change = plan(&facts).firewall.unwrap();
    let rules = |commands: &[Vec<String>], prefix: &str| -> BTreeSet<String> {
        let words = commands.iter().flatten();
        let rules = words.filter_map(|word| word.strip_prefix(prefix));
        rules.map(str::to_owned).collect()
    };
    let added = rules(&change.commands, "--add-rich-rule=");
    assert_eq!(added, rules(&change.undo, "--remove-rich-rule="));
    assert_eq!(added.len(), 1, "{added:?}");
    facts.firewall.rules = added;
    assert!(plan(&facts).is_empty(), "the rule is there");
}

/// Nobody can be heard through one host.
#[derive(Debug, Default)]
struct Deaf {
    asked: Mutex<Vec<String>>,
}

impl Proof for Deaf {
    fn red<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, Option<RedGate>> {
        self.asked.lock().unwrap().push(host.to_string());
        let red = (host.as_str() == "b1").then(|| RedGate {
            gate: "call through b1".to_owned(),
            evidence: Vec::new(),
        });
        std::future::ready(red).boxed()
    }
}

#[tokio::test]
async fn a_bridge_that_carries_no_call_gets_its_state_back_and_stops_the_others() {
    let deaf = Deaf::default();
    let ran = run_proved(false, Arc::new(|_, _| Ok(green())), Some(&deaf)).await;
    assert_eq!(ran.report.exit_code(), 7);
    assert_eq!(*deaf.asked.lock().unwrap(), ["main", "b1"]);
    let titles = ran.titles_of("b1");
    assert_eq!(titles.last(), Some(&"put the previous state back"));
    assert!(!titles.contains(&"record the release"), "{titles:?}");
    let outcome = &ran.report.hosts[&"b2".into()];
    assert!(matches!(outcome, HostOutcome::Skipped { .. }));
}

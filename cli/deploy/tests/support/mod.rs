//! A host in a temporary folder: real scripts, real files, stand-ins for what would need a real
//! machine (`systemctl`, `nft`, `systemd-run`, `prosody`'s user).

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jitctl_deploy::executor::{Remotes, Site, gather_one};
use jitctl_deploy::lease::Holder;
use jitctl_deploy::plan::{SitePlan, plan_site};
use jitctl_deploy::{
    ApplyOptions, ApplyReport, Artifacts, Facts, ResolvedHost, SecretValues, apply,
};
use jitctl_inventory::model::{FirewallBackend, Role};
use jitctl_inventory::names::HostName;
use jitctl_templates::desired::{
    Account, Action, DesiredHost, FirewallIntent, Gate, Link, RenderedFile, SecretName, Service,
    TemplateSource,
};
use jitctl_transport::{LocalRemote, Remote, RemoteError, RemoteFuture, Script};
use secrecy::SecretString;
use tempfile::TempDir;

const SYSTEMCTL: &str = r#"#!/bin/sh
# Units are files in units/; a unit named in broken does not start.
here=${0%/bin/systemctl}
units=$here/units; /bin/mkdir -p "$units"
case $1 in start | stop | enable | disable | restart | reload | daemon-reload) COUNT ;; esac
state() { if [ -f "$units/$1" ]; then echo active; else echo inactive; fi; }
enabled() { if [ -f "$units/$1.enabled" ]; then echo enabled; else echo disabled; fi; }
case $1 in
show)
    case "$*" in
    *--value*) for unit; do :; done; state "$unit" ;;
    *" -- "*)
        while [ "$1" != -- ]; do shift; done; shift
        for unit; do
            printf 'Id=%s\nActiveState=%s\nUnitFileState=%s\n\n' "$unit" "$(state "$unit")" "$(enabled "$unit")"
        done ;;
    *) for unit; do :; done; printf 'ActiveState=%s\nNRestarts=0\nMainPID=1\n' "$(state "$unit")" ;;
    esac ;;
start | restart)
    echo "$*" >> "$here/calls"
    if grep -qsx "$2" "$here/broken"; then echo "Job for $2 failed" >&2; /bin/rm -f "$units/$2"; exit 1; fi
    : > "$units/$2" ;;
stop) echo "$*" >> "$here/calls"; /bin/rm -f "$units/$2" ;;
enable) echo "$*" >> "$here/calls"; shift 2; for unit; do : > "$units/$unit.enabled"; done ;;
disable) echo "$*" >> "$here/calls"; shift 2; for unit; do /bin/rm -f "$units/$unit.enabled"; done ;;
reset-failed | status) ;;
*) echo "$*" >> "$here/calls" ;;
esac
exit 0
"#;

const JOURNALCTL: &str = "#!/bin/sh\necho 'a line of the log'\n";
const CHOWN: &str = "#!/bin/sh\nexit 0\n";

/// Counts calls and, at the one that was chosen, kills the script that made it.
const COUNT: &str = r#"
    if [ -f "$here/kill-at" ]; then
        count=$(($(cat "$here/count" 2> /dev/null || echo 0) + 1))
        echo "$count" > "$here/count"
        if [ "$count" = "$(cat "$here/kill-at")" ]; then
            /bin/rm -f "$here/kill-at"
            kill -9 "$PPID"
            exit 1
        fi
    fi
"#;

/// A program that changes something.
const MUTATOR: &str = "#!/bin/sh\nhere=${0%/bin/*}\nCOUNT\nexec /bin/NAME \"$@\"\n";

/// The host.
pub(crate) struct Host {
    folder: TempDir,
    pub(crate) dead: Arc<AtomicBool>,
}

/// The secrets of the tests.
#[derive(Clone, Default)]
pub(crate) struct Secrets(pub(crate) BTreeMap<String, String>);

impl SecretValues for Secrets {
    fn value(&self, name: &str) -> Option<SecretString> {
        self.0.get(name).cloned().map(SecretString::from)
    }
}

pub(crate) fn secrets() -> Secrets {
    let pairs = [
        ("password", "correct horse battery"),
        ("component", "hunter2"),
    ];
    Secrets(pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).into())
}

/// A remote that is lost for good when its script is killed: both ends died.
#[derive(Debug)]
struct Mortal {
    inner: LocalRemote,
    dead: Arc<AtomicBool>,
}

impl Remote for Mortal {
    fn host(&self) -> &HostName {
        self.inner.host()
    }

    fn run(&self, script: Script) -> RemoteFuture<'_> {
        Box::pin(async move {
            let lost = || RemoteError::Lost {
                host: self.inner.host().clone(),
                title: "dead".to_owned(),
            };
            if self.dead.load(Ordering::SeqCst) {
                return Err(lost());
            }
            let output = self.inner.run(script).await?;
            if matches!(output.status, None | Some(137)) {
                self.dead.store(true, Ordering::SeqCst);
                return Err(lost());
            }
            Ok(output)
        })
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Self {
            folder,
            dead: Arc::default(),
        };
        for path in ["bin", "etc", "var", "usr/lib", "usr/sbin"] {
            fs::create_dir_all(host.path(path)).unwrap();
        }
        host.program("systemctl", &SYSTEMCTL.replace("COUNT", COUNT));
        host.program("journalctl", JOURNALCTL);
        host.program("chown", CHOWN);
        for name in ["mv", "cp", "rm", "mkdir", "ln", "chmod"] {
            host.program(name, &MUTATOR.replace("NAME", name).replace("COUNT", COUNT));
        }
        host
    }

    pub(crate) fn root(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub(crate) fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.read("calls").lines().map(str::to_owned).collect()
    }

    pub(crate) fn forget_calls(&self) {
        let _ = fs::remove_file(self.path("calls"));
    }

    /// The N-th mutation of the next apply kills the script that makes it.
    pub(crate) fn kill_at(&self, mutation: usize) {
        fs::write(self.path("kill-next"), mutation.to_string()).unwrap();
    }

    /// How many mutations the last apply made.
    pub(crate) fn mutations(&self) -> usize {
        self.read("count").trim().parse().unwrap_or(0)
    }

    /// Whether the chosen mutation was reached.
    pub(crate) fn was_killed(&self) -> bool {
        let reached = !self.path("kill-at").exists();
        let _ = fs::remove_file(self.path("count"));
        let _ = fs::remove_file(self.path("kill-at"));
        self.dead.store(false, Ordering::SeqCst);
        reached
    }

    pub(crate) fn remotes(&self) -> Remotes {
        let remote: Arc<dyn Remote> = Arc::new(Mortal {
            inner: LocalRemote::new("m1".into()),
            dead: Arc::clone(&self.dead),
        });
        BTreeMap::from([("m1".into(), remote)])
    }

    pub(crate) async fn facts(&self, host: &ResolvedHost) -> Facts {
        let remotes = self.remotes();
        let remote = remotes.values().next().unwrap();
        let mut facts = gather_one(host, remote.as_ref(), self.root())
            .await
            .unwrap();
        // The tests run as anybody and `chown` does nothing: ownership is as desired.
        for fact in facts.files.values_mut() {
            "root".clone_into(&mut fact.owner);
            "root".clone_into(&mut fact.group);
        }
        facts
    }

    pub(crate) async fn plan(&self, host: &ResolvedHost) -> (SitePlan, BTreeMap<HostName, Facts>) {
        let facts = BTreeMap::from([("m1".into(), self.facts(host).await)]);
        let hosts = std::slice::from_ref(host);
        let plan = plan_site(hosts, &facts, &Artifacts::default(), &secrets()).unwrap();
        (plan, facts)
    }

    pub(crate) async fn apply(&self, host: &ResolvedHost) -> ApplyReport {
        let (plan, facts) = self.plan(host).await;
        let _ = fs::rename(self.path("kill-next"), self.path("kill-at"));
        let mut options = ApplyOptions::new(holder());
        options.root = self.root().to_owned();
        options.gate_limit = Duration::from_secs(1);
        let (events, _receiver) = tokio::sync::mpsc::unbounded_channel();
        let remotes = self.remotes();
        let site = Site {
            hosts: std::slice::from_ref(host),
            facts: &facts,
            remotes: &remotes,
            artifacts: &Artifacts::default(),
            secrets: &secrets(),
            proof: None,
        };
        apply(&plan, site, &options, &events).await
    }
}

pub(crate) fn holder() -> Holder {
    Holder {
        id: "run-1".to_owned(),
        who: "anna@desk".to_owned(),
        why: "apply".to_owned(),
    }
}

pub(crate) fn file(path: &str, content: &str, on_change: Vec<Action>) -> RenderedFile {
    RenderedFile {
        path: path.to_owned(),
        mode: 0o640,
        owner: "root".to_owned(),
        group: "root".to_owned(),
        content: content.to_owned(),
        source: TemplateSource::BuiltIn("test".to_owned()),
        check: None,
        on_change,
    }
}

pub(crate) fn restart(unit: &str) -> Vec<Action> {
    vec![Action::Restart(unit.to_owned())]
}

/// A MAIN host small enough to be killed at every step.
pub(crate) fn desired() -> DesiredHost {
    DesiredHost {
        host: "m1".into(),
        roles: BTreeSet::from([Role::Main]),
        foreign: false,
        packages: Vec::new(),
        users: Vec::new(),
        binaries: Vec::new(),
        directories: Vec::new(),
        files: vec![
            file(
                "/etc/prosody/site.cfg.lua",
                "secret = \"@@secret:component@@\"\n",
                restart("prosody.service"),
            ),
            file(
                "/etc/nginx/site.conf",
                "server {}\n",
                vec![Action::Reload("nginx.service".to_owned())],
            ),
        ],
        links: vec![Link {
            path: "/etc/nginx/enabled/site.conf".to_owned(),
            target: "../site.conf".to_owned(),
            seed: false,
            on_change: Vec::new(),
        }],
        accounts: vec![Account {
            user: "jvb".to_owned(),
            domain: "auth.meet.test".to_owned(),
            password: SecretName("password".to_owned()),
        }],
        services: ["prosody.service", "nginx.service"]
            .map(|unit| Service {
                unit: unit.to_owned(),
            })
            .into(),
        firewall: FirewallIntent {
            backend: FirewallBackend::None,
            rules: Vec::new(),
        },
        gates: vec![Gate::UnitActive("prosody.service".to_owned())],
    }
}

pub(crate) fn resolved(desired: DesiredHost) -> ResolvedHost {
    ResolvedHost::new(desired, &secrets()).unwrap()
}

/// Everything below a folder that says what the host is: paths with bytes or targets.
pub(crate) fn snapshot(host: &Host) -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let kind = entry.file_type().unwrap();
            if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, target.to_str().unwrap().to_owned());
            } else if kind.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(host.folder.path(), &host.path("etc"), &mut found);
    // It counts releases, and a healing apply makes one more.
    found.remove("etc/jitctl/manifest.json");
    found
}

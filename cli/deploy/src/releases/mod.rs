//! Putting an earlier release back.
//!
//! Before every switch the state of all our paths is kept under the number of the release that the
//! host had. Rolling back keeps the present state in the same way first (so one can roll forward),
//! then puts every kept path back, removes what came later, and restarts what we own.

use std::time::Duration;

use jitctl_inventory::names::HostName;
use jitctl_templates::SYSCTL_FILE;
use jitctl_transport::{Remote, RemoteError, Script, quote};

use crate::facts::Facts;
use crate::firewall::{self, RULESET};
use crate::lease::{self, Holder, LeaseError};
use crate::plan::FirewallChange;
use crate::settings;
use crate::steps::{self, FUNCTIONS, KEEP};

/// Why a release cannot be put back.
#[derive(Debug, thiserror::Error)]
pub enum RollbackError {
    /// There is no such release.
    #[error("`{host}` has no release {wanted}; it has: {available}")]
    NoSuchRelease {
        /// Which host.
        host: HostName,
        /// What was asked for.
        wanted: u64,
        /// What there is.
        available: String,
    },
    /// The lease is in other hands.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The host cannot be reached.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The script failed.
    #[error("`{host}`: the release could not be put back: {cause}")]
    Failed {
        /// Which host.
        host: HostName,
        /// Its words.
        cause: String,
    },
}

impl RollbackError {
    /// The exit code that this calls for.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::NoSuchRelease { .. } => 3,
            Self::Lease(error) => error.exit_code(),
            Self::Remote(_) => 5,
            Self::Failed { .. } => 1,
        }
    }

    /// What the operator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoSuchRelease { .. } => {
                "`jitctl status` shows the present one; each host counts its own".to_owned()
            }
            Self::Lease(error) => error.remedy(),
            Self::Remote(error) => error.remedy(),
            Self::Failed { .. } => {
                "`jitctl apply` brings the host back to what the inventory says".to_owned()
            }
        }
    }
}

/// The release that a rollback goes to: the asked one, else the newest one before the present.
///
/// # Errors
/// There is none.
pub fn target(host: &HostName, facts: &Facts, to: Option<u64>) -> Result<u64, RollbackError> {
    let current = facts.manifest.release;
    let mut kept = facts
        .releases
        .iter()
        .copied()
        .filter(|release| *release != current);
    let found = match to {
        Some(wanted) => kept.find(|release| *release == wanted),
        None => kept.rfind(|release| *release < current),
    };
    found.ok_or_else(|| RollbackError::NoSuchRelease {
        host: host.clone(),
        wanted: to.unwrap_or(current.saturating_sub(1)),
        available: facts
            .releases
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    })
}

const RESTORE: &str = r#"was=$state/releases/$target
[ -f "$was/index" ] || fail "release $target is not kept here"
units() { sed -n 's/^"services":\[\(.*\)\],$/\1/p' "$1" 2> /dev/null | tr ',' '\n' | tr -d '"'; }
units "$root/etc/jitctl/manifest.json" > "$state/units.before"
owned() {
    sed -n 's/^{"path":"\([^"]*\)".*/\1/p' "$1"
    sed -n 's/^"links":{\(.*\)},$/\1/p' "$1" | tr ',' '\n' | sed 's/^"\([^"]*\)":.*/\1/'
}
owned "$root/etc/jitctl/manifest.json" > "$state/owned"
while IFS= read -r path; do
    [ -z "$path" ] || grep -qxF -- "$path" "$was/paths" || rm -f "$root$path"
done < "$state/owned"
rm -f "$state/owned"
keep=$was
"#;

const RESTART: &str = r#"systemctl daemon-reload
units "$root/etc/jitctl/manifest.json" > "$state/units.after"
set +e
while IFS= read -r unit; do
    [ -z "$unit" ] || grep -qxF -- "$unit" "$state/units.after" || systemctl disable -q --now "$unit" 2> /dev/null
done < "$state/units.before"
bad=
while IFS= read -r unit; do
    case $unit in '' | jitctl-firewall.service) continue ;; esac
    systemctl enable -q "$unit" 2> /dev/null
    systemctl reset-failed "$unit" 2> /dev/null
    case $unit in
    nginx.service) systemctl reload-or-restart "$unit" ;;
    *) systemctl restart "$unit" ;;
    esac || { bad=$unit; journalctl --no-pager -q -n 20 -o short-iso -u "$unit" >&2; }
done < "$state/units.after"
rm -f "$state/units.before" "$state/units.after"
[ -z "$bad" ] || fail "$bad did not start"
"#;

/// The script that puts a release back.
pub fn script(current: u64, target: u64, holder: &Holder, root: &str) -> Script {
    let deadline = Duration::from_secs(180);
    let mut text = format!(
        "set -eu\nroot={}; state=$root/var/lib/jitctl; staging=$state/staging\n{FUNCTIONS}{}\
         current={current}; target={target}\n{KEEP}save /etc/jitctl/manifest.json\n",
        quote(root),
        lease::keep_fragment(&holder.id, deadline + Duration::from_secs(60)),
    );
    for program in ["bridge", "focus", "web"] {
        append!(text, "save /usr/lib/jitctl/current-{program}\n");
    }
    text.push_str(RESTORE);
    text.push_str(steps::restore_fragment());
    text.push_str(settings::FUNCTIONS);
    append!(
        text,
        "keep_settings \"$root\"{SYSCTL_FILE}\nload_settings {SYSCTL_FILE}\n"
    );
    text.push_str(RESTART);
    Script::new(format!("put release {target} back"), text, deadline)
}

/// Puts a release of one host back, the packet filter under the guard of a new connection.
///
/// # Errors
/// See [`RollbackError`].
pub async fn roll_back(
    remote: &dyn Remote,
    facts: &Facts,
    to: Option<u64>,
    holder: &Holder,
    root: &str,
) -> Result<u64, RollbackError> {
    let target = target(remote.host(), facts, to)?;
    lease::acquire(remote, holder, Duration::from_secs(300), root).await?;
    let result = put_back(remote, facts, target, holder, root).await;
    // The lease runs out by itself when the host is gone.
    let _ = lease::release(remote, &holder.id, root).await;
    result.map(|()| target)
}

async fn put_back(
    remote: &dyn Remote,
    facts: &Facts,
    target: u64,
    holder: &Holder,
    root: &str,
) -> Result<(), RollbackError> {
    run(remote, script(facts.manifest.release, target, holder, root)).await?;
    if facts.firewall.table.is_none() {
        return Ok(());
    }
    let prologue = format!(
        "set -eu\nroot={}; state=$root/var/lib/jitctl\n{FUNCTIONS}",
        quote(root)
    );
    let change = FirewallChange {
        backend: jitctl_inventory::model::FirewallBackend::Nftables,
        load_table: false,
        edited_by_hand: false,
        commands: vec![vec![
            "sh".to_owned(),
            "-c".to_owned(),
            format!(
                "if [ -f {RULESET} ]; then nft -f {RULESET}; else nft delete table inet jitctl; fi"
            ),
        ]],
        undo: Vec::new(),
        delta: Vec::new(),
    };
    let deadline = Duration::from_secs(30);
    let guard = Duration::from_secs(60);
    run(
        remote,
        firewall::load_script(&change, &prologue, guard, deadline),
    )
    .await?;
    let confirm = firewall::confirm_script(&prologue, deadline);
    let output = remote.run_on_new_connection(confirm).await?;
    judge(remote, &output)
}

async fn run(remote: &dyn Remote, script: Script) -> Result<(), RollbackError> {
    let output = remote.run(script).await?;
    judge(remote, &output)
}

fn judge(remote: &dyn Remote, output: &jitctl_transport::Output) -> Result<(), RollbackError> {
    if output.success() {
        return Ok(());
    }
    Err(RollbackError::Failed {
        host: remote.host().clone(),
        cause: output.stderr.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use jitctl_transport::LocalRemote;

    use super::*;

    fn holder(id: &str) -> Holder {
        Holder {
            id: id.to_owned(),
            who: "anna@desk".to_owned(),
            why: "jitctl rollback".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_host_that_somebody_holds_keeps_its_release() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let remote = LocalRemote::new("b1".into());
        let mut facts = Facts::bare();
        facts.manifest.release = 2;
        facts.releases = [1].into();
        let time = Duration::from_secs(60);
        lease::acquire(&remote, &holder("a"), time, root)
            .await
            .unwrap();
        let error = roll_back(&remote, &facts, None, &holder("b"), root)
            .await
            .unwrap_err();
        assert_eq!(error.exit_code(), 6, "{error}");
        assert!(error.remedy().contains("jitctl lock release --on b1"));
    }
}

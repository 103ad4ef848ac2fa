//! Who works on a host now: who, why, until when.
//!
//! A file on every touched host, taken under a lock of the kernel's, renewed by every phase (the
//! heartbeat) and given back at the end. It runs out by itself, so a dead `jitctl` blocks nobody
//! for long.

use std::time::Duration;

use jitctl_inventory::names::HostName;
use jitctl_transport::{Output, Remote, RemoteError, Script, quote};
use serde::{Deserialize, Serialize};

/// Exit status of a script that found the lease in other hands.
pub(crate) const HELD: i32 = 75;
/// Exit status of a phase whose lease is gone.
pub(crate) const LOST: i32 = 76;

/// A lease as the host keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Identity of the run that holds it.
    pub id: String,
    /// Person and machine.
    pub who: String,
    /// Command.
    pub why: String,
    /// Taken at, seconds since 1970 on the host's clock.
    pub since: i64,
    /// Runs out at, on the same clock.
    pub until: i64,
}

impl Lease {
    /// Reads the host's file; nothing when there is none or it is damaged.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text.trim()).ok()
    }
}

/// Who asks for leases, the same for all hosts of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Unique for this run: the process id, a dash, and more letters, digits and dashes.
    pub id: String,
    /// Person and machine.
    pub who: String,
    /// Command.
    pub why: String,
}

/// A lease cannot be had or changed.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("`{host}` is held by {} for `{}`; it runs out in {left} s", lease.who, lease.why)]
    Held {
        /// Which host.
        host: HostName,
        /// Whose lease.
        lease: Lease,
        /// Seconds until it runs out, by the host's clock, unless that run goes on.
        left: i64,
    },
    /// The host could not be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The script failed.
    #[error("cannot take the lease of `{host}`: {cause}")]
    Failed {
        /// Which host.
        host: HostName,
        /// Its words.
        cause: String,
    },
}

impl LeaseError {
    /// The exit code that this calls for.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Held { .. } => 6,
            Self::Remote(_) => 5,
            Self::Failed { .. } => 1,
        }
    }

    /// What the operator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Held { host, .. } => {
                format!("wait for that run; when it is dead, `jitctl lock release --on {host}`")
            }
            Self::Remote(error) => error.remedy(),
            Self::Failed { host, .. } => {
                format!("look at the free space and at `/var/lib/jitctl` on `{host}`")
            }
        }
    }
}

const DEADLINE: Duration = Duration::from_secs(20);

/// The script that takes the lease for a time, or prints the present one and ends with status 75.
pub fn acquire_script(holder: &Holder, time: Duration, root: &str) -> Script {
    let json = |value: &str| serde_json::to_string(value).unwrap_or_default();
    let text = format!(
        "set -eu\nroot={root}; state=$root/var/lib/jitctl; id={id}\n\
         who={who}; why={why}; time={seconds}\n{ACQUIRE}",
        root = quote(root),
        id = quote(&holder.id),
        who = quote(&json(&holder.who)),
        why = quote(&json(&holder.why)),
        seconds = time.as_secs(),
    );
    Script::new("take the lease", text, DEADLINE)
}

const ACQUIRE: &str = r#"mkdir -p "$state"; chmod 0700 "$state"
exec 9> "$state/lease.lock"
flock -w 10 9
now=$(date +%s)
if [ -f "$state/lease.json" ]; then
    until=$(sed -n 's/.*"until":\([0-9]*\).*/\1/p' "$state/lease.json")
    if [ "${until:-0}" -gt "$now" ] && ! grep -qF "\"id\":\"$id\"" "$state/lease.json"; then
        cat "$state/lease.json"
        echo "$now"
        exit 75
    fi
fi
printf '{"id":"%s","who":%s,"why":%s,"since":%s,"until":%s}\n' \
    "$id" "$who" "$why" "$now" "$((now + time))" > "$state/lease.new"
mv -f "$state/lease.new" "$state/lease.json"
"#;

/// Shell text at the head of a phase: ends with status 76 unless the lease is still ours, else
/// renews it.
pub(crate) fn keep_fragment(id: &str, time: Duration) -> String {
    format!(
        "lease={}\ngrep -qsF \"\\\"id\\\":\\\"$lease\\\"\" \"$state/lease.json\" || {{ echo 'the lease is gone' >&2; exit {LOST}; }}\n\
         sed \"s/\\\"until\\\":[0-9]*/\\\"until\\\":$(($(date +%s) + {}))/\" \"$state/lease.json\" > \"$state/lease.new\"\n\
         mv -f \"$state/lease.new\" \"$state/lease.json\"\n",
        quote(id),
        time.as_secs(),
    )
}

/// The script that gives the lease back; with no id, whoever holds it.
pub fn release_script(id: Option<&str>, root: &str) -> Script {
    let condition = id.map_or_else(
        || ":".to_owned(),
        |id| {
            format!(
                "grep -qsF {} \"$state/lease.json\"",
                quote(&format!("\"id\":\"{id}\""))
            )
        },
    );
    let text = format!(
        "root={}; state=$root/var/lib/jitctl\n[ ! -f \"$state/lease.json\" ] || {{ cat \"$state/lease.json\"; {condition} && rm -f \"$state/lease.json\"; }}\nexit 0\n",
        quote(root)
    );
    Script::new("give the lease back", text, DEADLINE)
}

/// The script that prints the lease.
pub fn show_script(root: &str) -> Script {
    let text = format!(
        "cat {}/var/lib/jitctl/lease.json 2> /dev/null; date +%s\n",
        quote(root)
    );
    Script::new("show the lease", text, DEADLINE)
}

/// Takes the lease.
///
/// # Errors
/// [`LeaseError::Held`] when somebody else has it.
pub async fn acquire(
    remote: &dyn Remote,
    holder: &Holder,
    time: Duration,
    root: &str,
) -> Result<(), LeaseError> {
    let output = remote.run(acquire_script(holder, time, root)).await?;
    match (output.status, read(&output.text())) {
        (Some(0), _) => Ok(()),
        (Some(HELD), (Some(lease), now)) => Err(LeaseError::Held {
            host: remote.host().clone(),
            left: lease.until - now,
            lease,
        }),
        _ => Err(failed(remote, &output)),
    }
}

/// Takes the lease, also from a run of the same person on this machine whose process is dead:
/// nobody else can give that one back, and the host waits to be healed. True when it did so.
///
/// # Errors
/// [`LeaseError::Held`] when a run that may be alive has it.
pub async fn acquire_or_inherit(
    remote: &dyn Remote,
    holder: &Holder,
    time: Duration,
    root: &str,
) -> Result<bool, LeaseError> {
    match acquire(remote, holder, time, root).await {
        Err(LeaseError::Held { lease, .. }) if lease.who == holder.who && is_dead(&lease.id) => {
            release(remote, &lease.id, root).await?;
            acquire(remote, holder, time, root).await.map(|()| true)
        }
        other => other.map(|()| false),
    }
}

/// Whether the process of a run on this machine is gone. Identities start with the process id;
/// where that cannot be looked up, the run counts as alive.
fn is_dead(id: &str) -> bool {
    let processes = std::path::Path::new("/proc");
    let process = id
        .split('-')
        .next()
        .filter(|pid| pid.parse::<u32>().is_ok());
    processes.join("self").exists() && process.is_some_and(|pid| !processes.join(pid).exists())
}

/// Gives the lease back.
///
/// # Errors
/// The host could not be asked.
pub async fn release(remote: &dyn Remote, id: &str, root: &str) -> Result<(), LeaseError> {
    remote.run(release_script(Some(id), root)).await?;
    Ok(())
}

/// Takes the lease away from whoever has it; gives back whose it was.
///
/// # Errors
/// The host could not be asked.
pub async fn break_lease(remote: &dyn Remote, root: &str) -> Result<Option<Lease>, LeaseError> {
    let output = remote.run(release_script(None, root)).await?;
    Ok(Lease::parse(&output.text()))
}

/// The lease of a host, unless it ran out.
///
/// # Errors
/// The host could not be asked.
pub async fn show(remote: &dyn Remote, root: &str) -> Result<Option<Lease>, LeaseError> {
    let output = remote.run(show_script(root)).await?;
    let (lease, now) = read(&output.text());
    Ok(lease.filter(|lease| lease.until > now))
}

/// A lease, if there is one, and the time on the host's clock below it.
fn read(text: &str) -> (Option<Lease>, i64) {
    let now = text.lines().last().and_then(|line| line.parse().ok());
    (text.lines().next().and_then(Lease::parse), now.unwrap_or(0))
}

fn failed(remote: &dyn Remote, output: &Output) -> LeaseError {
    LeaseError::Failed {
        host: remote.host().clone(),
        cause: output.stderr.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jitctl_transport::LocalRemote;

    use super::*;

    fn holder(id: &str) -> Holder {
        Holder {
            id: id.to_owned(),
            who: "anna's \"machine\"".to_owned(),
            why: "apply".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_second_one_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let remote = LocalRemote::new("h".into());
        let time = Duration::from_secs(60);
        acquire(&remote, &holder("a"), time, root).await.unwrap();
        acquire(&remote, &holder("a"), time, root).await.unwrap();
        let error = acquire(&remote, &holder("b"), time, root)
            .await
            .unwrap_err();
        let LeaseError::Held { lease, left, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(lease.who, "anna's \"machine\"");
        assert!((1..=60).contains(&left), "{left} s left of 60");
        release(&remote, "b", root).await.unwrap();
        assert!(show(&remote, root).await.unwrap().is_some());
        release(&remote, "a", root).await.unwrap();
        assert_eq!(show(&remote, root).await.unwrap(), None);
        acquire(&remote, &holder("b"), time, root).await.unwrap();
    }

    #[tokio::test]
    async fn a_dead_run_is_inherited_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let remote = LocalRemote::new("h".into());
        let time = Duration::from_secs(60);
        // No process ever has the number 0.
        acquire(&remote, &holder("0-1"), time, root).await.unwrap();
        let mut stranger = holder("0-2");
        stranger.who = "berta".to_owned();
        let refused = acquire_or_inherit(&remote, &stranger, time, root).await;
        assert!(matches!(refused, Err(LeaseError::Held { .. })));
        let living = format!("{}-1", std::process::id());
        assert!(
            acquire_or_inherit(&remote, &holder(&living), time, root)
                .await
                .unwrap()
        );
        let refused = acquire_or_inherit(&remote, &holder("0-3"), time, root).await;
        assert!(matches!(refused, Err(LeaseError::Held { .. })));
    }

    #[tokio::test]
    async fn a_lease_that_ran_out_blocks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let remote = LocalRemote::new("h".into());
        acquire(&remote, &holder("a"), Duration::ZERO, root)
            .await
            .unwrap();
        acquire(&remote, &holder("b"), Duration::from_secs(9), root)
            .await
            .unwrap();
    }
}

//! The packet filter, changed without locking the operator out.
//!
//! Whatever the backend, our own table closes what is nobody's business (a drop there is final);
//! `ufw` or `firewalld` open what must be open where they are active. Any change arms a timer on
//! the host that puts everything back, and only a new SSH connection disarms it.

mod guard;

use jitctl_inventory::model::FirewallBackend;

use crate::facts::Facts;
use crate::plan::{Change, FileChange, FirewallChange};
use crate::resolved::ResolvedHost;

pub use guard::{arm_fragment, confirm_script, load_script};

/// The ruleset of our own table.
pub const RULESET: &str = "/etc/jitctl/firewall.nft";
/// The unit that loads it at boot.
pub const UNIT: &str = "jitctl-firewall.service";

/// The backend of a host: what the inventory says, else what is active there.
pub fn resolve(wanted: FirewallBackend, facts: &Facts) -> FirewallBackend {
    match wanted {
        FirewallBackend::Auto if facts.firewall.ufw => FirewallBackend::Ufw,
        FirewallBackend::Auto if facts.firewall.firewalld => FirewallBackend::Firewalld,
        FirewallBackend::Auto => FirewallBackend::Nftables,
        other => other,
    }
}

/// What changes at the packet filter, if anything.
pub(crate) fn compare(
    host: &ResolvedHost,
    facts: &Facts,
    files: &[FileChange],
) -> Option<FirewallChange> {
    let backend = resolve(host.desired.firewall.backend, facts);
    let ruleset = host.file(RULESET)?;
    let changed = files
        .iter()
        .find(|file| file.path == RULESET && file.change != Change::Attributes);
    let recorded = facts
        .manifest
        .file(RULESET)
        .is_some_and(|owned| owned.sha256 == ruleset.sha256);
    let firewall = &facts.firewall;
    let as_loaded = firewall.table.is_some() && firewall.table == firewall.loaded;
    let load_table = changed.is_some() || !recorded || !as_loaded;
    let (commands, undo) = (Vec::new(), Vec::new());
    if !load_table && commands.is_empty() {
        return None;
    }
    Some(FirewallChange {
        backend,
        load_table,
        edited_by_hand: recorded && !as_loaded,
        delta: changed.map(|file| delta(&file.diff)).unwrap_or_default(),
        commands,
        undo,
    })
}

/// The lines of a ruleset's diff that open or close something.
fn delta(diff: &str) -> Vec<String> {
    diff.lines()
        .filter(|line| line.starts_with(['+', '-']))
        .filter(|line| line.contains("dport") || line.contains("elements"))
        .map(|line| {
            let (sign, rest) = line.split_at(1);
            format!("{sign} {}", rest.trim())
        })
        .collect()
}

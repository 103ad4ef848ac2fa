//! The packet filter, changed without locking the operator out.
//!
//! Whatever the backend, our own table closes what is nobody's business (a drop there is final);
//! `ufw` or `firewalld` open what must be open where they are active. Any change arms a timer on
//! the host that puts everything back, and only a new SSH connection disarms it.

mod guard;

use std::collections::BTreeSet;

use jitctl_inventory::model::FirewallBackend;
use jitctl_templates::desired::{DesiredHost, FirewallIntent, Source};
use jitctl_templates::firewall::{firewalld, ufw};
use jitctl_templates::{RenderError, Renderer};

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

/// Gives a host the files of the backend that its facts call for, where the inventory leaves it
/// open. To be called before the host is resolved for a plan.
///
/// # Errors
/// A template fails.
pub fn settle(
    renderer: &Renderer,
    desired: &mut DesiredHost,
    facts: &Facts,
) -> Result<(), RenderError> {
    let wanted = desired.firewall.backend;
    let backend = resolve(wanted, facts);
    if backend == wanted {
        return Ok(());
    }
    renderer.set_firewall_backend(desired, backend)
}

/// What changes at the packet filter, if anything.
pub(crate) fn compare(
    host: &ResolvedHost,
    facts: &Facts,
    files: &[FileChange],
) -> Option<FirewallChange> {
    let backend = resolve(host.desired.firewall.backend, facts);
    if host.desired.foreign {
        return opened(host, facts, backend);
    }
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
    let (commands, undo) = match backend {
        FirewallBackend::Ufw => ufw_changes(host, facts),
        FirewallBackend::Firewalld => firewalld_changes(host, facts, files),
        _ => (Vec::new(), Vec::new()),
    };
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

/// Ports that open on a host that others keep: by `ufw` or `firewalld`, with rules that can be told
/// from theirs.
fn opened(host: &ResolvedHost, facts: &Facts, backend: FirewallBackend) -> Option<FirewallChange> {
    let (commands, undo) = match backend {
        FirewallBackend::Ufw => ufw_changes(host, facts),
        FirewallBackend::Firewalld => firewalld_openings(host, facts),
        _ => return None,
    };
    (!commands.is_empty()).then(|| FirewallChange {
        backend,
        load_table: false,
        edited_by_hand: false,
        delta: commands.iter().map(|words| words.join(" ")).collect(),
        commands,
        undo,
    })
}

/// What is left to those who keep a host, where its packet filter is another than `ufw` and
/// `firewalld`.
pub(crate) fn left_to_others(host: &ResolvedHost, facts: &Facts) -> Option<String> {
    let backend = resolve(host.desired.firewall.backend, facts);
    let opens = matches!(backend, FirewallBackend::Ufw | FirewallBackend::Firewalld);
    if !host.desired.foreign || opens {
        return None;
    }
    let rules = host.desired.firewall.rules.iter();
    let open = rules.filter_map(|rule| match &rule.from {
        Source::Only(addresses) if !addresses.is_empty() => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            Some(format!("{} for {}", rule.port, addresses.join(", ")))
        }
        _ => None,
    });
    let open: Vec<String> = open.collect();
    (!open.is_empty()).then(|| {
        format!(
            "others keep this host, and neither ufw nor firewalld is active there: if its packet \
             filter closes the port, open {} yourself (tcp)",
            open.join("; ")
        )
    })
}

/// The commands that take our rules out of `ufw` or `firewalld` for good.
pub(crate) fn farewell(nothing: &FirewallIntent, facts: &Facts) -> Commands {
    let present: Vec<String> = facts.firewall.rules.iter().cloned().collect();
    if facts.firewall.ufw {
        return ufw::changes(nothing, &present.join("\n"));
    }
    if facts.firewall.firewalld {
        return firewalld::removals(&present);
    }
    Vec::new()
}

type Commands = Vec<Vec<String>>;

fn ufw_changes(host: &ResolvedHost, facts: &Facts) -> (Commands, Commands) {
    let present: Vec<&str> = facts.firewall.rules.iter().map(String::as_str).collect();
    let commands = ufw::changes(&host.desired.firewall, &present.join("\n"));
    let undo = commands.iter().map(|words| undo_ufw(words)).collect();
    (commands, undo)
}

/// `ufw allow …` against `ufw --force delete allow …`.
fn undo_ufw(words: &[String]) -> Vec<String> {
    let words = || words.iter().map(String::as_str);
    let undone: Vec<&str> = if words().any(|word| word == "delete") {
        let rule = words().filter(|word| !matches!(*word, "--force" | "delete"));
        rule.chain(["comment", "jitctl: put back"]).collect()
    } else {
        let rule = words().skip(1).take_while(|word| *word != "comment");
        ["ufw", "--force", "delete"]
            .into_iter()
            .chain(rule)
            .collect()
    };
    undone.into_iter().map(str::to_owned).collect()
}

fn firewalld_openings(host: &ResolvedHost, facts: &Facts) -> (Commands, Commands) {
    let present: Vec<String> = facts.firewall.rules.iter().cloned().collect();
    let commands = firewalld::changes(&host.desired.firewall, &present);
    let undo = commands.iter().map(|words| undone(words)).collect();
    (commands, undo)
}

fn firewalld_changes(
    host: &ResolvedHost,
    facts: &Facts,
    files: &[FileChange],
) -> (Commands, Commands) {
    let mut commands = firewalld::commands(&host.desired.firewall);
    let present = &facts.firewall.rules;
    let wanted: BTreeSet<String> = commands
        .iter()
        .filter_map(|words| added_rule(words))
        .collect();
    let stale: Vec<String> = present.difference(&wanted).cloned().collect();
    let removals = firewalld::removals(&stale);
    let rewritten = files
        .iter()
        .any(|file| file.path.starts_with("/etc/firewalld/"));
    if wanted.is_subset(present) && removals.is_empty() && !rewritten {
        return (Vec::new(), Vec::new());
    }
    let missing = commands
        .iter()
        .filter(|words| added_rule(words).is_some_and(|rule| !present.contains(&rule)));
    let mut undo: Commands = missing
        .chain(&removals)
        .filter(|words| words.iter().any(|word| word == "--permanent"))
        .map(|words| undone(words))
        .collect();
    undo.push(vec!["firewall-cmd".to_owned(), "--reload".to_owned()]);
    // Additions first, so that nothing is closed in between that stays open.
    commands.extend(removals);
    (commands, undo)
}

/// The rule that a command of firewalld adds, as facts show it.
fn added_rule(words: &[String]) -> Option<String> {
    words.iter().find_map(|word| {
        let service = || word.strip_prefix("--add-service=");
        word.strip_prefix("--add-rich-rule=")
            .map(str::to_owned)
            .or_else(|| service().map(|name| format!("service {name}")))
    })
}

/// A command of firewalld the other way round.
fn undone(words: &[String]) -> Vec<String> {
    words.iter().map(|word| undo_firewalld(word)).collect()
}

/// `--add-…` against `--remove-…`.
fn undo_firewalld(word: &str) -> String {
    if word.starts_with("--remove-") {
        word.replacen("--remove-", "--add-", 1)
    } else {
        word.replacen("--add-", "--remove-", 1)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ufw_command_and_its_undoing_are_mirror_images() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let allow = words("ufw allow 443/tcp comment jitctl");
        assert_eq!(undo_ufw(&allow), words("ufw --force delete allow 443/tcp"));
        let delete = words("ufw --force delete allow 443/tcp");
        assert_eq!(undo_ufw(&delete)[..3], words("ufw allow 443/tcp")[..]);
    }

    #[test]
    fn a_firewalld_command_and_its_undoing_are_mirror_images() {
        let pairs = [
            ("--add-service=jitctl", "--remove-service=jitctl"),
            ("--add-rich-rule=rule a", "--remove-rich-rule=rule a"),
            ("--permanent", "--permanent"),
        ];
        for (word, opposite) in pairs {
            assert_eq!(undo_firewalld(word), opposite);
            assert_eq!(undo_firewalld(opposite), word);
        }
        let words = ["firewall-cmd", "--permanent", "--add-service=jitctl"].map(str::to_owned);
        assert_eq!(added_rule(&words).as_deref(), Some("service jitctl"));
    }

    #[test]
    fn auto_follows_what_is_active() {
        let mut facts = Facts::bare();
        assert_eq!(
            resolve(FirewallBackend::Auto, &facts),
            FirewallBackend::Nftables
        );
        facts.firewall.ufw = true;
        assert_eq!(resolve(FirewallBackend::Auto, &facts), FirewallBackend::Ufw);
        assert_eq!(
            resolve(FirewallBackend::None, &facts),
            FirewallBackend::None
        );
    }
}

//! The end of an apply that takes a host out of the site: nothing of ours stays. On a host that
//! others keep every apply ends so, and only its own notes go.
//!
//! Files and units went before; here go what no list of files has: the table of the packet filter
//! and our rules of `ufw` or `firewalld`, users, programs, releases, records, and the lease with
//! them.

use std::time::Duration;

use jitctl_transport::Script;

use super::{Context, Phase, line};
use crate::plan::Leaving;

const REMOVE: &str = r#"nft delete table inet jitctl 2> /dev/null || :
for unit in jitctl-undrain jitctl-firewall-revert; do
    systemctl stop "$unit.timer" "$unit.service" 2> /dev/null || :
done
systemctl reset-failed 'jitctl-*' 2> /dev/null || :
for user in jitctl-bridge jitctl-focus; do
    if getent passwd "$user" > /dev/null 2>&1; then userdel "$user" > /dev/null 2>&1 || :; fi
    if getent group "$user" > /dev/null 2>&1; then groupdel "$user" > /dev/null 2>&1 || :; fi
done
for folder in nftables prosody coturn nginx; do
    rmdir "$root/etc/systemd/system/$folder.service.d" 2> /dev/null || :
done
rm -rf "$root/usr/lib/jitctl" "$root/usr/share/jitctl" "$root/var/lib/jitctl-acme" "$root/etc/jitctl"
"#;

/// Last: the lease is in it.
const FORGET: &str = "rm -rf \"${state:?}\"\n";

/// The script that ends the apply of a host that leaves.
pub fn leave(context: &Context<'_>, leaving: &Leaving) -> Script {
    let deadline = Duration::from_secs(60);
    let mut text = context.prologue(Phase::Leave, deadline);
    for words in &leaving.commands {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // Somebody may have removed the rule already.
        text.push_str(line(&words).trim_end());
        text.push_str(" > /dev/null 2>&1 || :\n");
    }
    if !context.host.desired.foreign {
        text.push_str(REMOVE);
    }
    text.push_str(FORGET);
    Script::new(Phase::Leave.title(), text, deadline)
}

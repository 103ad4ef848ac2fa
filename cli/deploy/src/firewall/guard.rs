//! The timed revert.

use std::time::Duration;

use jitctl_transport::{Script, quote};

use super::RULESET;
use crate::plan::FirewallChange;

/// Name of the transient timer on the host.
const GUARD: &str = "jitctl-firewall-revert";

/// Shell text that keeps the present rules and arms the revert. Expects `$root` and `$state`.
///
/// When an earlier change was never confirmed its copy of the old rules is the good one and stays.
pub fn arm_fragment(undo: &[Vec<String>], revert_after: Duration) -> String {
    let undo = commands(undo, " || true");
    format!(
        r#"guard=$state/firewall
mkdir -p "$guard"
systemctl stop {GUARD}.timer {GUARD}.service 2> /dev/null || true
systemctl reset-failed {GUARD}.timer {GUARD}.service 2> /dev/null || true
if [ ! -f "$guard/armed" ]; then
    if nft -s list table inet jitctl > "$guard/table" 2> /dev/null; then
        {{ printf 'table inet jitctl\ndelete table inet jitctl\n'; cat "$guard/table"; }} > "$guard/before.nft"
    else
        printf 'table inet jitctl\ndelete table inet jitctl\n' > "$guard/before.nft"
    fi
    cat > "$guard/revert.sh" <<'REVERT'
#!/bin/sh
nft -f "$1/before.nft"
{undo}rm -f "$1/armed" "$1/loaded"
REVERT
    : > "$guard/armed"
fi
systemd-run --quiet --collect --unit={GUARD} --on-active={seconds} --timer-property=AccuracySec=1s \
    /bin/sh "$guard/revert.sh" "$guard"
"#,
        seconds = revert_after.as_secs(),
    )
}

/// The script that changes the rules, with the revert armed first.
pub fn load_script(
    change: &FirewallChange,
    prologue: &str,
    revert_after: Duration,
    deadline: Duration,
) -> Script {
    let mut text = format!("{prologue}{}", arm_fragment(&change.undo, revert_after));
    text.push_str("undo() { echo 'the packet filter refused the rules' >&2; sh \"$guard/revert.sh\" \"$guard\"; exit 1; }\n");
    if change.load_table {
        append!(text, "nft -f \"$root\"{} || undo\n", quote(RULESET));
    }
    text.push_str(&commands(&change.commands, " > /dev/null || undo"));
    Script::new("change the packet filter", text, deadline)
}

/// The script that disarms the revert; to be run over a new connection. Ends with status 1 when
/// the revert came first.
pub fn confirm_script(prologue: &str, deadline: Duration) -> Script {
    let text = format!(
        r#"{prologue}guard=$state/firewall
systemctl stop {GUARD}.timer 2> /dev/null || true
[ -f "$guard/armed" ] || {{ echo 'the packet filter was put back before the new connection came' >&2; exit 1; }}
nft -s list table inet jitctl | sha256sum > "$guard/loaded"
rm -f "$guard/armed"
"#
    );
    Script::new("confirm the packet filter", text, deadline)
}

/// Commands as lines, each with the same end.
fn commands(commands: &[Vec<String>], end: &str) -> String {
    let mut text = String::new();
    for words in commands {
        let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
        append!(text, "{}{end}\n", words.join(" "));
    }
    text
}

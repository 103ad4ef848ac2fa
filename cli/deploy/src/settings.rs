//! Kernel settings that come and go.
//!
//! Before the first value of ours is loaded, the host keeps the one that stood there, in a state
//! file of its own. A setting that is ours no longer gets that value back, and only then is it
//! forgotten: a run that dies in between is made up for by the next, for the plan is made from what
//! the host still keeps. What the host's own files say about a setting counts more than what we
//! found: they are loaded last.

use std::collections::BTreeSet;

use jitctl_templates::desired::Action;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::resolved::ResolvedHost;

/// A kernel setting that gets an earlier value back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Such as `net.core.somaxconn`.
    pub key: String,
    /// The value that stood before ours.
    pub value: String,
}

/// Settings that are kept on the host and are ours no longer.
pub(crate) fn compare(host: &ResolvedHost, facts: &Facts) -> Vec<Setting> {
    let files = host.files.iter().map(|file| &file.file);
    let ours: BTreeSet<&str> = files
        .filter(|file| {
            let action = Action::Sysctl(file.path.clone());
            file.on_change.contains(&action)
        })
        .flat_map(|file| keys(&file.content))
        .collect();
    facts
        .settings
        .iter()
        .filter(|(key, _)| !ours.contains(key.as_str()))
        .map(|(key, value)| Setting {
            key: key.clone(),
            value: value.clone(),
        })
        .collect()
}

/// The keys of a file of `sysctl.d`, patterns left out.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key.trim().trim_start_matches('-'))
        .filter(|key| key.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter(|key| !key.contains(['*', '?', '[', ' ']))
}

/// Shell functions around the state file. Expects `$root`, `$state` and `$tab`.
pub(crate) const FUNCTIONS: &str = r#"# Keys and values of a file of sysctl.d, a line each; patterns left out.
settings() { sed -n "s/^-\{0,1\}\([a-z][^ =*?[]*\) *= *\(.*\)$/\1$tab\2/p" "$1" 2> /dev/null || :; }
# What stands now is kept for every setting of a file that is not ours yet.
keep_settings() {
    settings "$1" | while IFS=$tab read -r key value; do
        ! grep -qs "^$key$tab" "$state/settings" || continue
        now=$(sysctl -n "$key" 2> /dev/null) || continue
        printf '%s\t%s\n' "$key" "$now" >> "$state/settings"
    done
}
# What a file says no longer gets its old value back; then everything is loaded anew.
load_settings() {
    if [ -f "$state/settings" ]; then
        settings "$root$1" > "$state/settings.ours"
        while IFS=$tab read -r key value; do
            if grep -q "^$key$tab" "$state/settings.ours"; then
                printf '%s\t%s\n' "$key" "$value"
            else
                [ "$(sysctl -n "$key" 2> /dev/null)" = "$value" ] ||
                    sysctl -q -w "$key=$value" > /dev/null 2>&1 ||
                    printf 'warning\t%s cannot get %s back on this host\n' "$key" "$value" >&3
            fi
        done 3>&1 < "$state/settings" > "$state/settings.new"
        systemctl restart systemd-sysctl.service 2> /dev/null || :
        rm -f "$state/settings.ours"
        mv -f "$state/settings.new" "$state/settings"
        [ -s "$state/settings" ] || rm -f "$state/settings"
    else
        systemctl restart systemd-sysctl.service 2> /dev/null || :
    fi
    # Settings with a dash may fail.
    sed -n 's/^\([a-z][^ =]*\) *= *\(.*\)$/\1 \2/p' "$root$1" 2> /dev/null | while read -r key value; do
        now=$(sysctl -n "$key" 2> /dev/null || echo absent)
        [ "$(echo $now)" = "$(echo $value)" ] || printf 'warning\t%s stays %s: not settable on this host\n' "$key" "$now"
    done
}
"#;

#[cfg(test)]
mod tests {
    use super::keys;

    #[test]
    fn settings_that_may_fail_count_and_comments_and_patterns_do_not() {
        let text =
            "# net.core.a = 1\n-net.core.b = 2\nnet.core.c=3\nnet.ipv4.conf.*.d = 4\n; e = 5\n\n";
        let found: Vec<&str> = keys(text).collect();
        assert_eq!(found, ["net.core.b", "net.core.c"]);
    }
}

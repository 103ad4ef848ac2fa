//! The end of an apply: records, old releases, lease.

use std::time::Duration;

use jitctl_transport::{Script, quote};

use super::{Context, Phase};
use crate::layout::KEPT;
use crate::lease;

const RECORD: &str = r#"public "$root/etc/jitctl"
head -c "$size" > "$root/etc/jitctl/manifest.json.new"
[ "$(wc -c < "$root/etc/jitctl/manifest.json.new")" = "$size" ] || fail 'the records did not arrive whole'
chmod 0600 "$root/etc/jitctl/manifest.json.new"
mv -f "$root/etc/jitctl/manifest.json.new" "$root/etc/jitctl/manifest.json"
rm -rf "$staging" "$state/said"
if [ -d "$state/releases" ]; then
    ls "$state/releases" | sort -n | head -n "-$kept" | while IFS= read -r old; do
        rm -rf "$state/releases/$old"
    done
fi
programs=$root/usr/lib/jitctl/releases
if [ -d "$programs" ]; then
    ls -t "$programs" | tail -n "+$((kept + 1))" | while IFS= read -r old; do
        for link in "$root"/usr/lib/jitctl/current-*; do
            [ "$(readlink "$link")" != "/usr/lib/jitctl/releases/$old" ] || continue 2
        done
        rm -rf "${programs:?}/$old"
    done
fi
rm -f "$state/journal" "$state/lease.json"
"#;

/// The script that ends an apply.
pub fn commit(context: &Context<'_>) -> Script {
    let deadline = Duration::from_secs(30);
    let manifest = context.plan.manifest.to_text();
    let text = format!(
        "{}size={}; kept={KEPT}\n{RECORD}",
        context.prologue(Phase::Commit, deadline),
        manifest.len(),
    );
    Script::new(Phase::Commit.title(), text, deadline).with_input(manifest.into_bytes())
}

/// The script that ends an apply which changed nothing yet: staged bytes go, the lease too.
pub fn discard(lease_id: &str, root: &str) -> Script {
    let text = format!(
        "root={}; state=$root/var/lib/jitctl\n{}rm -rf \"$state/staging\"; rm -f \"$state/journal\" \"$state/lease.json\"\n",
        quote(root),
        lease::keep_fragment(lease_id, Duration::from_secs(60)),
    );
    Script::new("give up", text, Duration::from_secs(30))
}

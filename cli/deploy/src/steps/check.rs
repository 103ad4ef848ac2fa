//! Has every changed file checked by its own program before it replaces anything.
//!
//! The programs read fixed paths and whole trees, so they get a mount namespace of their own in
//! which `/etc` is a copy with the staged files laid over it, and our programs are the new ones.

use std::collections::BTreeSet;
use std::time::Duration;

use jitctl_templates::desired::FileCheck;
use jitctl_transport::{Script, quote};

use super::stage::{carried, staged_name};
use super::{Context, Phase, line};
use crate::layout::current_link;
use crate::plan::Change;

const FUNCTIONS: &str = r#"tree=$staging/etc
rm -rf "$tree"
cp -a "$root/etc" "$tree"
lay() {
    target=$tree/${2#/etc/}
    public "${target%/*}"
    rm -f "$target"
    cp "$staging/$1" "$target"
    chmod "$3" "$target"
    chown "$4:$5" "$target"
}
point() {
    target=$tree/${1#/etc/}
    public "${target%/*}"
    rm -f "$target"
    ln -s "$2" "$target"
}
drop() { rm -f "$tree/${1#/etc/}"; }
programs=$staging/programs
public "$programs/releases"
public "$root/usr/lib/jitctl/releases"
for link in "$root"/usr/lib/jitctl/current-*; do
    [ ! -L "$link" ] || cp -P "$link" "$programs/"
done
"#;

const ENTER: &str = r#"unshare --mount --propagation private sh -eu -c '
mount --bind "$1/etc" /etc
mount --bind /usr/lib/jitctl/releases "$1/programs/releases"
mount --rbind "$1/programs" /usr/lib/jitctl
. "$1/checks.sh"
' check "$staging" > "$staging/said" 2>&1 < /dev/null || { cat "$staging/said" >&2; exit 1; }
rm -rf "$tree" "$programs"
"#;

/// The script; nothing when no changed file has a check.
pub fn check(context: &Context<'_>) -> Option<Script> {
    let checks = wanted(context);
    if checks.is_empty() || !context.root.is_empty() {
        return None;
    }
    let deadline = Duration::from_secs(120);
    let mut text = context.prologue(Phase::Check, deadline);
    text.push_str(FUNCTIONS);
    for (index, file) in carried(context).filter(|(_, file)| file.path.starts_with("/etc/")) {
        let mode = format!("{:o}", file.mode);
        let name = staged_name(index);
        text.push_str(&line(&[
            "lay",
            &name,
            &file.path,
            &mode,
            &file.owner,
            &file.group,
        ]));
    }
    for link in context
        .plan
        .links
        .iter()
        .filter(|link| link.path.starts_with("/etc/"))
    {
        text.push_str(&match &link.to {
            Some(target) => line(&["point", &link.path, target]),
            None => line(&["drop", &link.path]),
        });
    }
    for file in &context.plan.files {
        if file.change == Change::Remove && file.path.starts_with("/etc/") {
            text.push_str(&line(&["drop", &file.path]));
        }
    }
    for program in &context.plan.programs {
        let link = current_link(&program.name);
        let name = link.rsplit('/').next().unwrap_or(&link).to_owned();
        append!(text, "rm -f \"$programs\"/{}\n", quote(&name));
        append!(
            text,
            "ln -s {} \"$programs\"/{}\n",
            quote(&program.to),
            quote(&name)
        );
    }
    text.push_str("cat > \"$staging/checks.sh\" <<'CHECKS'\n");
    for (check, path) in &checks {
        text.push_str(&command(*check, path));
    }
    text.push_str("CHECKS\n");
    text.push_str(ENTER);
    Some(Script::new(Phase::Check.title(), text, deadline))
}

/// Checks of changed files; those that read a whole tree once.
fn wanted(context: &Context<'_>) -> BTreeSet<(FileCheck, String)> {
    carried(context)
        .filter_map(|(_, change)| {
            let check = context.host.file(&change.path)?.file.check?;
            let path = match check {
                FileCheck::Prosody | FileCheck::Nginx => String::new(),
                _ => change.path.clone(),
            };
            Some((check, path))
        })
        .collect()
}

fn command(check: FileCheck, path: &str) -> String {
    let (title, command) = match check {
        FileCheck::Prosody => (
            "prosodyctl check config",
            "prosodyctl check config".to_owned(),
        ),
        FileCheck::Nginx => ("nginx -t", "nginx -t -q".to_owned()),
        FileCheck::Nftables => ("nft -c", format!("nft -c -f {}", quote(path))),
        FileCheck::SystemdUnit => (
            "systemd-analyze verify",
            format!(
                "systemd-analyze verify --man=no --recursive-errors=no {}",
                quote(path)
            ),
        ),
        FileCheck::Focus => (
            "jitctl-focus --check-config",
            format!(
                "/usr/lib/jitctl/current-focus/jitctl-focus --check-config --config {}",
                quote(path)
            ),
        ),
        FileCheck::Bridge => (
            "jitctl-bridge --check-config",
            format!(
                "/usr/lib/jitctl/current-bridge/jitctl-bridge --check-config --config {}",
                quote(path)
            ),
        ),
    };
    format!("{command} || {{ echo \"refused by: {title} {path}\"; exit 1; }}\n")
}

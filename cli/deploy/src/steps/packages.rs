//! Packages and users. Nothing that a package brings starts before its configuration is there.

use std::time::Duration;

use jitctl_transport::{Script, quote};

use super::stage::{carried, staged_name};
use super::{Context, Phase, line};

const INSTALL: &str = r#"DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
policy=$root/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\n# jitctl: services start once they are configured\nexit 101\n' > "$policy.new"
    chmod 0755 "$policy.new"
    mv "$policy.new" "$policy"
    trap 'rm -f "$policy"' EXIT
fi
install() {
    apt-get -q -y $sources -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold --no-install-recommends install "$@" < /dev/null >&2
}
update() { apt-get -q $sources -o DPkg::Lock::Timeout=120 update < /dev/null >&2; }
# An earlier installation may have been cut off.
dpkg --configure -a --force-confdef --force-confold < /dev/null >&2 || true
"#;

/// The script; nothing when nothing is missing.
pub fn packages(context: &Context<'_>) -> Option<Script> {
    let plan = context.plan;
    if plan.packages.is_empty() && plan.users.is_empty() {
        return None;
    }
    let deadline = Duration::from_secs(900);
    let mut text = context.prologue(Phase::Packages, deadline);
    if !plan.packages.is_empty() {
        let names: Vec<String> = plan.packages.iter().map(|name| quote(name)).collect();
        let names = names.join(" ");
        text.push_str(&sources(context));
        text.push_str(INSTALL);
        // Fresh hosts have no lists; that lists are too old shows at the first try.
        text.push_str("set -- \"$root\"/var/lib/apt/lists/*_Packages*\n[ -e \"$1\" ] || update\n");
        append!(text, "install {names} || {{ update; install {names}; }}\n");
    }
    text.push_str("user() {\n    getent passwd \"$1\" > /dev/null || useradd --system --user-group --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin \"$1\"\n}\n");
    for user in &plan.users {
        text.push_str(&line(&["user", user]));
    }
    Some(Script::new(Phase::Packages.title(), text, deadline))
}

/// Package sources that come with this apply count already, though nothing is switched yet: apt
/// reads a copy of its folder with them in it.
fn sources(context: &Context<'_>) -> String {
    const FOLDER: &str = "/etc/apt/sources.list.d/";
    let mut text = String::new();
    for (index, file) in carried(context) {
        let Some(name) = file.path.strip_prefix(FOLDER) else {
            continue;
        };
        if text.is_empty() {
            text.push_str("public \"$staging/sources\"\ncp -a \"$root\"/etc/apt/sources.list.d/. \"$staging/sources/\" 2> /dev/null || true\n");
        }
        append!(
            text,
            "cp \"$staging\"/{} \"$staging/sources\"/{}\n",
            quote(&staged_name(index)),
            quote(name)
        );
    }
    if text.is_empty() {
        return "sources=\n".to_owned();
    }
    text.push_str("sources=\"-o Dir::Etc::SourceParts=$staging/sources\"\n");
    text
}

//! Keeps the previous state as a release, then switches by renames; and the way back.

use std::time::Duration;

use jitctl_templates::desired::Action;
use jitctl_transport::Script;

use super::stage::{carried, staged_name};
use super::{Context, Phase, line};
use crate::accounts::{Credential, NoRandomness, account_path, accounts_folder};
use crate::layout::{MANIFEST, current_link};
use crate::plan::Change;
use crate::secrets::SecretValues;
use crate::settings;

/// `save PATH` keeps a file, a link, or the fact that there is none, under `$keep`. A path that was
/// kept before stays as it was kept: after an interrupted apply the first copy is the good one.
pub(crate) const KEEP: &str = r#"keep=$state/releases/$current
mkdir -p "$keep/data"
touch "$keep/index" "$keep/paths"
count=$(wc -l < "$keep/paths")
save() {
    ! grep -qxF -- "$1" "$keep/paths" || return 0
    count=$((count + 1))
    if [ -L "$root$1" ]; then
        printf 'link\t%s\t%s\n' "$(readlink "$root$1")" "$1" >> "$keep/index"
    elif [ -f "$root$1" ]; then
        cp -p "$root$1" "$keep/data/$count"
        printf 'file\t%s\t%s\n' "$count" "$1" >> "$keep/index"
    else
        printf 'none\t-\t%s\n' "$1" >> "$keep/index"
    fi
    printf '%s\n' "$1" >> "$keep/paths"
}
if [ -f "$root/etc/jitctl/manifest.json" ]; then
    sed -n 's/^{"path":"\([^"]*\)".*/\1/p' "$root/etc/jitctl/manifest.json" > "$state/owned"
    sed -n 's/^"links":{\(.*\)},$/\1/p' "$root/etc/jitctl/manifest.json" | tr ',' '\n' | sed 's/^"\([^"]*\)":.*/\1/' >> "$state/owned"
    while IFS= read -r path; do [ -z "$path" ] || save "$path"; done < "$state/owned"
    rm -f "$state/owned"
fi
"#;

const SWITCH: &str = r#"folder() {
    public "$root$1"
    chown "$3:$4" "$root$1"
    chmod "$2" "$root$1"
}
put() {
    public "$root${2%/*}"
    cp "$staging/$1" "$root$2.jitctl-new"
    chown "$4:$5" "$root$2.jitctl-new"
    chmod "$3" "$root$2.jitctl-new"
    mv -fT "$root$2.jitctl-new" "$root$2"
}
attributes() {
    chown "$3:$4" "$root$1"
    chmod "$2" "$root$1"
}
point() {
    public "$root${1%/*}"
    rm -f "$root$1.jitctl-new"
    ln -s "$2" "$root$1.jitctl-new"
    mv -fT "$root$1.jitctl-new" "$root$1"
}
account() {
    mkdir -p "$root$1"
    chown prosody:prosody "$root${1%/*}" "$root$1"
    chmod 0750 "$root${1%/*}" "$root$1"
    head -c "$3" > "$root$2.jitctl-new"
    chown prosody:prosody "$root$2.jitctl-new"
    chmod 0640 "$root$2.jitctl-new"
    mv -fT "$root$2.jitctl-new" "$root$2"
}
"#;

/// The script that keeps and switches.
///
/// # Errors
/// The system gives no random bytes for a salt.
pub fn activate(
    context: &Context<'_>,
    secrets: &dyn SecretValues,
) -> Result<Option<Script>, NoRandomness> {
    let plan = context.plan;
    let mut saves = line(&["save", MANIFEST]);
    saves.push_str(&keep_settings(context));
    let mut body = String::new();
    let mut input = Vec::new();
    for folder in &plan.directories {
        let mode = format!("{:o}", folder.mode);
        body.push_str(&line(&[
            "folder",
            &folder.path,
            &mode,
            &folder.owner,
            &folder.group,
        ]));
    }
    for file in &plan.files {
        saves.push_str(&line(&["save", &file.path]));
    }
    for (index, file) in carried(context) {
        let mode = format!("{:o}", file.mode);
        let name = staged_name(index);
        body.push_str(&line(&[
            "put",
            &name,
            &file.path,
            &mode,
            &file.owner,
            &file.group,
        ]));
    }
    for file in &plan.files {
        let mode = format!("{:o}", file.mode);
        match file.change {
            Change::Attributes => {
                body.push_str(&line(&[
                    "attributes",
                    &file.path,
                    &mode,
                    &file.owner,
                    &file.group,
                ]));
            }
            Change::Remove => body.push_str(&remove(&file.path)),
            Change::Create | Change::Update => {}
        }
    }
    for link in &plan.links {
        saves.push_str(&line(&["save", &link.path]));
        body.push_str(&match &link.to {
            Some(target) => line(&["point", &link.path, target]),
            None => remove(&link.path),
        });
    }
    for program in &plan.programs {
        let link = current_link(&program.name);
        saves.push_str(&line(&["save", &link]));
        body.push_str(&line(&["point", &link, &program.to]));
    }
    for change in &plan.accounts {
        let path = account_path(&change.domain, &change.user);
        saves.push_str(&line(&["save", &path]));
        let password = change
            .password
            .as_ref()
            .and_then(|name| secrets.value(&name.0));
        match password {
            Some(password) => {
                let text = Credential::create(&password)?.to_lua();
                let size = text.len().to_string();
                let folder = accounts_folder(&change.domain);
                body.push_str(&line(&["account", &folder, &path, &size]));
                input.extend_from_slice(text.as_bytes());
            }
            None => body.push_str(&remove(&path)),
        }
    }
    if body.is_empty() {
        return Ok(None);
    }
    let deadline = Duration::from_secs(60);
    let text = format!(
        "{}current={}\n{KEEP}{saves}{}{SWITCH}{body}",
        context.prologue(Phase::Activate, deadline),
        context.current_release,
        pending(context),
    );
    Ok(Some(
        Script::new(Phase::Activate.title(), text, deadline).with_input(input),
    ))
}

/// Keeps what stands of the kernel settings that the new files bring.
fn keep_settings(context: &Context<'_>) -> String {
    let mut text = String::new();
    for (index, file) in carried(context) {
        let action = Action::Sysctl(file.path.clone());
        if context.plan.actions.contains(&action) {
            text.push_str(settings::FUNCTIONS);
            append!(text, "keep_settings \"$staging\"/{}\n", staged_name(index));
        }
    }
    text
}

/// Strikes the files that change from the records until the end: whatever an interrupted apply
/// left undone for them (a restart, above all) is done by the next one, even where the bytes are
/// the recorded ones again.
fn pending(context: &Context<'_>) -> String {
    let mut words = vec!["sed".to_owned()];
    for file in &context.plan.files {
        let line = format!("^{{\"path\":\"{}\",\"sha256\":\"", file.path);
        words.push("-e".to_owned());
        words.push(format!(
            "s|{line}[^\"]*|{}pending|",
            line.trim_start_matches('^')
        ));
    }
    if words.len() == 1 {
        return String::new();
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    format!(
        "records=$root{MANIFEST}\nif [ -f \"$records\" ]; then\n    {} \"$records\" > \"$records.new\"\n    mv -f \"$records.new\" \"$records\"\nfi\n",
        line(&words).trim_end(),
    )
}

fn remove(path: &str) -> String {
    format!("rm -f \"$root\"{}", line(&[path]))
}

/// Shell text that puts every kept path of `$keep` back. Expects `$root` and `$keep`.
pub fn restore_fragment() -> &'static str {
    r#"while IFS=$tab read -r kind what path; do
    case $kind in
    file)
        public "$root${path%/*}"
        cp -p "$keep/data/$what" "$root$path.jitctl-new"
        mv -fT "$root$path.jitctl-new" "$root$path"
        ;;
    link)
        rm -f "$root$path.jitctl-new"
        ln -s "$what" "$root$path.jitctl-new"
        mv -fT "$root$path.jitctl-new" "$root$path"
        ;;
    none) rm -f "$root$path" "$root$path.jitctl-new" ;;
    esac
done < "$keep/index"
"#
}

/// The script that undoes an activation whose gates stayed red, and what it restarted.
pub fn roll_back(context: &Context<'_>) -> Script {
    let plan = context.plan;
    let deadline = Duration::from_secs(180);
    let mut text = context.prologue(Phase::RollBack, deadline);
    // One unit that does not stop or start must not keep the others from coming back.
    text.push_str("set +e\n");
    for service in plan.services.iter().filter(|service| service.start) {
        text.push_str(&line(&["systemctl", "stop", &service.unit]));
    }
    for service in plan.services.iter().filter(|service| service.enable) {
        text.push_str(&line(&["systemctl", "disable", "-q", &service.unit]));
    }
    append!(text, "keep=$state/releases/{}\n", context.current_release);
    text.push_str("if [ -f \"$keep/index\" ]; then\n");
    text.push_str(restore_fragment());
    text.push_str("fi\nsystemctl daemon-reload\n");
    if plan.firewall.is_some() {
        text.push_str("guard=$state/firewall\n");
        text.push_str("[ ! -f \"$guard/revert.sh\" ] || sh \"$guard/revert.sh\" \"$guard\"\n");
        text.push_str("if nft -s list table inet jitctl > \"$guard/table\" 2> /dev/null; then sha256sum < \"$guard/table\" > \"$guard/loaded\"; fi\n");
    }
    for service in plan.services.iter().filter(|service| service.stop) {
        text.push_str(&line(&[
            "systemctl",
            "enable",
            "-q",
            "--now",
            &service.unit,
        ]));
    }
    for action in &plan.actions {
        match action {
            Action::Restart(unit) => {
                text.push_str(&line(&["systemctl", "reset-failed", unit]));
                text.push_str(&line(&["systemctl", "restart", unit]));
            }
            Action::Reload(unit) => {
                text.push_str(&line(&["systemctl", "reload-or-restart", unit]));
            }
            Action::Sysctl(path) => {
                text.push_str(settings::FUNCTIONS);
                append!(text, "keep_settings \"$root\"{path}\n");
                text.push_str(&line(&["load_settings", path]));
            }
            Action::DaemonReload => {}
        }
    }
    text.push_str("rm -rf \"$staging\"; rm -f \"$state/journal\" \"$state/lease.json\"\nexit 0\n");
    Script::new(Phase::RollBack.title(), text, deadline)
}

//! A plan for people: host by host, what changes and what people will notice.

use std::fmt::Write as _;

use jitctl_deploy::SitePlan;
use jitctl_deploy::plan::{Change, FileChange, HostPlan};
use jitctl_inventory::model::Role;
use jitctl_templates::desired::{Action, TemplateSource};
use serde::Serialize;

use crate::printer::{Style, View};

/// How much of each file is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Paths only.
    Summary,
    /// Diffs of files that change; new files by their size.
    Diffs,
    /// New files in full, too.
    Full,
}

/// A plan with the detail to show it in. As JSON it is the plan itself.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct PlanView<'a> {
    pub(crate) plan: &'a SitePlan,
    #[serde(skip)]
    pub(crate) detail: Detail,
}

impl View for PlanView<'_> {
    fn human(&self, style: Style) -> String {
        let mut text = String::new();
        for host in &self.plan.hosts {
            if host.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{}", style.bold(&title(host)));
            for line in self.lines(host, style) {
                let _ = writeln!(text, "  {line}");
            }
            text.push('\n');
        }
        text.push_str(&summary(self.plan));
        text
    }
}

fn title(host: &HostPlan) -> String {
    let roles: Vec<&str> = host
        .roles
        .iter()
        .map(|role| match role {
            Role::Main => "MAIN",
            Role::Bridge => "BRIDGE",
        })
        .collect();
    if host.leaving.is_some() && host.roles.is_empty() {
        return format!("{} (leaves the site)", host.host);
    }
    format!("{} ({})", host.host, roles.join(", "))
}

impl PlanView<'_> {
    fn lines(&self, host: &HostPlan, style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(phase) = &host.heals {
            lines.push(style.warn(&format!("heals an apply that was interrupted in: {phase}")));
        }
        for warning in &host.warnings {
            lines.push(style.warn(&format!("note: {warning}")));
        }
        if !host.packages.is_empty() {
            lines.push(format!("install {}", host.packages.join(" ")));
        }
        lines.extend(host.users.iter().map(|user| format!("make user {user}")));
        for folder in &host.directories {
            lines.push(format!("folder {} ({:04o})", folder.path, folder.mode));
        }
        for program in &host.programs {
            let how = if program.upload { "carry" } else { "switch" };
            let from = program.from.as_deref().unwrap_or("none");
            lines.push(format!("{how} {}: {from} -> {}", program.name, program.to));
        }
        for file in &host.files {
            lines.extend(self.file(file, style));
        }
        for link in &host.links {
            let word = |target: &Option<String>| target.clone().unwrap_or_else(|| "none".into());
            lines.push(format!(
                "link {}: {} -> {}",
                link.path,
                word(&link.from),
                word(&link.to)
            ));
        }
        for account in &host.accounts {
            let verb = match (&account.password, account.exists) {
                (None, _) => "remove account",
                (Some(_), true) => "set the password of account",
                (Some(_), false) => "make account",
            };
            lines.push(format!("{verb} {}@{}", account.user, account.domain));
        }
        if let Some(firewall) = &host.firewall {
            let hand = if firewall.edited_by_hand {
                " (edited by hand since)"
            } else {
                ""
            };
            lines.push(format!("packet filter ({:?}){hand}", firewall.backend).to_lowercase());
            lines.extend(firewall.delta.iter().map(|line| format!("  {line}")));
        }
        for service in &host.services {
            let mut verbs = Vec::new();
            for (wanted, verb) in [
                (service.enable, "enable"),
                (service.start, "start"),
                (service.stop, "stop and disable"),
            ] {
                if wanted {
                    verbs.push(verb);
                }
            }
            lines.push(format!("{} {}", verbs.join(" and "), service.unit));
        }
        lines.extend(
            host.settings.iter().map(|setting| {
                format!("kernel setting {}: back to {}", setting.key, setting.value)
            }),
        );
        lines.extend(host.actions.iter().map(action));
        if let Some(leaving) = host.leaving.as_ref().filter(|_| host.roles.is_empty()) {
            lines.push(
                "remove the packet filter table, users, programs, releases and records of jitctl"
                    .to_owned(),
            );
            let commands = leaving.commands.iter();
            lines.extend(commands.map(|words| format!("  {}", words.join(" "))));
        }
        for interruption in &host.interruptions {
            lines.push(style.warn(&format!(
                "interruption: {} for about {} s ({})",
                interruption.what, interruption.seconds, interruption.unit
            )));
        }
        if host.records && host.count() == 0 {
            lines.push("bring our own records up to date".to_owned());
        }
        lines
    }

    fn file(&self, file: &FileChange, style: Style) -> Vec<String> {
        let (sign, what) = match file.change {
            Change::Create => (style.good("+"), "new"),
            Change::Update => (style.warn("~"), "changed"),
            Change::Attributes => (style.warn("~"), "owner or permissions"),
            Change::Remove => (style.bad("-"), "removed"),
        };
        let mut notes = vec![what.to_owned()];
        if file.change != Change::Remove {
            notes.push(format!("{:04o} {}:{}", file.mode, file.owner, file.group));
        }
        if let Some(TemplateSource::Override(path)) = &file.source {
            notes.push(format!("overridden by {path}"));
        }
        if file.edited_by_hand {
            notes.push("edited by hand since: the edit is lost".to_owned());
        }
        for secret in &file.changed_secrets {
            notes.push(format!("secret {} changes", secret.0));
        }
        let mut lines = vec![format!("{sign} {} ({})", file.path, notes.join(", "))];
        let shown = match self.detail {
            Detail::Summary => false,
            Detail::Diffs => file.change == Change::Update,
            Detail::Full => true,
        };
        if shown {
            lines.extend(
                file.diff
                    .lines()
                    .map(|line| format!("    {}", coloured(line, style))),
            );
        }
        lines
    }
}

fn coloured(line: &str, style: Style) -> String {
    match line.chars().next() {
        Some('+') => style.good(line),
        Some('-') => style.bad(line),
        Some('@') => style.dim(line),
        _ => line.to_owned(),
    }
}

fn action(action: &Action) -> String {
    match action {
        Action::DaemonReload => "reload systemd's own configuration".to_owned(),
        Action::Reload(unit) => format!("reload {unit}"),
        Action::Restart(unit) => format!("restart {unit}"),
        Action::Sysctl(path) => format!("load kernel settings from {path}"),
    }
}

/// The last line of every plan.
pub(crate) fn summary(plan: &SitePlan) -> String {
    let changing: Vec<&HostPlan> = plan.hosts.iter().filter(|host| !host.is_empty()).collect();
    if plan.hosts.is_empty() {
        return "No host answered: there is no plan.".to_owned();
    }
    if changing.is_empty() {
        return format!("Nothing to do on {}.", count(plan.hosts.len(), "host"));
    }
    let sum = |of: fn(&HostPlan) -> usize| changing.iter().map(|host| of(host)).sum::<usize>();
    let interruptions: Vec<&str> = changing
        .iter()
        .flat_map(|host| &host.interruptions)
        .map(|interruption| interruption.what.as_str())
        .collect();
    let noticed = if interruptions.is_empty() {
        "No interruption.".to_owned()
    } else {
        format!("People notice: {}.", interruptions.join("; "))
    };
    format!(
        "Plan: {} of {}, {}, {}, {}. {noticed}",
        changing.len(),
        count(plan.hosts.len(), "host"),
        count(sum(|host| host.files.len()), "file"),
        count(sum(|host| host.packages.len()), "package"),
        count(
            sum(|host| host.services.len() + host.actions.len()),
            "service action"
        ),
    )
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

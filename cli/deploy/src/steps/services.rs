//! Reloads, restarts and starts only what the plan names; a unit that fails shows its log.

use std::time::Duration;

use jitctl_templates::desired::Action;
use jitctl_transport::Script;

use super::{Context, Phase, line};
use crate::settings;

/// Shell function: the last lines of a unit's log on standard error.
pub(crate) const EVIDENCE: &str = r#"evidence() {
    systemctl --no-pager --lines=0 status "$1" 2> /dev/null | sed -n 's/^ *Active: /state: /p' >&2
    journalctl --no-pager -q -n 20 -o short-iso -u "$1" >&2 2> /dev/null || true
}
"#;

const FUNCTIONS: &str = r#"act() {
    systemctl reset-failed "$2" 2> /dev/null || true
    systemctl "$1" "$2" 2> "$state/said" && return 0
    printf 'red\t%s %ss\n' "$2" "$1"
    cat "$state/said"
    evidence "$2" 2>&1
    exit 70
}
"#;

/// The script; nothing when no unit is concerned.
pub fn services(context: &Context<'_>) -> Option<Script> {
    let plan = context.plan;
    if plan.services.is_empty() && plan.actions.is_empty() {
        return None;
    }
    let deadline = Duration::from_secs(180);
    let mut text = context.prologue(Phase::Services, deadline);
    text.push_str(EVIDENCE);
    text.push_str(FUNCTIONS);
    for service in plan.services.iter().filter(|service| service.stop) {
        // The unit's file may be gone already.
        text.push_str(&line(&["systemctl", "stop", &service.unit]).replace('\n', " || true\n"));
        text.push_str(
            &line(&["systemctl", "disable", "-q", &service.unit]).replace('\n', " || true\n"),
        );
    }
    let reload = plan.actions.contains(&Action::DaemonReload);
    if reload {
        text.push_str("systemctl daemon-reload\n");
    }
    for action in &plan.actions {
        if let Action::Sysctl(path) = action {
            text.push_str(settings::FUNCTIONS);
            text.push_str(&line(&["load_settings", path]));
        }
    }
    let enable: Vec<&str> = plan
        .services
        .iter()
        .filter(|service| service.enable)
        .map(|service| service.unit.as_str())
        .collect();
    if !enable.is_empty() {
        let mut words = vec!["systemctl", "enable", "-q"];
        words.extend(enable);
        text.push_str(&line(&words).replace('\n', " 2>&1\n"));
    }
    // In the order of the host's services: a unit that starts takes its place among those that
    // restart.
    for service in &context.host.desired.services {
        let unit = &service.unit;
        let starts = plan
            .services
            .iter()
            .any(|other| other.unit == *unit && other.start);
        if starts {
            text.push_str(&line(&["act", "start", unit]));
        } else if plan.actions.contains(&Action::Restart(unit.clone())) {
            text.push_str(&line(&["act", "restart", unit]));
        } else if plan.actions.contains(&Action::Reload(unit.clone())) {
            text.push_str(&line(&["act", "reload", unit]));
        }
    }
    let known = |unit: &String| {
        context
            .host
            .desired
            .services
            .iter()
            .any(|s| s.unit == *unit)
    };
    for action in &plan.actions {
        match action {
            Action::Restart(unit) if !known(unit) => {
                text.push_str(&line(&["act", "try-restart", unit]));
            }
            Action::Reload(unit) if !known(unit) => {
                text.push_str(&line(&["act", "try-reload-or-restart", unit]));
            }
            _ => {}
        }
    }
    Some(Script::new(Phase::Services.title(), text, deadline))
}

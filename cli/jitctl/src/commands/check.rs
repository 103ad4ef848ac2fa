//! `jitctl check`: is the inventory right? Offline.

use jitctl_inventory::Diagnostic;
use jitctl_inventory::model::Role;
use miette::Report;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::printer::{Style, View};

/// Check the inventory without reaching any host.
///
/// Every error is shown at once, with its place, its cause and its remedy.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl check", "the inventory in this folder"),
        ("jitctl --file staging.yaml check --json", "another one, for a program"),
    ],
    &[Exit::Success, Exit::Usage],
))]
pub(crate) struct Check {}

#[derive(Debug, Serialize)]
struct Checked {
    file: String,
    domain: String,
    hosts: usize,
    mains: Vec<String>,
    bridges: Vec<String>,
    warnings: usize,
}

impl Check {
    #[expect(clippy::unused_self, reason = "every command runs from its arguments")]
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let (errors, warnings): (Vec<_>, Vec<_>) = site
            .check_files()
            .into_iter()
            .partition(Diagnostic::is_error);
        if !errors.is_empty() {
            return Err(Failure {
                exit: Exit::Usage,
                reports: errors.into_iter().map(Report::new).collect(),
            });
        }
        let inventory = site.inventory();
        let names = |role| {
            inventory
                .hosts_with(role)
                .map(|(name, _)| name.to_string())
                .collect()
        };
        for warning in &warnings {
            context.printer.diagnostic(&Report::new(warning.clone()));
        }
        context.printer.view(&Checked {
            file: context.inventory_path.display().to_string(),
            domain: inventory.site.domain.to_string(),
            hosts: inventory.hosts.len(),
            mains: names(Role::Main),
            bridges: names(Role::Bridge),
            warnings: site.loaded.warnings.len() + warnings.len(),
        });
        Ok(Exit::Success)
    }
}

impl View for Checked {
    fn human(&self, style: Style) -> String {
        let list = |names: &[String]| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        };
        format!(
            "`{}` is {}: {} with MAIN {} and BRIDGE {}",
            self.file,
            style.good("good"),
            self.domain,
            list(&self.mains),
            list(&self.bridges),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Checked;
    use crate::printer::{Style, View as _};

    #[test]
    fn a_good_inventory_is_summed_up_in_a_line() {
        let checked = Checked {
            file: "jitctl.yaml".into(),
            domain: "meet.test".into(),
            hosts: 3,
            mains: vec!["m1".into()],
            bridges: vec!["b1".into(), "b2".into()],
            warnings: 0,
        };
        assert_eq!(
            checked.human(Style::PLAIN),
            "`jitctl.yaml` is good: meet.test with MAIN m1 and BRIDGE b1, b2"
        );
    }
}

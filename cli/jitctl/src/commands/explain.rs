//! `jitctl explain`: what a code of an error or a finding means.

use jitctl_doctor::catalogue::{self, Check};
use jitctl_inventory::Severity;
use jitctl_inventory::rules::{self, Rule};
use jitctl_inventory::secrets::{CODES, Code};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::printer::{Style, View, table};

/// Explain a code such as `E012`, or list all codes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl explain E012", "why a rule of the inventory exists and what to do"),
        ("jitctl explain X01", "what a finding of `jitctl doctor` means and what cures it"),
        ("jitctl explain", "every code with its title"),
    ],
    &[Exit::Success, Exit::Usage],
))]
pub(crate) struct Explain {
    /// The code.
    code: Option<String>,
}

#[derive(Debug, Serialize)]
struct Entry {
    code: &'static str,
    severity: &'static str,
    title: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct List(Vec<Entry>);

impl Explain {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Some(code) = &self.code else {
            let rules = rules::rules().map(entry);
            let all = rules
                .chain(CODES.iter().map(secret_entry))
                .chain(catalogue::checks().map(check_entry));
            context.printer.view(&List(all.collect()));
            return Ok(Exit::Success);
        };
        let upper = code.to_ascii_uppercase();
        let secret = || CODES.iter().find(|one| one.code == upper);
        let found = rules::rule(&upper)
            .map(entry)
            .or_else(|| secret().map(secret_entry))
            .or_else(|| catalogue::check(code).map(check_entry));
        let found = found.ok_or_else(|| {
            Failure::usage(
                format!("there is no code `{code}`"),
                "list them with `jitctl explain`",
            )
        })?;
        context.printer.view(&found);
        Ok(Exit::Success)
    }
}

fn check_entry(check: &Check) -> Entry {
    Entry {
        code: check.code,
        severity: match check.severity {
            jitctl_doctor::Severity::Error => "error",
            jitctl_doctor::Severity::Warning => "warning",
        },
        title: check.title,
        text: format!(
            "People see: {}\nCause: {}\nDetected by: {}\nCure: {}{}",
            check.symptom,
            check.cause,
            check.detection,
            check.cure,
            if check.fixable {
                "\n`jitctl doctor --fix` may do it."
            } else {
                ""
            }
        ),
    }
}

fn secret_entry(code: &Code) -> Entry {
    Entry {
        code: code.code,
        severity: "error",
        title: code.title,
        text: code.doc.to_owned(),
    }
}

fn entry(rule: &Rule) -> Entry {
    Entry {
        code: rule.code,
        severity: match rule.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        title: rule.title,
        text: rule.doc.to_owned(),
    }
}

impl View for Entry {
    fn human(&self, style: Style) -> String {
        format!(
            "{} ({}): {}\n\n{}",
            style.bold(self.code),
            self.severity,
            self.title,
            self.text
        )
    }
}

impl View for List {
    fn human(&self, style: Style) -> String {
        let rows = self
            .0
            .iter()
            .map(|entry| vec![entry.code.into(), entry.severity.into(), entry.title.into()])
            .collect();
        table(style, &["code", "kind", "title"], rows)
    }
}

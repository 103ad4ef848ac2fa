//! A report for people: a summary line, then each finding with evidence, cause and cure.

use std::fmt::Write as _;

use jitctl_doctor::{Finding, Report, Severity};
use jitctl_inventory::names::HostName;
use serde::{Serialize, Serializer};

use crate::calls::CallsView;
use crate::printer::{Style, View};

/// A report as it is printed.
#[derive(Debug)]
pub(super) struct ReportView<'r>(pub(super) &'r Report);

impl Serialize for ReportView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl View for ReportView<'_> {
    fn human(&self, style: Style) -> String {
        let mut parts = vec![summary(self.0, style)];
        parts.extend(self.0.findings.iter().map(|one| finding(one, style)));
        parts.join("\n\n")
    }
}

/// A report with the calls made after it.
#[derive(Debug, Serialize)]
pub(super) struct WithCalls<'r> {
    #[serde(flatten)]
    report: &'r Report,
    #[serde(rename = "made_calls")]
    calls: &'r CallsView,
}

impl<'r> WithCalls<'r> {
    pub(super) fn new(report: &'r Report, calls: &'r CallsView) -> Self {
        Self { report, calls }
    }
}

impl View for WithCalls<'_> {
    fn human(&self, style: Style) -> String {
        let report = ReportView(self.report).human(style);
        format!("{report}\n\n{}", self.calls.human(style))
    }
}

fn summary(report: &Report, style: Style) -> String {
    let count = |severity| {
        let found = report.findings.iter();
        found.filter(|one| one.severity == severity).count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let hosts = plural(report.hosts.len(), "host");
    let seconds = report.elapsed_ms.div_ceil(100);
    let took = format!("{hosts}, {}.{} s", seconds / 10, seconds % 10);
    let verdict = match (errors, warnings) {
        (0, 0) => style.good("healthy"),
        (0, _) => style.warn(&plural(warnings, "warning")),
        (_, 0) => style.bad(&plural(errors, "error")),
        _ => {
            let text = format!(
                "{}, {}",
                plural(errors, "error"),
                plural(warnings, "warning")
            );
            style.bad(&text)
        }
    };
    let mut text = format!("{verdict} ({took})");
    if !report.unseen.is_empty() {
        let names: Vec<&str> = report.unseen.iter().map(HostName::as_str).collect();
        let _ = write!(text, "; not looked into: {}", names.join(", "));
    }
    text
}

fn plural(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

fn finding(finding: &Finding, style: Style) -> String {
    let code = match finding.severity {
        Severity::Error => style.bad(finding.code),
        Severity::Warning => style.warn(finding.code),
    };
    let mut lines = vec![format!("{code} {}", style.bold(&finding.what))];
    for evidence in &finding.evidence {
        lines.push(format!("    seen   {evidence}"));
    }
    if !finding.also.is_empty() {
        let hosts: Vec<&str> = finding.also.iter().map(HostName::as_str).collect();
        lines.push(format!("    also   {}", hosts.join(", ")));
    }
    lines.push(format!("    cause  {}", finding.cause));
    lines.push(format!("    cure   {}", style.good(&finding.cure)));
    if finding.fix.is_some() {
        let hint = "           `jitctl doctor --fix` does it";
        lines.push(style.dim(hint));
    }
    if !finding.consequences.is_empty() {
        let follow: Vec<String> = finding
            .consequences
            .iter()
            .map(|one| match &one.host {
                Some(host) => format!("{} on {host}", one.code),
                None => one.code.to_owned(),
            })
            .collect();
        let line = format!("    follow {}", follow.join(", "));
        lines.push(style.dim(&line));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use jitctl_doctor::Report;

    use super::ReportView;
    use crate::printer::{Style, View as _};

    fn report() -> Report {
        Report {
            version: 1,
            hosts: vec!["m1".into(), "b1".into()],
            unseen: vec!["b1".into()],
            elapsed_ms: 1234,
            findings: Vec::new(),
        }
    }

    #[test]
    fn the_summary_names_hosts_that_were_not_seen() {
        let text = ReportView(&report()).human(Style::PLAIN);
        assert_eq!(text, "healthy (2 hosts, 1.3 s); not looked into: b1");
    }
}

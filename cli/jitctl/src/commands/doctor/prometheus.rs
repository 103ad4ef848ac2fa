//! Findings as a Prometheus textfile, so that the same checks alert.
//!
//! For the textfile collector of the node exporter: the file is replaced whole, by one rename.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jitctl_doctor::{Finding, Report, Severity};

/// The whole file. One series a finding; a finding that is gone is a series that is gone.
pub(super) fn text(report: &Report, now: SystemTime) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, samples: &[(String, String)]| {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "# HELP jitctl_doctor_{name} {help}\n# TYPE jitctl_doctor_{name} gauge"
        );
        for (labels, value) in samples {
            let _ = writeln!(text, "jitctl_doctor_{name}{labels} {value}");
        }
    };
    let single = |value: String| vec![(String::new(), value)];
    let findings: Vec<(String, String)> = report
        .findings
        .iter()
        .map(|finding| (labels(finding), "1".to_owned()))
        .collect();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge(
        "finding",
        "What is wrong now; see `jitctl explain CODE`.",
        &findings,
    );
    gauge(
        "findings",
        "How many things are wrong.",
        &single(report.findings.len().to_string()),
    );
    gauge(
        "hosts",
        "Hosts that were looked at.",
        &single(report.hosts.len().to_string()),
    );
    gauge(
        "hosts_unseen",
        "Hosts that could not be looked into.",
        &single(report.unseen.len().to_string()),
    );
    gauge(
        "duration_seconds",
        "How long the look took.",
        &single(format!(
            "{}.{:03}",
            report.elapsed_ms / 1000,
            report.elapsed_ms % 1000
        )),
    );
    gauge(
        "last_look_timestamp_seconds",
        "When it was; alert when this grows old.",
        &single(since.as_secs().to_string()),
    );
    text
}

fn labels(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let host = finding.host.as_ref().map_or("", |host| host.as_str());
    format!(
        "{{code=\"{}\",severity=\"{severity}\",host=\"{}\",what=\"{}\"}}",
        finding.code,
        escape(host),
        escape(&finding.what)
    )
}

/// As the exposition format wants label values.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Replaces a file by one rename, readable by the collector.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // The collector reads `*.prom` only: this one is never read half written.
    name.push(".part");
    let part = path.with_file_name(name);
    fs::write(&part, text)?;
    fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_healthy_site_is_told_from_no_look_at_all() {
        let report = Report {
            version: 1,
            hosts: vec!["m1".into()],
            unseen: Vec::new(),
            elapsed_ms: 1234,
            findings: Vec::new(),
        };
        let text = text(&report, UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        assert!(text.contains("\njitctl_doctor_findings 0\n"));
        assert!(text.contains("\njitctl_doctor_duration_seconds 1.234\n"));
        assert!(text.contains("\njitctl_doctor_last_look_timestamp_seconds 1800000000\n"));
        assert!(!text.contains("jitctl_doctor_finding{"));
        let types = text.lines().filter(|line| line.starts_with("# TYPE"));
        assert_eq!(types.count(), 6);
    }

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(escape("a \"b\" \\ c\nd"), "a \\\"b\\\" \\\\ c\\nd");
    }
}

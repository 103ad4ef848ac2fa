//! Findings as JUnit XML: one test case a check, so that CI shows which failed.

use std::fmt::Write as _;

use jitctl_doctor::{Report, catalogue};

/// The whole file.
pub(super) fn text(report: &Report) -> String {
    let cases: Vec<String> = catalogue::checks()
        .map(|check| {
            let found: Vec<_> = report
                .findings
                .iter()
                .filter(|finding| finding.code == check.code)
                .collect();
            let name = escape(&format!("{} {}", check.code, check.title));
            if found.is_empty() {
                return format!("    <testcase classname=\"doctor\" name=\"{name}\"/>\n");
            }
            let mut case = format!("    <testcase classname=\"doctor\" name=\"{name}\">\n");
            for finding in found {
                let body = format!(
                    "{}\ncause: {}\ncure: {}",
                    finding.evidence.join("\n"),
                    finding.cause,
                    finding.cure
                );
                // Writing to a String cannot fail.
                let _ = writeln!(
                    case,
                    "      <failure message=\"{}\">{}</failure>",
                    escape(&finding.what),
                    escape(&body)
                );
            }
            case.push_str("    </testcase>\n");
            case
        })
        .collect();
    let failed = cases
        .iter()
        .filter(|case| case.contains("<failure"))
        .count();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"jitctl \
         doctor\" tests=\"{}\" failures=\"{failed}\" time=\"{}.{:03}\">\n{}  </testsuite>\n\
         </testsuites>\n",
        cases.len(),
        report.elapsed_ms / 1000,
        report.elapsed_ms % 1000,
        cases.concat()
    )
}

fn escape(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control() || matches!(character, '\n' | '\t'))
        .fold(String::new(), |mut escaped, character| {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                other => escaped.push(other),
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use super::{escape, text};

    #[test]
    fn every_check_is_a_case() {
        let report = jitctl_doctor::Report {
            version: 1,
            hosts: Vec::new(),
            unseen: Vec::new(),
            elapsed_ms: 1,
            findings: Vec::new(),
        };
        let xml = text(&report);
        assert!(xml.contains("failures=\"0\"") && xml.contains("name=\"X01 "));
        assert_eq!(escape("a<b & \"c\"\u{7}"), "a&lt;b &amp; &quot;c&quot;");
    }
}

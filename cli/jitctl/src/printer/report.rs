//! Failures in their two forms.

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, Report, Severity, ThemeCharacters,
};

use crate::exit::Exit;

/// The form for people: place, cause, help.
pub(super) fn human(report: &Report, color: bool) -> String {
    let theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme {
            characters: ThemeCharacters::unicode(),
            ..GraphicalTheme::none()
        }
    };
    let mut text = String::new();
    let written = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(100)
        .with_wrap_lines(false)
        .render_report(&mut text, report.as_ref());
    if written.is_err() {
        text = format!("error: {report}");
    }
    text.trim_start_matches('\n').to_owned()
}

/// The form for programs: one line.
pub(super) fn json(report: &Report, exit: Exit) -> String {
    let causes: Vec<String> = report.chain().skip(1).map(ToString::to_string).collect();
    let diagnostic: &dyn Diagnostic = report.as_ref();
    serde_json::json!({
        "message": report.to_string(),
        "severity": match diagnostic.severity() {
            Some(Severity::Warning) => "warning",
            Some(Severity::Advice) => "advice",
            _ => "error",
        },
        "code": diagnostic.code().map(|code| code.to_string()),
        "causes": causes,
        "help": diagnostic.help().map(|help| help.to_string()),
        "place": place(diagnostic),
        "exit": exit.code(),
    })
    .to_string()
}

/// `file:line:column` of the first label.
fn place(diagnostic: &dyn Diagnostic) -> Option<String> {
    let source = diagnostic.source_code()?;
    let label = diagnostic.labels()?.next()?;
    let contents = source.read_span(label.inner(), 0, 0).ok()?;
    let name = contents.name().unwrap_or("input");
    Some(format!(
        "{name}:{}:{}",
        contents.line() + 1,
        contents.column() + 1
    ))
}

#[cfg(test)]
mod tests {
    use miette::Report;

    use super::{human, json};
    use crate::exit::Exit;
    use crate::failure::Problem;

    fn report() -> Report {
        Report::new(
            Problem::new("cannot read `jitctl.yaml`")
                .code("E001")
                .cause(std::io::Error::other("permission denied"))
                .help("run `jitctl init`"),
        )
    }

    #[test]
    fn people_see_message_cause_and_help() {
        insta::assert_snapshot!(human(&report(), false));
    }

    #[test]
    fn programs_see_the_same_on_one_line() {
        insta::assert_snapshot!(json(&report(), Exit::Usage));
    }
}

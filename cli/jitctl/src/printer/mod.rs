//! The only code that prints.
//!
//! Data goes to standard output, chatter to standard error. Each command hands over a [`View`],
//! which knows its human and its JSON form. Every byte passes the mask, so a secret that got into
//! a text by accident is not shown. A closed pipe ends printing without a message: the reader has
//! seen what it wanted.
mod log;
mod mask;
mod progress;
mod report;
mod table;

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

pub(crate) use self::log::LogWriter;
pub(crate) use self::mask::Mask;
pub(crate) use self::progress::Progress;
pub(crate) use self::table::{Cell, Tone, table};
use crate::arguments::Color;
use crate::exit::Exit;
use crate::failure::Failure;

/// Something a command prints as its result.
pub(crate) trait View: Serialize {
    /// The form for people, without a final line break.
    fn human(&self, style: Style) -> String;
}

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether to colour.
    pub(crate) color: bool,
    /// Whether the output is a terminal, whose width tables respect.
    pub(crate) terminal: bool,
}

#[cfg(test)]
impl Style {
    /// What a pipe gets.
    pub(crate) const PLAIN: Self = Self {
        color: false,
        terminal: false,
    };
}

impl Style {
    /// Text in an ANSI colour, or plain.
    fn paint(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Good news.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Bad news.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// News that want attention.
    pub(crate) fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// A heading.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What matters less.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }
}

/// Chatter, in one write. A reader that went away has seen what it wanted: no error, no panic.
fn to_stderr(text: &str) {
    let mut error = std::io::stderr().lock();
    let _ = error
        .write_all(text.as_bytes())
        .and_then(|()| error.flush());
}

/// The gate to the terminal.
#[derive(Debug)]
pub(crate) struct Printer {
    json: bool,
    color: Color,
    mask: Mask,
    progress: Progress,
}

impl Printer {
    /// A printer with the operator's choices.
    pub(crate) fn new(json: bool, color: Color, progress: bool) -> Self {
        let mask = Mask::default();
        let bars = progress && !json && std::io::stderr().is_terminal();
        Self {
            json,
            color,
            progress: Progress::new(bars, json, mask.clone()),
            mask,
        }
    }

    /// What must never be shown.
    pub(crate) fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Whether the operator wants JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether standard error is coloured.
    pub(crate) fn colored(&self) -> bool {
        self.paints(std::io::stderr().is_terminal())
    }

    fn paints(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }

    /// What standard output can show.
    pub(crate) fn style(&self) -> Style {
        let terminal = std::io::stdout().is_terminal();
        Style {
            color: self.paints(terminal),
            terminal,
        }
    }

    /// The result of a command.
    pub(crate) fn view<V: View + ?Sized>(&self, view: &V) {
        if self.json {
            self.json_text(serde_json::to_string_pretty(view));
        } else {
            let text = view.human(self.style());
            if !text.is_empty() {
                self.line(&text);
            }
        }
    }

    /// One of many results: as JSON a line each, for people a line between them.
    pub(crate) fn next_view<V: View + ?Sized>(&self, view: &V) {
        if self.json {
            self.json_text(serde_json::to_string(view));
        } else {
            self.line(&format!("{}\n", view.human(self.style())));
        }
    }

    fn json_text(&self, text: serde_json::Result<String>) {
        match text {
            Ok(text) => self.line(&text),
            Err(error) => self.warn(&format!("cannot write JSON: {error}")),
        }
    }

    /// What standard error can show.
    pub(crate) fn chatter_style(&self) -> Style {
        Style {
            color: self.colored(),
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Something to look at before a question; not the result, so it goes to standard error.
    pub(crate) fn chatter_view<V: View + ?Sized>(&self, view: &V) {
        let text = if self.json {
            serde_json::to_string(view).unwrap_or_default()
        } else {
            view.human(self.chatter_style())
        };
        if !text.is_empty() {
            self.chatter_line(&text);
        }
    }

    /// One line of data.
    pub(crate) fn line(&self, text: &str) {
        self.raw(format!("{text}\n").as_bytes());
    }

    /// Data as it is: a schema, a completion script, a log line.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let masked = self.mask.apply(&text);
        self.progress.suspend(|| {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(masked.as_bytes()).and_then(|()| out.flush());
        });
    }

    /// Chatter: what goes on, on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.chatter("note", text, text);
    }

    /// A warning on standard error.
    pub(crate) fn warn(&self, text: &str) {
        let style = Style {
            color: self.colored(),
            terminal: false,
        };
        self.chatter(
            "warning",
            text,
            &format!("{} {text}", style.warn("warning:")),
        );
    }

    /// Chatter as it is, such as a line of JSON.
    pub(crate) fn chatter_line(&self, text: &str) {
        let masked = self.mask.apply(text);
        self.progress.suspend(|| to_stderr(&format!("{masked}\n")));
    }

    fn chatter(&self, kind: &str, text: &str, human: &str) {
        let line = if self.json {
            serde_json::json!({ kind: text }).to_string()
        } else {
            human.to_owned()
        };
        self.chatter_line(&line);
    }

    /// A question, without a line break.
    pub(crate) fn question(&self, text: &str) {
        self.progress.suspend(|| to_stderr(&self.mask.apply(text)));
    }

    /// Everything a failed command has to say.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.progress.clear();
        for (position, report) in failure.reports.iter().enumerate() {
            if position > 0 && !self.json {
                to_stderr("\n");
            }
            let text = if self.json {
                report::json(report, failure.exit)
            } else {
                report::human(report, self.colored())
            };
            to_stderr(&format!("{}\n", self.mask.apply(text.trim_end())));
        }
    }

    /// A finding that does not end the command.
    pub(crate) fn diagnostic(&self, found: &miette::Report) {
        let text = if self.json {
            report::json(found, Exit::Success)
        } else {
            report::human(found, self.colored())
        };
        self.progress
            .suspend(|| to_stderr(&format!("{}\n", self.mask.apply(text.trim_end()))));
    }

    /// Where `tracing` writes.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::new(self.mask.clone(), self.progress.clone())
    }

    /// The hosts' progress.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Which hosts are in the middle of something, and of what.
    pub(crate) fn unfinished(&self) -> Vec<(String, String)> {
        self.progress.unfinished()
    }
}

//! Logs for the journal: one plain line an event, or JSON.
//!
//! Under systemd each line begins with its priority (`<6>`), which the journal strips and
//! stores; elsewhere it begins with the level's name. Time stamps are the journal's business.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::parsed;

/// Form of the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Words and `key=value`.
    #[default]
    Plain,
    /// One JSON object a line.
    Json,
}

/// What is logged: a level, or directives of [`EnvFilter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl FromStr for LogLevel {
    type Err = String;

    /// A word that is no level is refused: it would be taken for the name of a module, and all the
    /// others would be silent.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "{what}: use error, warn, info, debug or trace, or directives such as \
                 \"info,jitctl_xmpp=debug\""
            )
        };
        let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
        for directive in text.split(',').map(str::trim) {
            if !directive.contains(['=', '[']) && !is_level(directive) {
                return Err(wrong(&format!("`{directive}` is no level")));
            }
        }
        match EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(wrong(&error.to_string())),
        }
    }
}

/// The `[log]` section of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,jitctl_xmpp=debug`.
    #[serde(deserialize_with = "parsed")]
    pub level: LogLevel,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: LogLevel(String::from("info")),
            format: LogFormat::Plain,
        }
    }
}

/// Starts logging to standard error.
///
/// # Errors
/// Logging was started before.
pub fn start(config: &LogConfig) -> Result<(), String> {
    let LogLevel(level) = &config.level;
    let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Plain => {
            let journal = std::env::var_os("JOURNAL_STREAM").is_some();
            builder
                .with_ansi(false)
                .event_format(Line { journal })
                .try_init()
        }
    };
    started.map_err(|error| error.to_string())
}

struct Line {
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let (priority, name) = match level {
            Level::ERROR => (3, "ERROR"),
            Level::WARN => (4, "WARN"),
            Level::INFO => (6, "INFO"),
            Level::DEBUG => (7, "DEBUG"),
            Level::TRACE => (7, "TRACE"),
        };
        if self.journal {
            write!(writer, "<{priority}>")?;
        }
        write!(writer, "{name} ")?;
        if let Some(scope) = context.event_scope() {
            for span in scope.from_root() {
                let extensions = span.extensions();
                if let Some(fields) = extensions.get::<FormattedFields<N>>() {
                    write!(writer, "[{fields}] ")?;
                }
            }
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken_and_other_words_are_not() {
        for fine in [
            "info",
            "WARN",
            "off",
            "info,jitctl_xmpp=debug",
            "jitctl_bridge[span]=trace",
        ] {
            assert!(fine.parse::<LogLevel>().is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "warning",
            "verbose",
            "info,",
            "info,jitctl",
            "a=b",
            "[::1]:0",
        ] {
            let error = wrong.parse::<LogLevel>().unwrap_err();
            assert!(error.contains("use error, warn"), "{wrong}: {error}");
        }
    }
}

//! Journal entries of many hosts, read from `journalctl --output=json`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::printer::Style;

/// One message of one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    /// Microseconds since 1970 by the host's clock.
    #[serde(skip)]
    pub(crate) microseconds: i64,
    /// The same, RFC 3339.
    pub(crate) time: String,
    /// Which host.
    pub(crate) host: String,
    /// Which unit or program.
    pub(crate) unit: String,
    /// syslog's severity, 0 (worst) to 7.
    pub(crate) priority: u8,
    /// The text.
    pub(crate) message: String,
}

/// The entries and the cursor after the last of them. Lines that are no entries are left out: a
/// rotated journal interleaves notes.
pub(crate) fn parse(host: &str, text: &str) -> (Vec<Entry>, Option<String>) {
    let cursor = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("-- cursor: "))
        .map(str::to_owned);
    let entries = text.lines().filter_map(|line| entry(host, line)).collect();
    (entries, cursor)
}

/// Orders by time, then by host, so that two runs print the same.
pub(crate) fn sort(entries: &mut [Entry]) {
    entries.sort_by(|one, other| {
        (one.microseconds, &one.host).cmp(&(other.microseconds, &other.host))
    });
}

fn entry(host: &str, line: &str) -> Option<Entry> {
    let value: Value = serde_json::from_str(line).ok()?;
    let microseconds: i64 = value["__REALTIME_TIMESTAMP"].as_str()?.parse().ok()?;
    // What systemd says about a unit names it in `UNIT`; its own unit is `init.scope`.
    let unit = ["UNIT", "_SYSTEMD_UNIT", "SYSLOG_IDENTIFIER"]
        .iter()
        .find_map(|key| value[key].as_str())
        .unwrap_or("-");
    Some(Entry {
        microseconds,
        time: format!("{:.6}", Timestamp::from_microsecond(microseconds).ok()?),
        host: host.to_owned(),
        unit: unit.trim_end_matches(".service").to_owned(),
        priority: value["PRIORITY"]
            .as_str()
            .and_then(|priority| priority.parse().ok())
            .unwrap_or(6),
        message: message(&value["MESSAGE"]),
    })
}

/// Text, or a list of bytes when the message is not UTF-8.
fn message(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes
                .iter()
                .filter_map(|byte| u8::try_from(byte.as_u64()?).ok())
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => String::new(),
    }
}

impl Entry {
    /// One line for programs.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// One line for people. Control characters of the message do not reach the terminal.
    pub(crate) fn human(&self, style: Style) -> String {
        let message: String = self
            .message
            .chars()
            .map(|char| {
                if char.is_control() && char != '\t' {
                    ' '
                } else {
                    char
                }
            })
            .collect();
        let message = match self.priority {
            0..=3 => style.bad(&message),
            4 => style.warn(&message),
            _ => message,
        };
        format!(
            "{} {} {}: {message}",
            style.dim(&self.time),
            style.bold(&self.host),
            self.unit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, sort};
    use crate::printer::Style;

    const LINE: &str = r#"{"__REALTIME_TIMESTAMP":"1764000000000000","_SYSTEMD_UNIT":"jitctl-focus.service","PRIORITY":"6","MESSAGE":"Added new videobridge"}"#;

    #[test]
    fn an_entry_becomes_one_line() {
        let (entries, cursor) = parse("m1", &format!("{LINE}\n-- cursor: s=1;i=2\n"));
        assert_eq!(
            entries[0].human(Style::PLAIN),
            "2025-11-24T16:00:00.000000Z m1 jitctl-focus: Added new videobridge"
        );
        assert_eq!(cursor.as_deref(), Some("s=1;i=2"));
    }

    #[test]
    fn bytes_and_control_characters_do_not_reach_the_terminal() {
        let line = r#"{"__REALTIME_TIMESTAMP":"1","MESSAGE":[27,91,72]}"#;
        let (entries, _) = parse("m1", line);
        assert!(entries[0].human(Style::PLAIN).ends_with(" m1 -:  [H"));
    }

    #[test]
    fn hosts_are_merged_by_time() {
        let early = LINE.replace("17640000", "17630000");
        let (mut entries, _) = parse("m1", LINE);
        entries.extend(parse("b1", &early).0);
        sort(&mut entries);
        assert_eq!(entries[0].host, "b1");
    }

    #[test]
    fn lines_that_are_no_entries_are_left_out() {
        assert_eq!(parse("m1", "-- Journal begins\n{\n[]\n"), (vec![], None));
    }
}

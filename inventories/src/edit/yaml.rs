//! A host as YAML: only what differs from the defaults, short values on one line.

use serde_json::{Map, Value as Json};

use crate::model::{Host, Overrides, Ssh};
use crate::names::HostName;
use crate::tree::push_quoted;

/// Keys in the order in which people read a host.
const ORDER: [&str; 8] = [
    "roles",
    "foreign",
    "nickname",
    "region",
    "labels",
    "ssh",
    "address",
    "overrides",
];

/// The lines of a host: its name at column `indent`, its keys `step` further in.
pub fn host_lines(name: &HostName, host: &Host, indent: usize, step: usize) -> Vec<String> {
    let mut lines = vec![format!("{}{}:", " ".repeat(indent), scalar(name.as_str()))];
    let margin = " ".repeat(indent + step);
    for (key, value) in fields(host) {
        lines.push(format!("{margin}{key}: {}", inline(&value)));
    }
    lines
}

/// A host as one flow mapping.
pub(super) fn host_inline(host: &Host) -> String {
    inline(&Json::Object(
        fields(host)
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    ))
}

/// The keys that must be written, in order.
fn fields(host: &Host) -> Vec<(&'static str, Json)> {
    let mut json = to_json(host);
    json["ssh"] = difference(&to_json(&host.ssh), &to_json(&Ssh::default()));
    json["overrides"] = difference(&to_json(&host.overrides), &to_json(&Overrides::default()));
    prune(&mut json["address"]);
    prune(&mut json["foreign"]);
    ORDER
        .into_iter()
        .filter_map(|key| {
            let value = json[key].take();
            let required = key == "roles" || key == "address";
            (required || !is_empty(&value)).then_some((key, value))
        })
        .collect()
}

fn to_json(value: &impl serde::Serialize) -> Json {
    // Every type of the model is plain data with text keys, so this cannot fail.
    serde_json::to_value(value).unwrap_or_default()
}

/// What `value` says beyond `default`.
fn difference(value: &Json, default: &Json) -> Json {
    match (value, default) {
        (Json::Object(fields), Json::Object(defaults)) => {
            let kept = fields.iter().filter_map(|(key, field)| {
                let default = defaults.get(key).unwrap_or(&Json::Null);
                (field != default).then(|| (key.clone(), difference(field, default)))
            });
            Json::Object(kept.collect())
        }
        _ => value.clone(),
    }
}

fn prune(json: &mut Json) {
    if let Json::Object(fields) = json {
        fields.retain(|_, value| !is_empty(value));
    }
}

fn is_empty(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn inline(json: &Json) -> String {
    match json {
        Json::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Json::Object(fields) => format!("{{ {} }}", pairs(fields).join(", ")),
        Json::Array(items) => {
            format!(
                "[{}]",
                items.iter().map(inline).collect::<Vec<_>>().join(", ")
            )
        }
        Json::String(text) => scalar(text),
        other => other.to_string(),
    }
}

fn pairs(fields: &Map<String, Json>) -> Vec<String> {
    fields
        .iter()
        .map(|(key, value)| format!("{}: {}", scalar(key), inline(value)))
        .collect()
}

/// A text without quotes where every YAML reader takes it for a text, else in double quotes.
pub(crate) fn scalar(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "none"];
    let plain = text.starts_with(|letter: char| letter.is_ascii_alphanumeric() || letter == '/')
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_./@+".contains(letter))
        && (text == "none" || !WORDS.contains(&text.to_lowercase().as_str()))
        && text.parse::<f64>().is_err()
        && !text.starts_with("0x")
        && !text.starts_with("0o");
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::new();
    push_quoted(&mut quoted, text);
    quoted
}

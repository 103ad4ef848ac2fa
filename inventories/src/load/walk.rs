//! Compares the tree with the shape that the model asks for, and says everything that differs.
//!
//! The result is JSON that the model always accepts: what is wrong is left out or replaced by a
//! neutral value, and its path is remembered as *broken*, so that the rules can still be asked
//! about the rest without talking about what was only guessed.

use std::net::IpAddr;

use serde_json::{Map, Value as Json};

use super::neutral::{neutral, neutral_object, neutral_tagged};
use super::path::{Path, SourceMap, Spot};
use super::report::address_help;
use super::suggest::{closest, list};
use crate::diagnostic::{Diagnostic, Source};
use crate::shape::{Object, Shape};
use crate::tree::{Entry, Node, Value};

/// What a walk found.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    pub(crate) source: &'a Source,
    pub(crate) map: SourceMap,
    pub(crate) broken: Vec<Path>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Walk<'_> {
    /// Checks `node` against `shape` and returns JSON of that shape.
    pub(crate) fn value(&mut self, node: &Node, shape: &Shape, path: &Path) -> Json {
        if self.map.get(path).is_none() {
            let spot = Spot {
                key: None,
                value: node.span.clone(),
            };
            self.map.insert(path.clone(), spot);
        }
        match shape {
            Shape::Optional(_) if node.is_null() => Json::Null,
            Shape::Optional(inner) => {
                let broken = self.broken.len();
                let json = self.value(node, inner, path);
                let itself = self.broken[broken..].contains(path);
                if itself { Json::Null } else { json }
            }
            Shape::Object(object) => self.object(node, object, path, None),
            Shape::Tagged { tag, variants } => self.tagged(node, tag, variants, path),
            Shape::Map(inner) => self.map(node, inner, path),
            Shape::List { item, unique } => self.list(node, item, *unique, path),
            Shape::Text => self.text(node, path),
            Shape::Ip => self.ip(node, path),
            Shape::Boolean => self.boolean(node, path),
            Shape::Integer { minimum, maximum } => self.integer(node, *minimum, *maximum, path),
            Shape::Choice(words) => self.choice(node, words, path),
            Shape::Unknown(_) => Json::Null,
        }
    }

    fn entries<'n>(&mut self, node: &'n Node, path: &Path, example: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map { entries, .. } => Some(entries),
            _ if node.is_null() => Some(&[]),
            _ => {
                self.wrong_type(node, path, "a mapping (`key: value` lines)", example);
                None
            }
        }
    }

    fn object(&mut self, node: &Node, object: &Object, path: &Path, tag: Option<&str>) -> Json {
        let mut result = Map::new();
        let first_key = object.fields.keys().next().map_or("key", String::as_str);
        let Some(entries) = self.entries(
            node,
            path,
            &format!("write its keys below it, such as `{first_key}:`"),
        ) else {
            return neutral_object(object);
        };
        let mut meant = Vec::new();
        for entry in entries {
            let inner = path.key(&entry.key);
            self.spot(entry, &inner);
            if let Some(field) = object.fields.get(&entry.key) {
                let json = self.value(&entry.node, &field.shape, &inner);
                result.insert(entry.key.clone(), json);
            } else if tag != Some(&entry.key) && !is_extension(path, &entry.key) {
                meant.extend(self.unknown_key(entry, object, path));
            }
        }
        for (key, field) in &object.fields {
            if field.required && !result.contains_key(key) {
                self.broken.push(path.key(key));
                // A misspelled key is reported once, as what it is.
                if !meant.contains(&key.as_str()) {
                    self.missing(node, key, field, path);
                }
                result.insert(key.clone(), neutral(&field.shape));
            }
        }
        Json::Object(result)
    }

    fn tagged(
        &mut self,
        node: &Node,
        tag: &str,
        variants: &[(String, Object)],
        path: &Path,
    ) -> Json {
        let words: Vec<(String, String)> = variants
            .iter()
            .map(|(word, _)| (word.clone(), String::new()))
            .collect();
        let example = format!(
            "write `{tag}: {}` below it",
            words.last().map_or("", |one| &one.0)
        );
        if self.entries(node, path, &example).is_none() {
            return neutral_tagged(tag, variants);
        }
        let Some(entry) = node.get(tag) else {
            let names = list(words.iter().map(|(word, _)| word.as_str()));
            self.broken.push(path.clone());
            let diagnostic = self
                .error("E004", path, format!("`{tag}` is missing in `{path}`"))
                .at(&self.map.key(path), format!("needs `{tag}`"))
                .help(format!("add `{tag}:` with one of {names}"));
            self.diagnostics.push(diagnostic);
            return neutral_tagged(tag, variants);
        };
        let inner = path.key(tag);
        self.spot(entry, &inner);
        let before = self.broken.len();
        let word = self.choice(&entry.node, &words, &inner);
        let known = self.broken.len() == before;
        let Some((_, object)) = variants
            .iter()
            .find(|(name, _)| known && word == name.as_str())
        else {
            self.broken.push(path.clone());
            return neutral_tagged(tag, variants);
        };
        let mut json = self.object(node, object, path, Some(tag));
        json[tag] = word;
        json
    }

    fn map(&mut self, node: &Node, inner: &Shape, path: &Path) -> Json {
        let mut result = Map::new();
        for entry in self
            .entries(node, path, "write one `name:` line for each")
            .unwrap_or_default()
        {
            let below = path.key(&entry.key);
            self.spot(entry, &below);
            let json = self.value(&entry.node, inner, &below);
            result.insert(entry.key.clone(), json);
        }
        Json::Object(result)
    }

    fn list(&mut self, node: &Node, item: &Shape, unique: bool, path: &Path) -> Json {
        let items = match &node.value {
            Value::List { items } => items.as_slice(),
            _ if node.is_null() => &[],
            Value::Scalar { text, .. } => {
                self.wrong_type(node, path, "a list", &format!("write `[{text}]`"));
                return Json::Array(Vec::new());
            }
            Value::Map { .. } => {
                self.wrong_type(node, path, "a list", "write `[one, two]`");
                return Json::Array(Vec::new());
            }
        };
        let mut result: Vec<Json> = Vec::new();
        for (index, node) in items.iter().enumerate() {
            let inner = path.index(index);
            let before = self.broken.len();
            let json = self.value(node, item, &inner);
            if self.broken.len() > before && is_scalar(item) {
                // Left out of a set; a place in a list stays, because rules name items by it.
                if !unique {
                    result.push(neutral(item));
                }
                continue;
            }
            if unique && result.contains(&json) {
                let diagnostic = self
                    .error("E031", &inner, format!("`{path}` names {json} twice"))
                    .at(&node.span, "again")
                    .help("remove one of the two");
                self.diagnostics.push(diagnostic);
                continue;
            }
            result.push(json);
        }
        Json::Array(result)
    }

    /// Plain numbers and booleans are taken as the text that was written.
    fn text(&mut self, node: &Node, path: &Path) -> Json {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Json::String(text.clone()),
            _ => {
                self.wrong_type(node, path, "a text", "write a single value");
                Json::String(String::new())
            }
        }
    }

    fn ip(&mut self, node: &Node, path: &Path) -> Json {
        let Value::Scalar { text, .. } = &node.value else {
            self.wrong_type(node, path, "an IP address", "write one address");
            return Json::Null;
        };
        if text.parse::<IpAddr>().is_ok() {
            return Json::String(text.clone());
        }
        self.broken.push(path.clone());
        let diagnostic = self
            .error("E008", path, format!("`{text}` is not an IP address"))
            .at(&node.span, "not an IPv4 or IPv6 address")
            .help(address_help(text));
        self.diagnostics.push(diagnostic);
        Json::Null
    }

    fn boolean(&mut self, node: &Node, path: &Path) -> Json {
        if let Value::Scalar { text, plain: true } = &node.value {
            match text.as_str() {
                "true" | "True" | "TRUE" => return Json::Bool(true),
                "false" | "False" | "FALSE" => return Json::Bool(false),
                _ => {}
            }
        }
        self.wrong_type(
            node,
            path,
            "`true` or `false`",
            "YAML 1.2 knows no `yes`, `no`, `on`, `off`; write `true` or `false` without quotes",
        );
        Json::Bool(false)
    }

    fn integer(&mut self, node: &Node, minimum: u64, maximum: u64, path: &Path) -> Json {
        let number = match &node.value {
            Value::Scalar { text, plain: true } => text.parse::<i128>().ok(),
            _ => None,
        };
        let Some(number) = number else {
            self.wrong_type(
                node,
                path,
                "a whole number",
                "write decimal digits without quotes",
            );
            return Json::from(minimum);
        };
        if let Ok(number) = u64::try_from(number)
            && (minimum..=maximum).contains(&number)
        {
            return Json::from(number);
        }
        self.broken.push(path.clone());
        let diagnostic = self
            .error(
                "E007",
                path,
                format!("{number} is out of range for `{path}`"),
            )
            .at(&node.span, "out of range")
            .help(format!("choose from {minimum} to {maximum}"));
        self.diagnostics.push(diagnostic);
        Json::from(minimum)
    }

    fn choice(&mut self, node: &Node, words: &[(String, String)], path: &Path) -> Json {
        let neutral = words
            .first()
            .map_or(Json::Null, |(word, _)| Json::from(word.as_str()));
        let names = list(words.iter().map(|(word, _)| word.as_str()));
        let Value::Scalar { text, .. } = &node.value else {
            self.wrong_type(node, path, &format!("one of {names}"), "write one word");
            return neutral;
        };
        if words.iter().any(|(word, _)| word == text) {
            return Json::String(text.clone());
        }
        self.broken.push(path.clone());
        let label = if text.is_empty() {
            "nothing is not a choice"
        } else {
            "not a choice"
        };
        let guess = closest(text, words.iter().map(|(word, _)| word.as_str()));
        let help = match guess {
            Some(word) => format!("did you mean `{word}`? the choices are {names}"),
            None => format!("the choices are {names}"),
        };
        let diagnostic = self
            .error("E006", path, format!("`{text}` is no value for `{path}`"))
            .at(&node.span, label)
            .help(help);
        self.diagnostics.push(diagnostic);
        neutral
    }

    fn spot(&mut self, entry: &Entry, path: &Path) {
        let spot = Spot {
            key: Some(entry.key_span.clone()),
            value: entry.node.span.clone(),
        };
        self.map.insert(path.clone(), spot);
    }
}

fn is_scalar(shape: &Shape) -> bool {
    matches!(shape, Shape::Ip | Shape::Choice(_) | Shape::Text)
}

/// Top-level `x-` keys are the operator's own, for anchors.
fn is_extension(path: &Path, key: &str) -> bool {
    path == &Path::root() && key.starts_with("x-")
}

//! Tera with our rules: no HTML escaping, every variable must exist, overrides replace by path.
//!
//! Tera treats an unknown variable inside `{% if %}` as false. A typo there would silently drop
//! a block, so the names a template uses are compared with those its view offers before it runs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tera::{Context, ErrorKind, Kwargs, State, Tera};

use crate::desired::TemplateSource;
use crate::error::RenderError;
use crate::registry;

/// Parsed templates.
#[derive(Debug)]
pub(crate) struct Engine {
    tera: Tera,
    overrides: BTreeMap<String, Override>,
}

#[derive(Debug)]
struct Override {
    path: PathBuf,
    text: String,
}

impl Engine {
    pub(crate) fn new(overrides: Option<&Path>) -> Result<Self, RenderError> {
        let overrides = match overrides {
            Some(folder) => read_overrides(folder)?,
            None => BTreeMap::new(),
        };
        let mut engine = Self {
            tera: Tera::default(),
            overrides,
        };
        engine.tera.autoescape_on(Vec::<&str>::new());
        engine.tera.register_filter("quote", quote);
        engine.tera.register_filter("lua", lua);
        // All at once: templates include each other.
        let texts: Vec<(&str, String)> = registry::templates()
            .iter()
            .map(|template| (template.name, engine.text(template.name).to_owned()))
            .collect();
        engine
            .tera
            .add_raw_templates(texts)
            .map_err(|error| engine.explain("templates", &error))?;
        Ok(engine)
    }

    /// Where the text of `template` comes from.
    pub(crate) fn source(&self, template: &str) -> TemplateSource {
        self.overrides.get(template).map_or_else(
            || TemplateSource::BuiltIn(template.to_owned()),
            |replaced| TemplateSource::Override(replaced.path.display().to_string()),
        )
    }

    /// Renders `template` with the fields of `view` as its variables.
    pub(crate) fn render<V: Serialize>(
        &self,
        template: &str,
        view: &V,
    ) -> Result<String, RenderError> {
        let context = Context::from_serialize(view).map_err(|error| RenderError::View {
            template: template.to_owned(),
            message: error.to_string(),
        })?;
        self.refuse_unknown_variables(template, &context)?;
        self.tera
            .render(template, &context)
            .map_err(|error| self.explain(template, &error))
    }

    fn refuse_unknown_variables(
        &self,
        template: &str,
        context: &Context,
    ) -> Result<(), RenderError> {
        let used = self
            .tera
            .get_template_variables(template)
            .map_err(|error| self.explain(template, &error))?;
        let mut unknown: Vec<&str> = used
            .into_iter()
            .filter(|name| !context.contains_key(name))
            .collect();
        unknown.sort_unstable();
        let Some(name) = unknown.first() else {
            return Ok(());
        };
        let text = self.text(template);
        let line = line_of_variable(text, name);
        Err(RenderError::Template {
            template: self.display_name(template),
            line,
            message: format!("variable `{name}` is not defined"),
            report: text
                .lines()
                .nth(line.saturating_sub(1))
                .unwrap_or_default()
                .to_owned(),
        })
    }

    fn text(&self, template: &str) -> &str {
        self.overrides.get(template).map_or_else(
            || registry::text(template).unwrap_or_default(),
            |replaced| replaced.text.as_str(),
        )
    }

    fn display_name(&self, template: &str) -> String {
        self.overrides.get(template).map_or_else(
            || template.to_owned(),
            |replaced| replaced.path.display().to_string(),
        )
    }

    fn explain(&self, template: &str, error: &tera::Error) -> RenderError {
        let (template, line, message) = match error.kind() {
            ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => (
                report.filename(),
                report.span().start_line,
                report.message().to_owned(),
            ),
            other => (template, 0, other.to_string()),
        };
        RenderError::Template {
            template: self.display_name(template),
            line,
            message,
            report: error.to_string(),
        }
    }
}

/// The first line that mentions `name` as a whole word inside a tag; 0 if none does.
fn line_of_variable(text: &str, name: &str) -> usize {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    text.lines()
        .position(|line| {
            (line.contains("{{") || line.contains("{%"))
                && line
                    .split(|character| !is_word(character))
                    .any(|word| word == name)
        })
        .map_or(0, |index| index + 1)
}

/// A quoted string for TOML and JavaScript: JSON's escapes are valid in both.
fn quote(value: &str, _: Kwargs, _: &State) -> String {
    serde_json::Value::from(value).to_string()
}

/// A quoted string for Lua 5.4 and for nginx-free text: backslash, quote and control characters
/// become decimal escapes.
fn lua(value: &str, _: Kwargs, _: &State) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            control if control.is_control() && control.is_ascii() => {
                // Writing to a string can not fail.
                let _ = write!(quoted, "\\{:03}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn read_overrides(folder: &Path) -> Result<BTreeMap<String, Override>, RenderError> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        let unreadable = |source| RenderError::OverrideUnreadable {
            path: directory.clone(),
            source,
        };
        for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let (name, replaced) = read_override(folder, path)?;
                found.insert(name, replaced);
            }
        }
    }
    Ok(found)
}

fn read_override(folder: &Path, path: PathBuf) -> Result<(String, Override), RenderError> {
    let name = path
        .strip_prefix(folder)
        .unwrap_or(&path)
        .to_string_lossy()
        .into_owned();
    if registry::text(&name).is_none() {
        let file_name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let suggestion = registry::templates()
            .iter()
            .find(|template| template.name.rsplit('/').next() == file_name.as_deref())
            .map(|template| template.name.to_owned());
        return Err(RenderError::UnknownOverride { path, suggestion });
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((name, Override { path, text })),
        Err(source) => Err(RenderError::OverrideUnreadable { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(filter: &str, value: &str) -> String {
        let mut tera = Tera::default();
        tera.register_filter("quote", quote);
        tera.register_filter("lua", lua);
        let mut context = Context::new();
        context.insert("value", value);
        tera.render_str(&format!("{{{{ value | {filter} }}}}"), &context, false)
            .unwrap()
    }

    #[test]
    fn a_quoted_value_can_not_leave_its_quotes() {
        assert_eq!(filtered("quote", "a\"b\\c\nd"), r#""a\"b\\c\nd""#);
        assert_eq!(filtered("lua", "a\"b\\c\nd"), r#""a\"b\\c\010d""#);
    }
}

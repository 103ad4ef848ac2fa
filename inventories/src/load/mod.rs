//! From text to a checked inventory, or to everything that is wrong with it.
//!
//! The text becomes a tree of placed values, the tree is compared with the model's shape, and the
//! result is asked the numbered [`rules`](crate::rules). No step stops at the first error; a rule
//! stays silent where an earlier step had to guess. Nothing is substituted and nothing is merged.

mod neutral;
mod path;
mod report;
pub(crate) mod suggest;
mod walk;

use std::path::{Path as FilePath, PathBuf};

pub use path::{Path, SourceMap, Spot};

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::model::{Host, Inventory, VERSION};
use crate::rules;
use crate::shape::{self, Shape};
use crate::tree::{self, Fault, Node, Value};
use walk::Walk;

/// A usable inventory.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The typed inventory.
    pub inventory: Inventory,
    /// The text it came from.
    pub source: Source,
    /// Where everything stands in it.
    pub map: SourceMap,
    /// Findings that do not prevent a deployment, in the order of the file.
    pub warnings: Vec<Diagnostic>,
}

impl Loaded {
    /// A path from the inventory as seen from where `jitctl` runs: relative ones count from the
    /// inventory's folder, `~/` is `home`.
    pub fn resolve(&self, path: &FilePath, home: Option<&FilePath>) -> PathBuf {
        if let (Ok(rest), Some(home)) = (path.strip_prefix("~"), home) {
            return home.join(rest);
        }
        FilePath::new(self.source.name())
            .parent()
            .map_or_else(|| path.to_path_buf(), |folder| folder.join(path))
    }
}

/// Reads and checks the inventory file at `path`.
///
/// # Errors
/// All findings, in the order of the file; at least one of them is an error.
pub fn load(path: &FilePath) -> Result<Loaded, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        let source = Source::new(&name, "");
        let message = format!("`{name}` cannot be read: {error}");
        vec![
            Diagnostic::new("E000", Severity::Error, &source, message)
                .help("name the inventory with `--file FILE`, or make one with `jitctl init`"),
        ]
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => load_text(&name, &text),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let source = Source::new(&name, &String::from_utf8_lossy(error.as_bytes()));
            let message = format!("`{name}` is not UTF-8 text (byte {valid})");
            Err(vec![
                Diagnostic::new("E000", Severity::Error, &source, message)
                    .help("save the file as UTF-8"),
            ])
        }
    }
}

/// Checks the text of the inventory called `name`.
///
/// # Errors
/// All findings, in the order of the file; at least one of them is an error.
pub fn load_text(name: &str, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    let source = Source::new(name, text);
    let document = tree::parse(text);
    let mut diagnostics: Vec<Diagnostic> = document
        .faults
        .iter()
        .map(|fault| describe(fault, &source))
        .collect();
    let Some(root) = document.root else {
        if diagnostics.is_empty() {
            diagnostics.push(empty(&source));
        }
        return Err(diagnostics);
    };
    if root.is_null() {
        diagnostics.push(empty(&source));
        return Err(diagnostics);
    }
    if let Some(diagnostic) = other_version(&root, &source) {
        diagnostics.push(diagnostic);
        return Err(diagnostics);
    }
    let mut walk = Walk {
        source: &source,
        map: SourceMap::default(),
        broken: Vec::new(),
        diagnostics,
    };
    let json = walk.value(&root, shape::inventory(), &Path::root());
    let Walk {
        map,
        broken,
        mut diagnostics,
        ..
    } = walk;
    let inventory = match serde_json::from_value::<Inventory>(json) {
        Ok(inventory) => inventory,
        Err(error) => {
            if diagnostics.is_empty() {
                let message = format!("the inventory does not fit its model: {error}");
                diagnostics.push(Diagnostic::new("E005", Severity::Error, &source, message));
            }
            return Err(diagnostics);
        }
    };
    diagnostics.extend(rules::check(&inventory, &source, &map, &broken));
    diagnostics.sort_by_key(|one| (one.place.as_ref().map_or(0, |place| place.offset), one.code));
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    Ok(Loaded {
        inventory,
        source,
        map,
        warnings: diagnostics,
    })
}

/// The host that `node` describes, if it describes one without a fault.
pub(crate) fn read_host(node: &Node) -> Option<Host> {
    let Shape::Object(root) = shape::inventory() else {
        return None;
    };
    let Shape::Map(host) = &root.fields.get("hosts")?.shape else {
        return None;
    };
    let source = Source::new("", "");
    let mut walk = Walk {
        source: &source,
        map: SourceMap::default(),
        broken: Vec::new(),
        diagnostics: Vec::new(),
    };
    let json = walk.value(node, host, &Path::host("read"));
    if walk.diagnostics.is_empty() {
        serde_json::from_value(json).ok()
    } else {
        None
    }
}

/// Another version may have any shape: nothing else is said about it.
fn other_version(root: &Node, source: &Source) -> Option<Diagnostic> {
    let entry = root.get("version")?;
    let Value::Scalar { text, .. } = &entry.node.value else {
        return None;
    };
    let version: u64 = text.parse().ok()?;
    (version != u64::from(VERSION)).then(|| {
        let message = format!("inventory version {version} is not known to this release");
        Diagnostic::new("E009", Severity::Error, source, message)
            .at(
                &entry.node.span,
                format!("this release reads version {VERSION}"),
            )
            .help(if version > u64::from(VERSION) {
                "use a newer `jitctl`".to_owned()
            } else {
                format!("write `version: {VERSION}`")
            })
    })
}

fn empty(source: &Source) -> Diagnostic {
    let message = format!("`{}` is empty", source.name());
    Diagnostic::new("E010", Severity::Error, source, message)
        .help("`jitctl init` writes an inventory to start from")
}

fn describe(fault: &Fault, source: &Source) -> Diagnostic {
    let error = |code, message: String| Diagnostic::new(code, Severity::Error, source, message);
    match fault {
        Fault::Syntax { at, message } => {
            let line_start = source.text()[..at.start.min(source.text().len())]
                .rfind('\n')
                .map_or(0, |position| position + 1);
            let line = source.text()[line_start..]
                .lines()
                .next()
                .unwrap_or_default();
            let help = if line.contains('\t') {
                "YAML is indented with spaces, never with tabs"
            } else if line.contains(['@', '`', '%', '*', '&']) {
                "text that starts with a special character needs quotes"
            } else {
                "look at this line and the one before it: indentation, `key: value` with a space after the colon, closed brackets and quotes"
            };
            error("E001", format!("this is not YAML: {message}"))
                .at(at, "the reader stopped here")
                .help(help)
        }
        Fault::DuplicateKey { key, at, first } => {
            error("E003", format!("`{key}` is written twice"))
                .at(at, "again")
                .also(first, "first written here")
                .cause("of two equal keys, only one could count")
                .help("remove or rename one of the two")
        }
        Fault::KeyNotText { at } => error("E011", "a key must be a single text".to_owned())
            .at(at, "this is a list or a mapping")
            .help("quote it if it was meant as text"),
        Fault::UnknownTag { at } => {
            error("E011", "YAML tags of your own are not supported".to_owned())
                .at(at, "has a tag")
                .help("remove the word that starts with `!`, or quote it")
        }
        Fault::BadAlias { at } => error("E011", "this alias contains itself".to_owned())
            .at(at, "alias to what surrounds it")
            .help("write the value out"),
        Fault::TooLarge { at } => error("E010", "the inventory is too large".to_owned())
            .at(at, "more than a million values so far, aliases included"),
        Fault::SecondDocument { at } => {
            error("E010", "an inventory is one YAML document".to_owned())
                .at(at, "a second one starts here")
                .help("keep each site in a file of its own")
        }
    }
}

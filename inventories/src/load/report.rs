//! The words of the walk: what is wrong with a key or a value, and what was probably meant.

use std::net::IpAddr;

use super::path::Path;
use super::suggest::{closest, list};
use super::walk::Walk;
use crate::diagnostic::{Diagnostic, Severity};
use crate::shape::{Field, Object};
use crate::tree::{Entry, Node};

impl Walk<'_> {
    /// Reports a key that the model does not know; the result is the key that was meant.
    pub(super) fn unknown_key<'o>(
        &mut self,
        entry: &Entry,
        object: &'o Object,
        path: &Path,
    ) -> Option<&'o str> {
        let known = || object.fields.keys().map(String::as_str);
        let meant = closest(&entry.key, known());
        let field = meant.and_then(|key| object.fields.get(key));
        let help = match (meant, field) {
            _ if entry.key == "<<" => "merge keys are not supported: write the keys out, or use an alias for a whole value".to_owned(),
            (Some(key), Some(field)) => format!("did you mean `{key}`? ({})", field.description),
            _ => format!("the keys here are {}", list(known())),
        };
        let message = format!("{} has no key `{}`", place(path), entry.key);
        let diagnostic = self
            .error("E002", &path.key(&entry.key), message)
            .at(&entry.key_span, "unknown key")
            .help(help);
        self.diagnostics.push(diagnostic);
        meant
    }

    /// Reports a required key that is not there.
    pub(super) fn missing(&mut self, node: &Node, key: &str, field: &Field, path: &Path) {
        let place = place(path);
        let at = match self.map.get(path).and_then(|spot| spot.key.clone()) {
            Some(key) => key,
            None => node.span.start..node.span.start,
        };
        let diagnostic = self
            .error(
                "E004",
                &path.key(key),
                format!("`{key}` is missing in {place}"),
            )
            .at(&at, format!("needs `{key}`"))
            .help(format!("add `{key}:` ({})", field.description));
        self.diagnostics.push(diagnostic);
    }

    /// Reports a value of another type than its key asks for.
    pub(super) fn wrong_type(&mut self, node: &Node, path: &Path, expected: &str, help: &str) {
        self.broken.push(path.clone());
        let place = place(path);
        // Where nothing was written, or where everything would be marked, the key says enough.
        let at = if node.span.is_empty() || path == &Path::root() {
            self.map.key(path)
        } else {
            node.span.clone()
        };
        let diagnostic = self
            .error("E005", path, format!("{place} must be {expected}"))
            .at(&at, format!("this is {}", node.kind()))
            .help(help);
        self.diagnostics.push(diagnostic);
    }

    /// An error about `path`, without a place yet.
    pub(super) fn error(&self, code: &'static str, path: &Path, message: String) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(code, Severity::Error, self.source, message);
        diagnostic.path = Some(path.to_string());
        diagnostic
    }
}

fn place(path: &Path) -> String {
    if path == &Path::root() {
        "the inventory".to_owned()
    } else {
        format!("`{path}`")
    }
}

/// What to write instead of something that was meant as an address.
pub(super) fn address_help(text: &str) -> String {
    let bare = text.trim_matches(['[', ']']);
    if let Some((address, _)) = text.split_once('/')
        && address.parse::<IpAddr>().is_ok()
    {
        return format!("leave out the prefix length: `{address}`");
    }
    if bare.parse::<IpAddr>().is_ok() {
        return format!("leave out the brackets: `{bare}`");
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return format!("leave out the port: `{}`", socket.ip());
    }
    if text.contains('%') {
        return "link-local addresses are of no use to other hosts: write a routed one".to_owned();
    }
    if text.contains(|letter: char| letter.is_ascii_alphabetic()) && !text.contains(':') {
        return "write the address, not a name: names change, firewall rules do not; a name that ssh shall use goes to `ssh.address`".to_owned();
    }
    "write it like `203.0.113.7` or `2001:db8::7`".to_owned()
}

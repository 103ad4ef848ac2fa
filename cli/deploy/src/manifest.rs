//! What we own on a host, as the host itself keeps it.
//!
//! Written last, after all gates: whatever is in place but not in here belongs to an apply that
//! never ended, and the next plan says so. One entry a line, so that a shell script finds the paths
//! without a JSON parser.

use std::collections::BTreeMap;

use jitctl_templates::desired::Action;
use serde::{Deserialize, Serialize};

/// The list of what we own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this format: 1.
    pub version: u32,
    /// Number of the release that this list describes; 0 when nothing was ever applied.
    pub release: u64,
    /// The files.
    #[serde(default)]
    pub files: Vec<OwnedFile>,
    /// The links by path.
    #[serde(default)]
    pub links: BTreeMap<String, String>,
    /// The units that we enabled.
    #[serde(default)]
    pub services: Vec<String>,
    /// Bare JIDs of the accounts that we keep.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Program name to its folder.
    #[serde(default)]
    pub programs: BTreeMap<String, String>,
    /// Rules that we gave to `ufw` or `firewalld`.
    #[serde(default)]
    pub firewall_rules: Vec<String>,
}

/// A file that we own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedFile {
    /// Absolute path.
    pub path: String,
    /// Hash of its bytes.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// What its change or removal needs.
    #[serde(default)]
    pub on_change: Vec<Action>,
    /// Its text with markers, kept only where the file holds secrets: so that a diff can be shown
    /// without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker_text: Option<String>,
}

impl Manifest {
    /// The entry of a path.
    pub fn file(&self, path: &str) -> Option<&OwnedFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Reads a manifest; an empty text is a host that we never touched.
    ///
    /// # Errors
    /// The text is no manifest.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text)
    }

    /// The text for the host.
    pub fn to_text(&self) -> String {
        // The types hold strings, numbers and lists only: serialising cannot fail.
        let json = |value: serde_json::Result<String>| value.unwrap_or_default();
        let list = |entries: Vec<String>| {
            if entries.is_empty() {
                "[]".to_owned()
            } else {
                format!("[\n{}\n]", entries.join(",\n"))
            }
        };
        let files = self
            .files
            .iter()
            .map(|file| json(serde_json::to_string(file)))
            .collect();
        format!(
            "{{\"version\":{},\"release\":{},\n\"files\":{},\n\"links\":{},\n\"services\":{},\n\"accounts\":{},\n\"programs\":{},\n\"firewall_rules\":{}}}\n",
            self.version,
            self.release,
            list(files),
            json(serde_json::to_string(&self.links)),
            json(serde_json::to_string(&self.services)),
            json(serde_json::to_string(&self.accounts)),
            json(serde_json::to_string(&self.programs)),
            json(serde_json::to_string(&self.firewall_rules)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_survives_its_own_text_with_one_file_a_line() {
        let file = |path: &str| OwnedFile {
            path: path.to_owned(),
            sha256: "ab".to_owned(),
            mode: 0o600,
            owner: "root".to_owned(),
            group: "root".to_owned(),
            on_change: vec![Action::Restart("prosody.service".to_owned())],
            marker_text: Some("x = \"@@secret:a@@\"\n".to_owned()),
        };
        let manifest = Manifest {
            version: 1,
            release: 4,
            files: vec![file("/etc/a"), file("/etc/b")],
            links: BTreeMap::from([("/etc/l".to_owned(), "a".to_owned())]),
            ..Manifest::default()
        };
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text).unwrap(), manifest);
        let lines = text
            .lines()
            .filter(|line| line.starts_with("{\"path\":\"/etc/"));
        assert_eq!(lines.count(), 2);
    }

    #[test]
    fn no_text_is_an_untouched_host() {
        assert_eq!(Manifest::parse("").unwrap(), Manifest::default());
    }
}

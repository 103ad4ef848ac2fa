//! Files, folders and links: what is there against what should be.

use jitctl_templates::desired::{Action, Directory};

use super::diff::{changed_values, unified, values_in, visible_part};
use super::{Change, FileChange, LinkChange};
use crate::facts::{Facts, FileFact};
use crate::manifest::OwnedFile;
use crate::resolved::{ResolvedFile, ResolvedHost};

/// Changes of files with what they need.
#[derive(Debug, Default)]
pub(super) struct FileChanges {
    pub(super) files: Vec<FileChange>,
    pub(super) links: Vec<LinkChange>,
    pub(super) actions: Vec<Action>,
}

/// Compares all files and links of a host.
pub(super) fn compare(host: &ResolvedHost, facts: &Facts) -> FileChanges {
    let mut changes = FileChanges::default();
    for file in &host.files {
        let owned = facts.manifest.file(&file.file.path);
        let change = compare_file(file, owned, facts);
        // In place but not in our records: an apply was interrupted after it wrote the file, and
        // what the file needs may not have happened.
        let unrecorded = owned.is_none_or(|owned| owned.sha256 != file.sha256);
        if change.is_some() || unrecorded {
            changes.actions.extend(file.file.on_change.iter().cloned());
            if file.file.path.starts_with("/etc/systemd/system/") {
                changes.actions.push(Action::DaemonReload);
            }
        }
        changes.files.extend(change);
    }
    for owned in &facts.manifest.files {
        if host.file(&owned.path).is_none() {
            changes.files.push(removal(owned, facts));
            changes.actions.extend(owned.on_change.iter().cloned());
            if owned.path.starts_with("/etc/systemd/system/") {
                changes.actions.push(Action::DaemonReload);
            }
        }
    }
    compare_links(host, facts, &mut changes);
    changes
}

/// Folders that are missing or have other permissions.
pub(super) fn compare_directories(host: &ResolvedHost, facts: &Facts) -> Vec<Directory> {
    let differs = |folder: &&Directory| match facts.files.get(&folder.path) {
        Some(fact) => {
            !fact.folder
                || (fact.mode, &fact.owner, &fact.group)
                    != (folder.mode, &folder.owner, &folder.group)
        }
        None => true,
    };
    host.desired
        .directories
        .iter()
        .filter(differs)
        .cloned()
        .collect()
}

fn compare_file(
    file: &ResolvedFile,
    owned: Option<&OwnedFile>,
    facts: &Facts,
) -> Option<FileChange> {
    let rendered = &file.file;
    let fact = facts.files.get(&rendered.path);
    let (change, diff, changed_secrets) = match fact {
        None => (
            Change::Create,
            unified(&rendered.path, "", &rendered.content),
            Vec::new(),
        ),
        Some(fact) if fact.sha256 == file.sha256 => {
            if attributes_fit(fact, file) {
                return None;
            }
            (Change::Attributes, String::new(), Vec::new())
        }
        Some(fact) => {
            let content = facts.contents.0.get(&rendered.path);
            let content = content.map(|bytes| String::from_utf8_lossy(bytes));
            let content = content.as_deref().unwrap_or_default();
            let as_we_wrote_it = owned.filter(|owned| owned.sha256 == fact.sha256);
            let (old, secrets) = old_text(file, as_we_wrote_it, owned, content);
            (
                Change::Update,
                unified(&rendered.path, &old, &rendered.content),
                secrets,
            )
        }
    };
    let edited_by_hand = match (owned, fact) {
        (Some(owned), Some(fact)) => owned.sha256 != fact.sha256 && fact.sha256 != file.sha256,
        (Some(_), None) => true,
        (None, _) => false,
    };
    Some(FileChange {
        path: rendered.path.clone(),
        change,
        edited_by_hand,
        mode: rendered.mode,
        owner: rendered.owner.clone(),
        group: rendered.group.clone(),
        sha256: file.sha256.clone(),
        diff,
        changed_secrets,
        source: Some(rendered.source.clone()),
    })
}

/// The old text as it may be shown, and the secrets that change.
fn old_text(
    file: &ResolvedFile,
    as_we_wrote_it: Option<&OwnedFile>,
    owned: Option<&OwnedFile>,
    content: &str,
) -> (String, Vec<jitctl_templates::desired::SecretName>) {
    let new = String::from_utf8_lossy(&file.content);
    let marker_text = owned.and_then(|owned| owned.marker_text.as_deref());
    if let (Some(_), Some(text)) = (as_we_wrote_it, marker_text) {
        let changed = changed_values((text, content), (&file.file.content, &new));
        return (text.to_owned(), changed);
    }
    let private = !file.secrets.is_empty() || marker_text.is_some();
    if !private {
        return (content.to_owned(), Vec::new());
    }
    let known = values_in(&file.file.content, &new).unwrap_or_default();
    let texts = [file.file.content.as_str(), marker_text.unwrap_or_default()];
    let ours = file.file.content.as_str();
    let changed = changed_values((ours, content), (ours, &new));
    if changed.is_empty() {
        (visible_part(content, &known, &texts), changed)
    } else {
        // The same text with other values: there is nothing else to show.
        (file.file.content.clone(), changed)
    }
}

fn attributes_fit(fact: &FileFact, file: &ResolvedFile) -> bool {
    (fact.mode, &fact.owner, &fact.group) == (file.file.mode, &file.file.owner, &file.file.group)
}

fn removal(owned: &OwnedFile, facts: &Facts) -> FileChange {
    let fact = facts.files.get(&owned.path);
    FileChange {
        path: owned.path.clone(),
        change: Change::Remove,
        edited_by_hand: fact.is_some_and(|fact| fact.sha256 != owned.sha256),
        mode: owned.mode,
        owner: owned.owner.clone(),
        group: owned.group.clone(),
        sha256: String::new(),
        diff: String::new(),
        changed_secrets: Vec::new(),
        source: None,
    }
}

fn compare_links(host: &ResolvedHost, facts: &Facts, changes: &mut FileChanges) {
    for link in &host.desired.links {
        let present = facts.links.get(&link.path);
        let taken = present.is_some() || facts.files.contains_key(&link.path);
        let fits = present == Some(&link.target) || (link.seed && taken);
        let unrecorded = !facts.manifest.links.contains_key(&link.path);
        if !fits || unrecorded {
            changes.actions.extend(link.on_change.iter().cloned());
        }
        if !fits {
            changes.links.push(LinkChange {
                path: link.path.clone(),
                from: present.cloned(),
                to: Some(link.target.clone()),
            });
        }
    }
    for path in facts.manifest.links.keys() {
        if host.desired.links.iter().all(|link| link.path != *path) {
            changes.links.push(LinkChange {
                path: path.clone(),
                from: facts.links.get(path).cloned(),
                to: None,
            });
        }
    }
}

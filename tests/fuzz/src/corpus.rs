//! What mutations start from: recordings, inputs made in code, and the kept `corpus/`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::targets::Target;

/// Where a target's recordings lie.
#[derive(Debug, Clone, Copy)]
pub enum Recordings {
    /// None.
    None,
    /// Stanzas of clients, focus and bridges.
    Stanzas,
    /// Messages of bridge channels, one JSON text each.
    Channels,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the kept inputs of a target lie.
#[must_use]
pub fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// All inputs of a target in a fixed order; never empty.
#[must_use]
pub fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let mut inputs = match target.recordings {
        Recordings::None => Vec::new(),
        Recordings::Stanzas => files(&repository().join("bridge-runtime/wire/tests/fixtures"))
            .iter()
            .filter(|path| path.extension().is_some_and(|kind| kind == "xml"))
            .filter_map(|path| fs::read(path).ok())
            .map(without_comment)
            .collect(),
        Recordings::Channels => channel_messages(),
    };
    inputs.extend((target.made)());
    inputs.extend(kept(target));
    inputs.push(Vec::new());
    inputs
}

/// The kept inputs of a target.
#[must_use]
pub fn kept(target: &Target) -> Vec<Vec<u8>> {
    let files = files(&folder(target));
    files
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Recordings begin with a comment that says what they are.
fn without_comment(bytes: Vec<u8>) -> Vec<u8> {
    match bytes.windows(3).position(|window| window == b"-->") {
        Some(end) => bytes[end + 3..].trim_ascii().to_vec(),
        None => bytes,
    }
}

fn channel_messages() -> Vec<Vec<u8>> {
    let paths = files(&repository().join("bridge-runtime/media/tests/fixtures"));
    let mut messages: Vec<Vec<u8>> = paths
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| line.find('{').map(|start| line[start..].into()))
                .collect::<Vec<_>>()
        })
        .collect();
    messages.sort();
    messages.dedup();
    messages
}

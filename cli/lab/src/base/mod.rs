//! The base image: a minimal Debian, built once and shared by every host of every lab.
//!
//! It lies in the cache twice, as `SUITE-KEY.tar.zst` and unpacked as `SUITE-KEY/root`; the key
//! is a digest of all that went into it. Both appear by renaming, so that a killed build leaves
//! nothing that looks finished, and one lock lets parallel labs wait for one build.

mod build;
mod recipe;

pub(crate) use build::run_builder;
pub(crate) use recipe::SUITE;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::apt::{Sources, Switches};
use crate::error::LabError;
use crate::event::Event;
use crate::{files, process};

/// Everything that decides what the image holds.
#[derive(Debug)]
struct Ingredients {
    architecture: String,
    sources: Sources,
    switches: Switches,
}

impl Ingredients {
    fn of_machine() -> Result<Self, LabError> {
        let architecture = process::run(process::command("dpkg").arg("--print-architecture"))?;
        Ok(Self {
            architecture: architecture.trim().to_owned(),
            sources: Sources::of_machine(recipe::SUITE)?,
            switches: Switches::of_machine(),
        })
    }

    fn key(&self) -> String {
        let mut digest = Sha256::new();
        for part in [
            recipe::SUITE,
            &recipe::PACKAGES.join(","),
            &self.architecture,
            &self.sources.to_deb822(),
            &self.switches.for_hosts(),
            include_str!("recipe.rs"),
        ] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        let text = files::hexadecimal(&digest.finalize()[..8]);
        format!("{}-{text}", recipe::SUITE)
    }
}

/// Gives the unpacked base image, building or unpacking it when needed.
///
/// `program` is the program to run the builder from: it needs namespaces of its own.
pub(crate) fn ensure(
    cache: &Path,
    program: &Path,
    observer: &mut dyn FnMut(Event),
) -> Result<PathBuf, LabError> {
    let start = Instant::now();
    let ingredients = Ingredients::of_machine()?;
    let key = ingredients.key();
    let directory = cache.join(&key);
    let root = directory.join("root");
    if directory.join(".ok").exists() {
        return Ok(root);
    }
    let _lock = files::lock(&cache.join(".lock"), || {
        observer(Event::WaitingForOtherCommand);
    })?;
    if directory.join(".ok").exists() {
        return Ok(root);
    }
    let archive = cache.join(format!("{key}.tar.zst"));
    if archive.exists() {
        observer(Event::UnpackingBase {
            archive: archive.clone(),
        });
    } else {
        observer(Event::BuildingBase {
            suite: recipe::SUITE.into(),
        });
        build::build(cache, &archive, program, &ingredients)?;
    }
    unpack(&archive, &directory, program)?;
    prune(cache, &key);
    observer(Event::BaseReady {
        elapsed: start.elapsed(),
    });
    Ok(root)
}

fn unpack(archive: &Path, directory: &Path, program: &Path) -> Result<(), LabError> {
    let _ = fs::remove_dir_all(directory);
    let root = directory.join("root");
    files::make_directory(&root)?;
    if let Err(error) = build::unpack(archive, &root, program) {
        // A damaged archive would fail for ever; the next `up` builds it anew.
        let _ = fs::remove_dir_all(directory);
        let _ = fs::remove_file(archive);
        return Err(error);
    }
    let marker = directory.join(".ok");
    File::create(&marker)
        .map(drop)
        .map_err(LabError::file("write", marker))
}

/// Removes images of other keys that were not made lately. A lab that stands on one holds a
/// shared lock on its marker.
fn prune(cache: &Path, key: &str) {
    const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
    let Ok(entries) = fs::read_dir(cache) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(recipe::SUITE) || name.starts_with(key) {
            continue;
        }
        let age = entry
            .metadata()
            .and_then(|data| data.modified())
            .map(|time| time.elapsed());
        if !matches!(age, Ok(Ok(age)) if age > KEPT) {
            continue;
        }
        let path = entry.path();
        if !path.is_dir() {
            let _ = fs::remove_file(&path);
            continue;
        }
        let unused = File::open(path.join(".ok")).map(|marker| marker.try_lock().is_ok());
        if unused.unwrap_or(true) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_names_the_suite_and_follows_every_ingredient() {
        let first = Ingredients {
            architecture: "amd64".into(),
            sources: Sources::of_machine(recipe::SUITE).unwrap(),
            switches: Switches::default(),
        };
        let key = first.key();
        assert_eq!(key, first.key());
        assert_eq!(key.len(), recipe::SUITE.len() + 1 + 16);
        let second = Ingredients {
            architecture: "arm64".into(),
            ..first
        };
        assert_ne!(key, second.key());
    }
}

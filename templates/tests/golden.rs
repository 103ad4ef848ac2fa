//! Every rendered file of a few sites, compared with the committed text under `tests/golden`.
//!
//! A file that is a template's text to the byte stands there as one line that names the template:
//! what it says is the same in every site, and changes in one place.
//!
//! `JITCTL_UPDATE_GOLDENS=1 cargo test -p jitctl-templates --test golden` writes them anew; read the
//! difference before committing it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jitctl_templates::desired::{DesiredHost, RenderedFile, TemplateSource};
use jitctl_templates::{RenderOptions, templates};

/// The path below the host's folder and the text of everything a host is.
fn tree(host: &DesiredHost) -> BTreeMap<PathBuf, String> {
    let mut tree = BTreeMap::new();
    for file in &host.files {
        let path = PathBuf::from(file.path.trim_start_matches('/'));
        let text = text_or_source(file);
        assert!(tree.insert(path, text).is_none(), "{} twice", file.path);
    }
    let mut rest = host.clone();
    for file in &mut rest.files {
        file.content = String::new();
    }
    let mut text = serde_json::to_string_pretty(&rest).unwrap();
    text.push('\n');
    tree.insert("host.json".into(), text);
    tree
}

/// The text, or where it stands word for word.
fn text_or_source(file: &RenderedFile) -> String {
    if let TemplateSource::BuiltIn(name) = &file.source
        && templates()
            .iter()
            .any(|template| template.name == name && template.text == file.content)
    {
        return format!("same as files/{name}\n");
    }
    file.content.clone()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_rendered_file_is_the_committed_one() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var_os("JITCTL_UPDATE_GOLDENS").is_some();
    let mut expected_files = Vec::new();
    let mut differing = Vec::new();
    for (site, inventory) in support::sites() {
        for host in support::render_all(&inventory, &RenderOptions::default()) {
            let folder = goldens.join(&site).join(host.host.as_str());
            for (path, text) in tree(&host) {
                let golden = folder.join(path);
                if update {
                    std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
                    std::fs::write(&golden, &text).unwrap();
                } else if std::fs::read_to_string(&golden).ok().as_ref() != Some(&text) {
                    differing.push(golden.clone());
                }
                expected_files.push(golden);
            }
        }
    }
    let stale: Vec<PathBuf> = files_below(&goldens)
        .into_iter()
        .filter(|path| !expected_files.contains(path))
        .collect();
    if update {
        for path in &stale {
            std::fs::remove_file(path).unwrap();
        }
        return;
    }
    assert!(
        differing.is_empty(),
        "differ from the render: {differing:#?}"
    );
    assert!(stale.is_empty(), "rendered no more: {stale:#?}");
}

#[test]
fn rendering_twice_gives_the_same_bytes() {
    for (_, inventory) in support::sites() {
        assert_eq!(
            support::render_all(&inventory, &RenderOptions::default()),
            support::render_all(&inventory, &RenderOptions::default()),
        );
    }
}

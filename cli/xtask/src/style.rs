//! The form of the code: files short enough to read in one sitting, dependency arrows that point
//! down as ARCHITECTURE.md draws them, the workspace's lints in every crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{self, Result};

/// Longer than this deserves a second look.
const LONG_LINES: usize = 500;
/// Longer than this is refused, unless the file is a table.
const TOO_LONG_LINES: usize = 800;

/// Checks everything and reports all at once.
pub(crate) fn run() -> Result<()> {
    let mut problems = Vec::new();
    for path in rust_files(&shell::root())? {
        let lines = read(&path)?.lines().count();
        let shown = path.strip_prefix(shell::root()).unwrap_or(&path).display();
        if lines > TOO_LONG_LINES {
            problems.push(format!(
                "{shown} has {lines} lines: split it (limit {TOO_LONG_LINES})"
            ));
        } else if lines > LONG_LINES {
            println!("{shown} has {lines} lines: consider splitting it");
        }
    }
    problems.extend(arrows()?);
    problems.extend(manifests()?);
    if problems.is_empty() {
        println!("form: good");
        return Ok(());
    }
    Err(problems.join("\n"))
}

/// Compares the dependencies among our crates with the drawing in ARCHITECTURE.md, both ways.
fn arrows() -> Result<Vec<String>> {
    let drawn = drawn_arrows(&read(&shell::root().join("ARCHITECTURE.md"))?);
    if drawn.is_empty() {
        return Ok(vec!["ARCHITECTURE.md draws no arrows".into()]);
    }
    let tree = shell::output(shell::cargo().args([
        "tree",
        "--workspace",
        "--locked",
        "--no-dedupe",
        "--depth",
        "1",
        "--edges",
        "normal",
        "--prefix",
        "depth",
        "--format",
        "{p}",
    ]))?;
    let real = real_arrows(&tree);
    let undrawn = real
        .difference(&drawn)
        .map(|(from, to)| format!("{from} depends on {to}, which ARCHITECTURE.md does not allow"));
    let gone = drawn
        .difference(&real)
        .map(|(from, to)| format!("ARCHITECTURE.md draws {from} -> {to}, which is not so"));
    Ok(undrawn.chain(gone).collect())
}

type Arrows = BTreeSet<(String, String)>;

/// Lines such as `deploy, doctor -> templates, transport` inside the block marked `arrows`.
fn drawn_arrows(text: &str) -> Arrows {
    text.lines()
        .skip_while(|line| line.trim() != "```arrows")
        .skip(1)
        .take_while(|line| line.trim() != "```")
        .filter_map(|line| line.split_once("->"))
        .flat_map(|(from, to)| {
            names(from).flat_map(move |from| names(to).map(move |to| (from.clone(), to)))
        })
        .collect()
}

fn names(list: &str) -> impl Iterator<Item = String> + '_ {
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

/// `cargo tree --prefix depth` gives `0name v0.1.0 (/path)`, then `1name …` for what it needs.
fn real_arrows(tree: &str) -> Arrows {
    let mut arrows = Arrows::new();
    let mut from = String::new();
    for line in tree.lines().filter(|line| line.contains("(/")) {
        let Some(name) = line.get(1..).and_then(|rest| rest.split(' ').next()) else {
            continue;
        };
        let name = short(name);
        if line.starts_with('0') {
            from = name;
        } else {
            arrows.insert((from.clone(), name));
        }
    }
    arrows
}

/// `jitctl-deploy` is drawn as `deploy`.
fn short(name: &str) -> String {
    name.strip_prefix("jitctl-").unwrap_or(name).to_owned()
}

/// Every crate takes the workspace's lints and forbids unsafe code.
fn manifests() -> Result<Vec<String>> {
    // The one crate that may hold a module of batched socket calls.
    const UNSAFE_ALLOWED: [&str; 1] = ["bridge-runtime/bridge"];
    let mut problems = Vec::new();
    for (folder, manifest) in crates()? {
        if !manifest.contains("[lints]\nworkspace = true") {
            problems.push(format!(
                "{folder}/Cargo.toml does not take the workspace's lints"
            ));
        }
        if UNSAFE_ALLOWED.contains(&folder.as_str()) {
            continue;
        }
        for entry in ["src/main.rs", "src/lib.rs"] {
            let path = shell::root().join(&folder).join(entry);
            if path.is_file() && !read(&path)?.contains("#![forbid(unsafe_code)]") {
                problems.push(format!("{folder}/{entry} does not forbid unsafe code"));
            }
        }
    }
    Ok(problems)
}

/// The members of the workspace with their manifests.
fn crates() -> Result<BTreeMap<String, String>> {
    let workspace = read(&shell::root().join("Cargo.toml"))?;
    workspace
        .lines()
        .skip_while(|line| *line != "members = [")
        .skip(1)
        .take_while(|line| *line != "]")
        .map(|line| line.trim().trim_matches(&['"', ','][..]).to_owned())
        .map(|folder| {
            let manifest = read(&shell::root().join(&folder).join("Cargo.toml"))?;
            Ok((folder, manifest))
        })
        .collect()
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder)
        .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "dist", "node_modules"].contains(&&*name) {
                files.extend(rust_files(&path)?);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{drawn_arrows, real_arrows};

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_drawing_gives_every_combination() {
        let text = "text\n```arrows\na, b -> c, d\nc -> d\n```\ne -> f\n";
        let arrows: Vec<_> = drawn_arrows(text).into_iter().collect();
        assert_eq!(
            arrows,
            [
                pair("a", "c"),
                pair("a", "d"),
                pair("b", "c"),
                pair("b", "d"),
                pair("c", "d")
            ]
        );
    }

    #[test]
    fn only_our_own_crates_count() {
        let tree = "0jitctl v0.1.0 (/repo/cli/jitctl)\n1clap v4.6.7\n1jitctl-lab v0.1.0 (/repo/cli/lab)\n\n0jitctl-lab v0.1.0 (/repo/cli/lab)\n1nix v0.31.3\n";
        let arrows: Vec<_> = real_arrows(tree).into_iter().collect();
        assert_eq!(arrows, [pair("jitctl", "lab")]);
    }
}

//! The committed pages of `docs/doctor/` are what the table says.
//!
//! `cargo xtask docs` runs this test with `JITCTL_WRITE_DOCS` set: then it writes the pages.

#![expect(
    clippy::unwrap_used,
    reason = "a page that cannot be written ends the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use jitctl_doctor::catalogue::{checks, index, page};

const BEGIN: &str = "<!-- checks -->\n";
const END: &str = "<!-- end of checks -->\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor")
}

/// Holds that a file has this text, or gives it the text.
fn hold(path: &Path, text: &str) {
    if std::env::var_os("JITCTL_WRITE_DOCS").is_some() {
        fs::write(path, text).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        committed,
        text,
        "{} is not what the table says: run `cargo xtask docs`",
        path.display()
    );
}

#[test]
fn every_check_has_its_page_and_no_page_is_left_over() {
    for check in checks() {
        hold(&folder().join(format!("{}.md", check.code)), &page(check));
    }
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(code) = name.strip_suffix(".md").filter(|code| *code != "README") else {
            continue;
        };
        assert!(
            checks().any(|check| check.code == code),
            "docs/doctor/{name} is of no check"
        );
    }
}

#[test]
fn the_index_lists_every_check() {
    let path = folder().join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    hold(&path, &format!("{before}{BEGIN}{}{END}{after}", index()));
}

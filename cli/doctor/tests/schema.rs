//! The committed schema of the report is the one that the types make.
//!
//! `cargo xtask docs` runs this test with `JITCTL_WRITE_DOCS` set: then it writes the schema.

use std::fs;
use std::path::Path;

#[test]
fn the_published_schema_is_that_of_the_report() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/doctor/report.schema.json");
    let text = serde_json::to_string_pretty(&jitctl_doctor::report_schema()).unwrap() + "\n";
    if std::env::var_os("JITCTL_WRITE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, text,
        "docs/doctor/report.schema.json is old: run `cargo xtask docs`"
    );
}

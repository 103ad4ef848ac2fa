//! All tests, in the order in which they fail fastest.
//!
//! The end-to-end tests drive `dist/jitctl` as an operator would, so nothing is built in a third
//! profile for them. They need root, because they start real hosts.

use crate::shell::{self, Result};
use crate::{dist, licences, page, setup, style};

/// Runs everything; `--no-lab` leaves out what needs root, and says so.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let lab = match arguments {
        [] => true,
        [only] if only == "--no-lab" => false,
        _ => return Err("`cargo xtask test` knows only `--no-lab`".into()),
    };
    if lab && !shell::is_root() {
        return Err(
            "the end-to-end tests start real hosts and need root: run as root, or leave them out \
             with `cargo xtask test --no-lab`"
                .into(),
        );
    }
    setup::for_tests()?;
    shell::title("format");
    shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
    shell::title("form");
    style::run()?;
    licences::run()?;
    page::check()?;
    shell::title("lints");
    shell::run(
        shell::cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked", "--"])
            .args(["-D", "warnings"]),
    )?;
    shell::title("unit tests");
    shell::run(shell::cargo().args([
        "test",
        "--workspace",
        "--exclude",
        "jitctl-tests",
        "--locked",
    ]))?;
    let jitctl = dist::build()?;
    shell::title("schema");
    schema_is_current(&jitctl)?;
    if !lab {
        println!("\nleft out: the end-to-end tests in the lab");
        return Ok(());
    }
    page::for_browsers()?;
    shell::title("end to end");
    shell::run(
        shell::cargo()
            .args(["test", "-p", "jitctl-tests", "--locked", "--"])
            .arg("--test-threads=1"),
    )
}

/// Sets up, builds, and prints the matrix of faults and verdicts.
pub(crate) fn faults() -> Result<()> {
    if !shell::is_root() {
        return Err("faults are produced on real hosts, which need root: run as root".into());
    }
    setup::run()?;
    dist::build()?;
    shell::title("faults");
    shell::run(shell::cargo().args([
        "test",
        "-p",
        "jitctl-tests",
        "--locked",
        "--test",
        "doctor_names_each_fault",
        "--test",
        "doctor_stays_quiet",
        "--",
        "--test-threads=1",
    ]))
}

fn schema_is_current(jitctl: &std::path::Path) -> Result<()> {
    let printed = shell::output(shell::program(jitctl).arg("schema"))?;
    let path = shell::root().join("inventories/schema.json");
    let committed = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if printed == committed {
        return Ok(());
    }
    Err("inventories/schema.json is not what the types say: run `cargo xtask schema`".into())
}

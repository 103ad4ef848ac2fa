//! Measures ours beside others: what an operator waits for (`tests/bench/compare.py` on three lab
//! hosts, then `tests/bench/plan_many.py`), and what bridges cost (`tests/bench/peers.py`). All
//! print tables and assert nothing.

use std::path::PathBuf;

use crate::shell::{self, Result};
use crate::{dist, setup};

/// Sets up, builds, measures; `rest` goes to the comparison, such as `--runs 9`.
pub(crate) fn run(rest: &[String]) -> Result<()> {
    setup::for_comparison()?;
    dist::build()?;
    shell::title("applies on three hosts");
    shell::run(
        shell::as_root("python3")
            .arg(script("compare.py"))
            .args(rest),
    )?;
    shell::title("plans of large sites");
    shell::run(shell::program("python3").arg(script("plan_many.py")))
}

/// Our bridge beside LiveKit and Janus; `rest` goes to the script, such as `--rounds 1`.
pub(crate) fn bridges(rest: &[String]) -> Result<()> {
    setup::for_bridges()?;
    shell::run(shell::cargo().args([
        "build",
        "--release",
        "--locked",
        "-p",
        "jitctl-bridge",
        "-p",
        "jitctl-bench",
    ]))?;
    shell::title("bridges under the same load");
    shell::run(shell::as_root("python3").arg(script("peers.py")).args(rest))
}

fn script(name: &str) -> PathBuf {
    shell::root().join("tests/bench").join(name)
}

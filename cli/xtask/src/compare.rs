//! Measures what an operator waits for, beside other tools: `tests/bench/compare.py` on three lab
//! hosts, then `tests/bench/plan_many.py`. Both print tables and assert nothing.

use crate::shell::{self, Result};
use crate::{dist, setup};

/// Sets up, builds, measures; `rest` goes to the comparison, such as `--runs 9`.
pub(crate) fn run(rest: &[String]) -> Result<()> {
    setup::for_comparison()?;
    dist::build()?;
    let script = |name: &str| shell::root().join("tests/bench").join(name);
    shell::title("applies on three hosts");
    shell::run(
        shell::as_root("python3")
            .arg(script("compare.py"))
            .args(rest),
    )?;
    shell::title("plans of large sites");
    shell::run(shell::program("python3").arg(script("plan_many.py")))
}
